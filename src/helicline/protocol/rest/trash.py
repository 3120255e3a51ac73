"""Emptying the trash over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar import post

from helicline.errors import Invalid
from helicline.loop.trash import empty as trash
from helicline.loop.trash import old_events, old_log, old_process_logs, old_traces
from helicline.loop.trash.find import Selection
from helicline.protocol.rest.edge import Edge

RETENTION: dict[str, Any] = {
    "log": old_log,
    "old_traces": old_traces,
    "process_logs": old_process_logs,
    "old_events": old_events,
}
MAX_SPAN_S = 100 * 365 * 24 * 3600.0


class EmptyBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to delete: the named runs and experiments, or else all that was deleted at least `older_than_s` ago.

    Unreferenced blobs stay if they were written or checked in the last `grace_s` seconds.
    """

    run_ids: list[str] = []
    experiment_ids: list[str] = []
    older_than_s: float = 0.0
    grace_s: float = trash.GRACE.total_seconds()
    dry_run: bool = False


@post("/trash/empty", sync_to_thread=True, status_code=200)
def empty_trash(edge: Edge, data: EmptyBody) -> trash.Emptied:
    """Delete trashed rows and unreferenced blobs permanently, and the log that is too old; `dry_run` only counts."""
    selection = Selection(
        run_ids=tuple(dict.fromkeys(data.run_ids)),
        experiment_ids=tuple(dict.fromkeys(data.experiment_ids)),
        older_than=_duration("older_than_s", data.older_than_s),
    )
    grace = _duration("grace_s", data.grace_s)
    is_named = bool(data.run_ids or data.experiment_ids)
    if data.dry_run:
        report = trash.look(edge.context, selection, grace=grace)
        dropped = {} if is_named else {name: room.look(edge.context) for name, room in RETENTION.items()}
        return msgspec.structs.replace(report, **dropped)
    dropped = {} if is_named else {name: room.drop(edge.context, edge.write) for name, room in RETENTION.items()}
    report = trash.empty(edge.context, selection, edge.write, grace=grace)
    return msgspec.structs.replace(report, **dropped)


def _duration(field: str, seconds: float) -> timedelta:
    if not 0 <= seconds <= MAX_SPAN_S:
        raise Invalid(field, seconds, f"0 to {MAX_SPAN_S:.0f} seconds")
    return timedelta(seconds=seconds)


ROUTES = [empty_trash]
