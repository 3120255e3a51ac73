"""What became of feedback: labels of predictions that were never made, and labels that changed after they were used.

Each round looks at the labels that came since the last one, and at those that have waited for a day: what it costs is
what came, not what the log holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from helicline import bus
from helicline.loop.context import Context
from helicline.monitor.alerting import JUDGED
from helicline.serving.prediction_log.files import deployments_in
from helicline.serving.prediction_log.labels import Change, changed, never_made
from helicline.serving.prediction_log.names import id_time
from helicline.store import durable, nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader, Tx

PAUSE_S = 600.0
SETTLED = timedelta(minutes=2)  # until then a label may still lie in an open segment
HELD = timedelta(hours=24)  # so long a label may wait for its prediction
MOST_WINDOWS = 5_000
FEW = 5  # examples in an event
_FAR = timedelta(days=36_500)


class Decision(NamedTuple):
    """What read the labels of a name, when, and of predictions made when."""

    id: str
    name: str
    read_from: datetime
    read_to: datetime
    made_from: datetime
    made_to: datetime

    def used(self, change: Change) -> bool:
        """Return whether it read the value that the label had before."""
        made_at = id_time(change.prediction_id)
        is_among = made_at is None or self.made_from <= made_at <= self.made_to
        was_read = change.before_at <= self.read_to and self.read_from <= change.after_at
        return self.name == change.name and is_among and was_read


class Checked(msgspec.Struct, frozen=True):
    """Up to when the labels were looked at."""

    until: datetime


class FeedbackCheck(bus.PeriodicTask):
    """Records an event for feedback that is lost, and for labels that changed after a decision."""

    def __init__(self, context: Context) -> None:
        super().__init__("feedback check", pause_s=PAUSE_S)
        self._context = context

    def tick(self) -> int:
        """Look at what came since the last round; the next one comes after the pause."""
        path = self._context.home / "tables" / "feedback_checked"
        with durable.lock(path.with_suffix(".lock")) as is_locked:
            if is_locked:
                self._check(path)
        return 0

    def _check(self, path: Path) -> None:
        until = self._context.store.clock.now() - SETTLED
        since = _read(path) or until
        for deployment in deployments_in(self._context.home) if since < until else ():
            self._check_deployment(deployment, since, until)
        durable.write(path, msgspec.json.encode(Checked(until)))

    def _check_deployment(self, deployment: str, since: datetime, until: datetime) -> None:
        home = self._context.home
        if ids := never_made(home, deployment, since=since - HELD, until=until - HELD):
            self._context.store.write(partial(_note_lost, deployment=deployment, ids=ids), actor="helicline")
        changes = changed(home, deployment, since=since, until=until)
        if changes:
            self._context.store.write(partial(_note_used, deployment=deployment, changes=changes), actor="helicline")


def _read(path: Path) -> datetime | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checked).until
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _note_lost(tx: Tx, *, deployment: str, ids: list[str]) -> None:
    bus.emit(tx, "lost", "feedback", deployment, count=len(ids), prediction_ids=ids[:FEW])


def _note_used(tx: Tx, *, deployment: str, changes: list[Change]) -> None:
    """Record the changes of labels that a decision had read, if there are any."""
    since = min(change.before_at for change in changes)
    every = list(decisions(tx, deployment, since))
    used = [(change, [decision.id for decision in every if decision.used(change)]) for change in changes]
    used = [(change, ids) for change, ids in used if ids]
    if used:
        examples = [
            {"prediction_id": change.prediction_id, "row": change.row, "name": change.name, "before": change.before,
             "after": change.after, "source": change.source}
            for change, _ in used[:FEW]
        ]  # fmt: skip
        used_by = sorted({decision_id for _, ids in used for decision_id in ids})
        bus.emit(tx, "changed", "feedback", deployment, count=len(used), used_by=used_by[: 4 * FEW], examples=examples)


def decisions(tx: Reader, deployment: str, since: datetime) -> Iterator[Decision]:
    """Yield what has read labels of a deployment since then: harvests, windows of monitors, guards of rollouts."""
    loops = [loop for loop in nouns.LOOPS.select(tx) if loop.spec.deployment == deployment]
    label = loops[0].spec.label if loops else "label"
    for loop in loops:
        column = nouns.TURNS.table.c
        for turn in nouns.TURNS.select(tx, column.loop == loop.name, column.created_at >= column_value(since - HELD)):
            leg = next((leg for leg in turn.legs if leg.name == "data"), None)
            if turn.harvest and turn.dataset_version and leg is not None:
                read_at = leg.finished_at or leg.started_at
                yield Decision(turn.id, label, leg.started_at, read_at, tx.now - _FAR, read_at)
    yield from _windows(tx, deployment, since=since, label=label)
    yield from _guards(tx, deployment, since=since, label=label)


def _windows(tx: Reader, deployment: str, *, since: datetime, label: str) -> Iterator[Decision]:
    for monitor in nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment == deployment):
        if monitor.spec.kind != "performance":
            continue
        column = nouns.WINDOWS.table.c
        where = (column.deployment == deployment, column.monitor == monitor.name)
        late = column.judged_at >= column_value(since)
        for window in nouns.WINDOWS.select(tx, *where, late, order=[column.judged_at.desc()], limit=MOST_WINDOWS):
            if window.severity in JUDGED:
                read_at = window.judged_at or window.end
                name, window_id = monitor.spec.feedback or label, f"{monitor.id}@{read_at:%Y-%m-%dT%H:%M}"
                yield Decision(window_id, name, read_at, read_at, window.start, window.end)


def _guards(tx: Reader, deployment: str, *, since: datetime, label: str) -> Iterator[Decision]:
    for rollout in nouns.ROLLOUTS.select(tx, nouns.ROLLOUTS.table.c.deployment == deployment):
        ended_at = rollout.finished_at or tx.now
        if ended_at < since:
            continue
        for guard in rollout.plan.guards:
            if guard.kind in ("correct", "feedback"):
                name = label if guard.kind == "correct" else guard.metric
                began_at = rollout.created_at
                yield Decision(rollout.id, name, began_at, ended_at, began_at, ended_at)
