"""What the windows of monitors say of broken data: nothing is learned from it, and no row of it is harvested."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from helicline.loop.monitors.monitor_windows import latest_windows
from helicline.monitor import quality
from helicline.records.monitor import Acceptance, Monitor, Window
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader, Tx

KINDS = ("quality", "drift")  # of monitors that look at the inputs
LONG_CALL = timedelta(seconds=5)


def doubt(tx: Tx, deployment: str, *, until: datetime | None) -> str:
    """Return why what came in up to `until` cannot be learned from yet, "" where nothing speaks against it.

    A monitor of the inputs says of its newest window that it is broken, or has not looked at it yet; then it is woken.
    None stands for what the monitors have looked at, which is nothing before each of them has looked once.
    """
    for monitor in monitors_of_inputs(tx, deployment):
        if monitor.watched_until is None or (until is not None and monitor.watched_until < until):
            if monitor.wake_at is None or monitor.wake_at > tx.now:  # else it looks just now, and is not disturbed
                nouns.MONITORS.swap(tx, msgspec.structs.replace(monitor, wake_at=tx.now))
            return f"{monitor.id} has not yet looked at the rows"
        newest = next(iter(latest_windows(tx, deployment, monitor.name, limit=1)), None)
        if newest is not None and (broken := _broken(tx, monitor, newest)):
            return f"the newest window of {monitor.id} holds broken data: {', '.join(map(' '.join, broken[:3]))}"
    return ""


def ranges(tx: Reader, deployment: str, *, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the times of the windows with broken data between `since` and `until`, the oldest first.

    They begin a little before the windows: those have whole segments of the log, and a segment has calls that began
    before it was opened.
    """
    column = nouns.WINDOWS.table.c
    monitors = {monitor.name: monitor for monitor in monitors_of_inputs(tx, deployment)}
    windows = nouns.WINDOWS.select(
        tx,
        column.deployment == deployment,
        column.monitor.in_(monitors),
        column.end > column_value(since),
        order=[column.end],
    )
    return [
        (window.start - LONG_CALL, window.end)
        for window in windows
        if window.start < until and _broken(tx, monitors[window.monitor], window)
    ]


def monitors_of_inputs(tx: Reader, deployment: str) -> Iterator[Monitor]:
    """Yield the monitors of a deployment that look at what comes in."""
    for monitor in nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment == deployment):
        if monitor.spec.kind in KINDS:
            yield monitor


def _broken(tx: Reader, monitor: Monitor, window: Window) -> list[Acceptance]:
    """Return the columns and statistics by which the window's data is broken, but for those that a person accepted.

    What was accepted of one version says nothing of the next, which has a reference of its own.
    """
    broken = [Acceptance(finding.column, finding.statistic) for finding in quality.broken(window.findings)]
    if not broken or not monitor.accepted:
        return broken
    revision = nouns.REVISIONS.find(tx, monitor.deployment, monitor.reference_revision)
    if revision is None or revision.model_version != window.model_version:
        return broken
    return [what for what in broken if what not in monitor.accepted]
