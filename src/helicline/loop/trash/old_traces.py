"""Traces that are older than the setting `trace_keep` says are dropped, with their files and an event."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial

import msgspec

from helicline import bus, trace, tracking
from helicline.loop.context import Context
from helicline.loop.trash.old_log import Write
from helicline.records.run import Experiment
from helicline.store.rows import experiment as experiments
from helicline.store.rows import trash as trash_rows
from helicline.store.unit import Reader, Tx
from helicline.tracking.artifact import path_in_store

FEW = 500
_START = datetime.fromtimestamp(0, UTC)


class DroppedTraces(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, or went, of one experiment: the traces that began before a moment."""

    experiment_id: str
    name: str
    before: datetime
    trace_count: int


def look(context: Context) -> tuple[DroppedTraces, ...]:
    """Return what `drop` would remove now."""
    return context.store.read(lambda tx: tuple(_old(context, tx)))


def drop(context: Context, write: Write) -> tuple[DroppedTraces, ...]:
    """Remove traces that are too old, each experiment with an event before they go, a few in each transaction."""
    reports = look(context)
    for report in reports:
        write(partial(_note, report=report))
        while write(partial(_drop_some, report=report))["trace"] == FEW:
            pass
    return reports


def remove(tx: Tx, experiment: Experiment, ids: list[str]) -> int:
    """Remove traces of an experiment with their files; return how many."""
    root = path_in_store(experiment.artifact_location)
    for trace_id in ids if root else ():
        tracking.delete_artifacts(tx, f"{root}/traces/{trace_id}")
    if not ids:
        return 0
    return trace.delete_traces(tx, experiment.experiment_id, ids=ids, before_ms=None, max_count=None)


def _old(context: Context, tx: Reader) -> list[DroppedTraces]:
    rules = context.settings.trace_rules
    reports = []
    for experiment in experiments.find_all(tx, ["active"]):
        age = rules.get(experiment.name, rules[""]).max_age
        if age is None or age >= tx.now - _START:
            continue
        before = tx.now - age
        count = trash_rows.trace_count(tx, experiment.experiment_id, before_ms=_millis(before))
        report = DroppedTraces(
            experiment_id=experiment.experiment_id, name=experiment.name, before=before, trace_count=count
        )
        reports += [report] if count else []
    return reports


def _drop_some(tx: Tx, report: DroppedTraces) -> Counter[str]:
    experiment = experiments.find(tx, int(report.experiment_id))
    if experiment is None:
        return Counter()
    ids = trash_rows.old_traces(tx, report.experiment_id, before_ms=_millis(report.before), limit=FEW)
    return Counter(trace=remove(tx, experiment, ids))


def _note(tx: Tx, report: DroppedTraces) -> Counter[str]:
    before, count = report.before.isoformat(), report.trace_count
    bus.emit(tx, "expired", "traces", report.experiment_id, before=before, count=count)
    return Counter()


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
