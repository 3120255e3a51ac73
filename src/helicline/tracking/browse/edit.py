"""Edits of runs by people: archive, restore, tags and the note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helicline import bus
from helicline.errors import Invalid
from helicline.records.run import Run
from helicline.store.unit import Tx
from helicline.tracking import checks, log
from helicline.tracking.log import log_batch
from helicline.tracking.run import active_run, delete_run, get_run, restore_run

MAX_RUNS, MAX_TAGS, MAX_TAG_LENGTH = 1000, 100, 8000
NOTE_TAG = "mlflow.note.content"


def archive_runs(tx: Tx, run_ids: Sequence[str]) -> int:
    """Archive the runs, all or none; archived runs stay so. Return the number of runs in the call."""
    for run_id in _checked_ids(run_ids):
        delete_run(tx, run_id)
    return len(run_ids)


def restore_runs(tx: Tx, run_ids: Sequence[str]) -> int:
    """Restore the runs, all or none. Raises NotActive where the experiment of a run is archived."""
    for run_id in _checked_ids(run_ids):
        restore_run(tx, run_id)
    return len(run_ids)


def _checked_ids(run_ids: Sequence[str]) -> list[str]:
    if not 1 <= len(run_ids) <= MAX_RUNS:
        raise Invalid("run_ids", len(run_ids), f"1 to {MAX_RUNS} runs at once")
    return sorted(set(run_ids))


def edit_tags(tx: Tx, run_id: str, *, put: Mapping[str, str], drop: Sequence[str] = ()) -> Run:
    """Return the run after writing and deleting tags. A long value raises Invalid, where a client's is truncated."""
    if len(put) + len(drop) > MAX_TAGS:
        raise Invalid("tags", len(put) + len(drop), f"at most {MAX_TAGS} at once")
    for key, value in put.items():
        if not key.strip():
            raise Invalid("tags", key, "a key that is not empty")
        checks.checked_length(f"the value of {key[:80]}", MAX_TAG_LENGTH, value)
    active_run(tx, run_id)
    log_batch(tx, run_id, tags=dict(put))
    tags = get_run(tx, run_id).tags
    for key in drop:
        if key in tags:
            log.untag_run(tx, run_id, key)
    bus.emit(tx, "tagged", "run", run_id, put=sorted(put), dropped=sorted(drop))
    return get_run(tx, run_id)
