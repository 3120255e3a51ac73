"""What people change on the pages of runs: archive, restore, tags and the note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helicline import bus
from helicline.errors import Invalid
from helicline.records.run import Run
from helicline.store.unit import Tx
from helicline.tracking import checks, log
from helicline.tracking.log import log_batch
from helicline.tracking.run import active_run, delete_run, get_run, restore_run

MOST_RUNS, MOST_TAGS, MOST_TAG = 1000, 100, 8000
NOTE = "mlflow.note.content"


def archive_runs(tx: Tx, run_ids: Sequence[str]) -> int:
    """Hide the runs, all or none; those that are hidden already are fine. Return how many were asked for."""
    for run_id in _few(run_ids):
        delete_run(tx, run_id)
    return len(run_ids)


def restore_runs(tx: Tx, run_ids: Sequence[str]) -> int:
    """Bring the runs back, all or none. Raises NotActive where an experiment itself is archived."""
    for run_id in _few(run_ids):
        restore_run(tx, run_id)
    return len(run_ids)


def _few(run_ids: Sequence[str]) -> list[str]:
    if not 1 <= len(run_ids) <= MOST_RUNS:
        raise Invalid("run_ids", len(run_ids), f"1 to {MOST_RUNS} runs at once")
    return sorted(set(run_ids))


def edit_tags(tx: Tx, run_id: str, *, put: Mapping[str, str], drop: Sequence[str] = ()) -> Run:
    """Return the run with tags written and dropped by a person. Unlike a client's, a long value is refused, not cut."""
    if len(put) + len(drop) > MOST_TAGS:
        raise Invalid("tags", len(put) + len(drop), f"at most {MOST_TAGS} at once")
    for key, value in put.items():
        if not key.strip():
            raise Invalid("tags", key, "a key that is not empty")
        checks.checked_length(f"the value of {key[:80]}", MOST_TAG, value)
    active_run(tx, run_id)
    log_batch(tx, run_id, tags=dict(put))
    tags = get_run(tx, run_id).tags
    for key in drop:
        if key in tags:
            log.untag_run(tx, run_id, key)
    bus.emit(tx, "tagged", "run", run_id, put=sorted(put), dropped=sorted(drop))
    return get_run(tx, run_id)
