"""Emptying the trash: rows first, a few in each transaction with their events; then the blobs that nothing names."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from helicline import bus, tracking
from helicline.errors import Conflict
from helicline.loop.context import Context
from helicline.loop.trash import old_traces, unused
from helicline.loop.trash.find import Item, Selection, find, still
from helicline.loop.trash.old_events import ArchivedEvents
from helicline.loop.trash.old_log import DroppedLog
from helicline.loop.trash.old_process_logs import DroppedLogs
from helicline.loop.trash.old_traces import DroppedTraces
from helicline.store import nouns
from helicline.store.rows import experiment as rows
from helicline.store.rows import trash as trash_rows
from helicline.store.unit import Reader, Tx

# the writer serves everybody: what it is kept busy with at once stays short
FEW = 50
FEW_TRACES = 500
# a client may upload for hours before it commits what names the bytes
GRACE = timedelta(hours=24)
_one_at_a_time = threading.Lock()


class Emptied(msgspec.Struct, frozen=True, kw_only=True):
    """What went for good, or would go; `remaining` is what had to stay, and why (`kept` on the wire)."""

    dry_run: bool
    run_count: int = 0
    experiment_count: int = 0
    logged_model_count: int = 0
    model_version_count: int = 0
    trace_count: int = 0
    blob_count: int = 0
    freed_bytes: int = 0
    log: tuple[DroppedLog, ...] = ()
    old_traces: tuple[DroppedTraces, ...] = ()
    process_logs: tuple[DroppedLogs, ...] = ()
    old_events: tuple[ArchivedEvents, ...] = ()
    remaining: tuple[Item, ...] = msgspec.field(default=(), name="kept")


# runs a unit of work in the name of who asked
Write = Callable[[Callable[[Tx], Counter[str]]], Counter[str]]


def look(context: Context, selection: Selection, *, grace: timedelta = GRACE) -> Emptied:
    """Return what `empty` would remove now."""

    def view(tx: Reader) -> tuple[list[Item], Counter[str], datetime]:
        items = find(tx, selection)
        counts: Counter[str] = Counter(item.noun for item in items if not item.why)
        going = [item.id for item in items if item.noun == "experiment" and not item.why]
        counts["trace"] = sum(trash_rows.trace_count(tx, experiment_id) for experiment_id in going)
        return items, counts, tx.now

    items, counts, now = context.store.read(view)
    folders = [item.folder for item in items if item.folder and not item.why]
    sizes = [size for _, size in unused.blobs(context, now - grace, without=folders)]
    return _emptied(items, counts | Counter(blob=len(sizes), byte=sum(sizes)), dry_run=True)


def empty(context: Context, selection: Selection, write: Write, *, grace: timedelta = GRACE) -> Emptied:
    """Remove the selected items permanently, then every blob that nothing names and nobody used in `grace`.

    It may end at any point: what is left is found again. Raises Conflict while another one is at work here.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise Conflict("trash", "of this server", "is being emptied already", "Try again when that is done.")
    try:
        items, now = context.store.read(lambda tx: (find(tx, selection), tx.now))
        counts: Counter[str] = Counter()
        for unit in _units([item for item in items if not item.why]):
            counts += write(unit)
        freed = unused.remove_blobs(context, now, now - grace)
        if freed["byte"]:
            write(lambda tx: _note_removed_blobs(tx, freed))
        return _emptied(items, counts + freed, dry_run=False)
    finally:
        _one_at_a_time.release()


def _units(going: Sequence[Item]) -> Iterator[Callable[[Tx], Counter[str]]]:
    """Yield units of work that together remove the items, experiments last."""
    singles = [item for item in going if item.noun != "experiment"]
    for start in range(0, len(singles), FEW):
        yield lambda tx, few=singles[start : start + FEW]: _removed(tx, few)  # type: ignore[misc]
    for item in going:
        if item.noun == "experiment":
            yield from _traces(item.id)
            yield lambda tx, chosen=item: _removed(tx, [chosen])  # type: ignore[misc]


def _traces(experiment_id: str) -> Iterator[Callable[[Tx], Counter[str]]]:
    more = True

    def unit(tx: Tx) -> Counter[str]:
        nonlocal more
        experiment = rows.find(tx, int(experiment_id))
        if experiment is None or experiment.lifecycle != "deleted":
            more = False
            return Counter()
        ids = trash_rows.traces_of(tx, experiment_id, limit=FEW_TRACES)
        more = len(ids) == FEW_TRACES
        return Counter(trace=old_traces.remove(tx, experiment, ids))

    while more:
        yield unit


def _removed(tx: Tx, items: Sequence[Item]) -> Counter[str]:
    """Remove those that still may go: one may have been restored since it was found."""
    going = still(tx, items)
    for item in going:
        REMOVE[item.noun](tx, item.id)
        _drop_folder(tx, item.folder)
        bus.emit(tx, "purged", item.noun, item.id)
    return Counter(item.noun for item in going)


def _drop_folder(tx: Tx, folder: str) -> None:
    if folder:
        tracking.delete_artifacts(tx, folder)


def _remove_version(tx: Tx, version_id: str) -> None:
    model, _, number = version_id.rpartition("/")
    nouns.VERSIONS.delete(tx, model, int(number))


def _remove_experiment(tx: Tx, experiment_id: str) -> None:
    for scorer in nouns.SCORERS.select(tx, nouns.SCORERS.table.c.experiment == experiment_id):
        nouns.SCORERS.delete(tx, experiment_id, scorer.name, scorer.number)
    for dataset in nouns.EVALUATION_DATASETS.select(tx):
        if experiment_id in dataset.experiments:
            rest = tuple(other for other in dataset.experiments if other != experiment_id)
            nouns.EVALUATION_DATASETS.swap(tx, msgspec.structs.replace(dataset, experiments=rest))
    trash_rows.remove_experiment(tx, experiment_id)


REMOVE: dict[str, Callable[[Tx, str], None]] = {
    "run": trash_rows.remove_run,
    "logged_model": trash_rows.remove_model,
    "model_version": _remove_version,
    "experiment": _remove_experiment,
}


def _note_removed_blobs(tx: Tx, freed: Counter[str]) -> Counter[str]:
    bus.emit(tx, "swept", "blobs", "unused", count=freed["blob"], bytes=freed["byte"])
    return freed


def _emptied(items: Sequence[Item], counts: Counter[str], *, dry_run: bool) -> Emptied:
    return Emptied(
        dry_run=dry_run,
        run_count=counts["run"],
        experiment_count=counts["experiment"],
        logged_model_count=counts["logged_model"],
        model_version_count=counts["model_version"],
        trace_count=counts["trace"],
        blob_count=counts["blob"],
        freed_bytes=counts["byte"],
        remaining=tuple(item for item in items if item.why),
    )
