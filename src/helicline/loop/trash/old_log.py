"""What is dropped of the prediction log and of monitor windows: as the setting `log_keep` says, but nothing needed.

Needed is what a running rollout, the reach of a monitor, the next harvest, and labels that still come in ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import sqlalchemy as sa

from helicline import bus
from helicline.errors import Conflict
from helicline.loop import harvests
from helicline.loop.context import Context
from helicline.loop.monitors.monitor_windows import REACH, latest_windows, windows_of_alert
from helicline.records.monitor import Monitor
from helicline.serving.deployments import ACTIVE
from helicline.serving.prediction_log import profiles
from helicline.serving.prediction_log.files import UNKNOWN, LogFile, deployments_in, label_files, listed
from helicline.serving.prediction_log.labels import LATE_LABELS, labelled_span
from helicline.serving.prediction_log.merge import remove
from helicline.serving.prediction_log.names import moment_of, text_of
from helicline.settings import KeepRule
from helicline.store import durable, nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader, Tx

FEW_WINDOWS = 500
_START = datetime.fromtimestamp(0, UTC)
_TRIES, _TRY_S = 50, 0.1
Write = Callable[[Callable[[Tx], Counter[str]]], Counter[str]]


class DroppedLog(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, or went, of one deployment: all that ended before a moment. `needed` says why more had to stay."""

    deployment: str
    before: datetime
    file_count: int = 0
    freed_bytes: int = 0
    window_count: int = 0
    needed: str = ""


class Need(msgspec.Struct, frozen=True, order=True):
    """The earliest rows that something asks for."""

    since: datetime
    why: str


class _Plan(msgspec.Struct, frozen=True):
    report: DroppedLog
    files: list[LogFile]


def look(context: Context) -> tuple[DroppedLog, ...]:
    """Return what `drop` would remove now, and what would go but is needed."""
    return tuple(plan.report for plan in _plans(context))


def drop(context: Context, write: Write) -> tuple[DroppedLog, ...]:
    """Remove what is too old or too much, each deployment with an event before its files go.

    Raises:
        Conflict: a backup reads the files.
    """
    plans = _plans(context)
    if not any(plan.files or plan.report.window_count for plan in plans):
        return tuple(plan.report for plan in plans)
    with _merges_stopped(context):
        plans = _plans(context)
        for plan in plans:
            if plan.files or plan.report.window_count:
                write(partial(_note, report=plan.report))
                while write(partial(_drop_windows, report=plan.report))["window"]:
                    pass
                remove(plan.files, context.store.clock.now())
        return tuple(plan.report for plan in plans)


@contextmanager
def _merges_stopped(context: Context) -> Iterator[None]:
    """Hold the lock of merges, which is free again in a moment unless a backup runs."""
    path = context.home / "tables" / durable.MERGE_LOCK
    for _ in range(_TRIES):
        with durable.lock(path) as is_locked:
            if is_locked:
                yield
                return
        context.store.clock.sleep(_TRY_S)
    raise Conflict("prediction log", "of this home", "is being read by a backup", "Try again when that is done.")


def _plans(context: Context) -> list[_Plan]:
    rules = context.settings.log_rules
    names, now = context.store.read(
        lambda tx: ([deployment.name for deployment in nouns.DEPLOYMENTS.select(tx)], tx.now)
    )
    names = sorted({*names, *deployments_in(context.home)} - {UNKNOWN})
    needs = {name: _needs(context, name, now) for name in names}
    # feedback without a deployment may belong to any
    needs[UNKNOWN] = [min(needs[name]) for name in names if needs[name]]
    plans = [_plan(context, name, rules.get(name, rules[""]), now=now, needs=needs[name]) for name in needs]
    return [plan for plan in plans if plan.files or plan.report.window_count or plan.report.needed]


def _plan(context: Context, name: str, rule: KeepRule, *, now: datetime, needs: list[Need]) -> _Plan:
    files = [file for table in ("predictions", "labels") for file in listed(context.home, table, deployment=name)]
    wish_end = max(_end_of_age(rule, now), _end_of_size(rule, files))
    need = min(needs, default=Need(now, ""))
    before = min(wish_end, need.since)
    going = [file for file in files if file.name.last < text_of(before)]
    windows = context.store.read(lambda tx: _window_count(tx, name, before))
    is_held = any(file.name.last < text_of(wish_end) for file in files if file not in going)
    report = DroppedLog(
        deployment=name,
        before=before,
        file_count=len(going),
        freed_bytes=sum(_size(file) for file in going),
        window_count=windows,
        needed=need.why if is_held and need.since < wish_end else "",
    )
    return _Plan(report, going)


def _end_of_age(rule: KeepRule, now: datetime) -> datetime:
    if rule.max_age is None or rule.max_age >= now - _START:
        return _START
    return now - rule.max_age


def _end_of_size(rule: KeepRule, files: list[LogFile]) -> datetime:
    """Return the moment before which all has to go so that the newest files fit."""
    if rule.max_bytes is None:
        return _START
    size = 0
    for file in sorted(files, key=lambda file: file.name.last, reverse=True):
        size += _size(file)
        if size > rule.max_bytes:
            return moment_of(file.name.last) + timedelta(microseconds=1)
    return _START


def _size(file: LogFile) -> int:
    paths = (file.path, profiles.beside(file.path))
    return sum(path.stat().st_size for path in paths if path.exists())


def _needs(context: Context, name: str, now: datetime) -> list[Need]:
    """Return what still asks for rows of a deployment."""
    return [
        *context.store.read(lambda tx: [*_rollouts(tx, name), *_monitors(tx, name)]),
        *_late_labels(context, name, now),
        *_harvests(context, name),
    ]


def _rollouts(tx: Reader, name: str) -> Iterator[Need]:
    column = nouns.ROLLOUTS.table.c
    for rollout in nouns.ROLLOUTS.select(tx, column.deployment == name, column.state.in_(ACTIVE)):
        yield Need(rollout.created_at, f"the rollout {rollout.id} is running")


def _monitors(tx: Reader, name: str) -> Iterator[Need]:
    for monitor in nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment == name):
        reach = timedelta(seconds=monitor.spec.window_s * REACH + _label_delay_s(tx, monitor))
        yield Need(tx.now - reach, f"the monitor {monitor.id} looks so far back")


def _label_delay_s(tx: Reader, monitor: Monitor) -> float:
    """Return how late the monitor looks at predictions: as declared, else as its newest window says."""
    if monitor.spec.label_delay_s is not None:
        return monitor.spec.label_delay_s
    newest = next(iter(latest_windows(tx, monitor.deployment, monitor.name, limit=1)), None)
    return newest.label_delay.seconds if newest and newest.label_delay else 0.0


def _late_labels(context: Context, name: str, now: datetime) -> Iterator[Need]:
    """Yield the rows to which labels may still come, if they come as late as those of the last days did."""
    spans = [labelled_span(file) for file in label_files(context.home, name, now - LATE_LABELS)]
    delay = max((arrived_at - made_at for made_at, arrived_at in filter(None, spans)), default=None)
    if delay is not None:
        yield Need(now - delay, f"labels came up to {delay / timedelta(days=1):.1f} days after their predictions")


def _harvests(context: Context, name: str) -> Iterator[Need]:
    """Yield the rows that the next harvest adds to a dataset."""
    harvested_at = context.store.read(lambda tx: _harvested_until(tx, name))
    if harvested_at is None:
        return
    spans = [labelled_span(file) for file in label_files(context.home, name, harvested_at)]
    earliest = min((made_at for made_at, _ in filter(None, spans)), default=None)
    if earliest is not None:
        yield Need(earliest, "labels that came since the last harvest belong to rows so old")


def _harvested_until(tx: Reader, name: str) -> datetime | None:
    """Return what was harvested for each loop that does so (nothing yet: 1970), or None where no loop does."""
    spans = [
        harvests.last_published(tx, loop)
        for loop in nouns.LOOPS.select(tx)
        if loop.spec.deployment == name and any(trigger.harvest for trigger in loop.spec.triggers)
    ]
    return min((span.predictions_until if span else _START for span in spans), default=None)


def _old_windows(tx: Reader, name: str, before: datetime) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    """Yield the conditions on each monitor's old windows, without its newest: alerts are judged by them."""
    column = nouns.WINDOWS.table.c
    for monitor in nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment == name):
        of_monitor = (column.deployment == name, column.monitor == monitor.name)
        limit = windows_of_alert(monitor.spec)
        newest = latest_windows(tx, name, monitor.name, limit=limit)
        if len(newest) == limit:
            yield (*of_monitor, column.end < column_value(min(before, *(window.end for window in newest))))


def _window_count(tx: Reader, name: str, before: datetime) -> int:
    return sum(nouns.WINDOWS.count(tx, *conditions) for conditions in _old_windows(tx, name, before))


def _drop_windows(tx: Tx, report: DroppedLog) -> Counter[str]:
    """Remove some of the old windows; the writer serves others between two such units."""
    conditions = next(
        (where for where in _old_windows(tx, report.deployment, report.before) if nouns.WINDOWS.count(tx, *where)), None
    )
    old = nouns.WINDOWS.select(tx, *conditions, limit=FEW_WINDOWS) if conditions else []
    for window in old:
        nouns.WINDOWS.delete(tx, window.deployment, window.monitor, window.end)
    return Counter(window=len(old))


def _note(tx: Tx, report: DroppedLog) -> Counter[str]:
    bus.emit(
        tx,
        "expired",
        "prediction_log",
        report.deployment,
        before=report.before.isoformat(),
        files=report.file_count,
        bytes=report.freed_bytes,
        windows=report.window_count,
    )
    return Counter()
