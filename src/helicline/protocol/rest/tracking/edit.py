"""Edits of runs over HTTP: archive, restore, tags and the note."""

from __future__ import annotations

import msgspec
from litestar import post

from helicline.protocol.rest.edge import Edge
from helicline.records.run import Run
from helicline.tracking import browse


class RunIds(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    run_ids: list[str]


class Changed(msgspec.Struct, frozen=True):
    count: int


class TagsBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Tags to write and to delete; the note is the tag `mlflow.note.content`."""

    put: dict[str, str] = {}
    drop: list[str] = []


@post("/runs/archive", sync_to_thread=True, status_code=200)
def archive(edge: Edge, data: RunIds) -> Changed:
    """Archive runs, all or none; `restore` reverses it."""
    return Changed(edge.write(lambda tx: browse.archive_runs(tx, data.run_ids)))


@post("/runs/restore", sync_to_thread=True, status_code=200)
def restore(edge: Edge, data: RunIds) -> Changed:
    """Restore archived runs, all or none."""
    return Changed(edge.write(lambda tx: browse.restore_runs(tx, data.run_ids)))


@post("/runs/{run_id:str}/tags", sync_to_thread=True, status_code=200)
def edit_tags(edge: Edge, run_id: str, data: TagsBody) -> Run:
    """Write and delete tags of a run."""
    return edge.write(lambda tx: browse.edit_tags(tx, run_id, put=data.put, drop=data.drop))


ROUTES = [archive, restore, edit_tags]
