"""Emptying the trash over HTTP."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from litestar import post

from helicline.errors import Invalid
from helicline.loop.trash import empty as trash
from helicline.loop.trash.find import Selection
from helicline.protocol.rest.edge import Edge

MOST_S = 100 * 365 * 24 * 3600.0


class EmptyBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to go: the runs and experiments named, else all that was deleted `older_than_s` ago or earlier.

    Blobs that were put or asked for in the last `grace_s` seconds stay, though nothing names them.
    """

    run_ids: list[str] = []
    experiment_ids: list[str] = []
    older_than_s: float = 0.0
    grace_s: float = trash.GRACE.total_seconds()
    dry_run: bool = False


@post("/trash/empty", sync_to_thread=True, status_code=200)
def empty_trash(edge: Edge, data: EmptyBody) -> trash.Emptied:
    """Remove for good what was deleted, and the bytes that nothing refers to any more; `dry_run` only tells."""
    selection = Selection(
        run_ids=tuple(dict.fromkeys(data.run_ids)),
        experiment_ids=tuple(dict.fromkeys(data.experiment_ids)),
        older_than=_span("older_than_s", data.older_than_s),
    )
    grace = _span("grace_s", data.grace_s)
    if data.dry_run:
        return trash.look(edge.context, selection, grace=grace)
    return trash.empty(edge.context, selection, edge.write, grace=grace)


def _span(field: str, seconds: float) -> timedelta:
    if not 0 <= seconds <= MOST_S:
        raise Invalid(field, seconds, f"0 to {MOST_S:.0f} seconds")
    return timedelta(seconds=seconds)


ROUTES = [empty_trash]
