"""A person accepts what an alert found as normal: the reference of the version that serves moves to it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from helicline import bus
from helicline.errors import Conflict, Invalid
from helicline.loop.context import Context
from helicline.loop.monitors import monitor_windows
from helicline.loop.monitors.broken_data import KINDS, monitors_of_inputs
from helicline.monitor import alerting
from helicline.monitor.profile import PREDICTION, Column, Profile, decode, encode, merged
from helicline.records.monitor import Acceptance, Alert, Monitor
from helicline.serving.prediction_log import profiles as log_profiles
from helicline.store import nouns
from helicline.store.unit import Tx

OF_TYPE = ("absent", "type")  # such a column cannot be compared any more


def accept(context: Context, alert_id: tuple[str, int], *, columns: Sequence[str], person: str, reason: str) -> Alert:
    """Move the reference of the columns, or of all that the alert names, to its newest bad window, and resolve it.

    Raises:
        Invalid: there is no reason, the alert is not about inputs, or it does not name such a column.
        Conflict: the alert is resolved, or is about a version that does not serve any more.
    """
    if not reason.strip():
        raise Invalid("reason", reason, "why this is normal now", "It is recorded with your name.")
    deployment, number = alert_id
    alert = context.store.read(lambda tx: nouns.ALERTS.get(tx, deployment, number))
    accepted = _accepted(alert, columns)
    subject = context.store.read(lambda tx: monitor_windows.subject_of(tx, deployment))
    if subject is None or subject.revision.model_version != alert.model_version:
        raise Conflict("alert", alert.id, f"is about version {alert.model_version}, which does not serve any more")
    reference = monitor_windows.reference_of(context, subject)
    if reference is None or alert.window_start is None or alert.window_end is None:
        raise Conflict("alert", alert.id, "has no window or no reference to move")
    parts = log_profiles.between(
        context.home, deployment, revision=subject.revision.number, since=alert.window_start, until=alert.window_end
    )
    window = merged([decode(part) for part in parts])
    if not window.row_count:
        raise Conflict("alert", alert.id, "is about rows that the prediction log no longer has")
    blob, _ = context.blobs.put([encode(_moved(reference, window, accepted))])

    def unit(tx: Tx) -> Alert:
        now = monitor_windows.subject_of(tx, deployment)
        if now is None or (now.revision.number, now.reference) != (subject.revision.number, subject.reference):
            raise Conflict("alert", alert.id, "is about a reference that was moved meanwhile; look at it again")
        for monitor in monitors_of_inputs(tx, deployment):
            _move_reference(tx, monitor, blob, revision=subject.revision.number, accepted=accepted)
        for column, statistic in accepted:
            bus.emit(
                tx, "accepted", "alert", alert.id, column=column, statistic=statistic, person=person, reason=reason
            )
        return alerting.resolve(tx, _open(nouns.ALERTS.get(tx, deployment, number)), why=f"{person}: {reason}")

    return context.store.write(unit, actor=person)


def _open(alert: Alert) -> Alert:
    if alert.state not in alerting.OPEN:
        raise Conflict("alert", alert.id, "is resolved; only what an open alert says can be accepted")
    return alert


def _accepted(alert: Alert, columns: Sequence[str]) -> list[Acceptance]:
    """Return the column and statistic of each finding that is accepted."""
    if _open(alert).kind not in KINDS:
        raise Invalid("alert", f"{alert.id}, of a {alert.kind} monitor", "an alert of a drift or quality monitor")
    named = {finding.column for finding in alert.findings}
    for column in columns:
        if column not in named:
            raise Invalid("columns", column, f"of {', '.join(sorted(named))}")
    return [
        Acceptance(finding.column, finding.statistic)
        for finding in alert.findings
        if not columns or finding.column in columns
    ]


def _move_reference(tx: Tx, monitor: Monitor, blob: str, *, revision: int, accepted: Sequence[Acceptance]) -> None:
    earlier = monitor.accepted if monitor.reference_revision == revision else ()
    changed = msgspec.structs.replace(
        monitor,
        reference=blob,
        reference_revision=revision,
        accepted=tuple(dict.fromkeys((*earlier, *accepted))),
        wake_at=tx.now,
    )
    nouns.MONITORS.swap(tx, changed)


def _moved(reference: Profile, window: Profile, accepted: Sequence[Acceptance]) -> Profile:
    columns, prediction = dict(reference.columns), reference.prediction
    for name, statistic in accepted:
        if name == PREDICTION and prediction is not None and window.prediction is not None:
            prediction = _moved_column(prediction, window.prediction)
        elif name in columns and (statistic in OF_TYPE or name not in window.columns):
            del columns[name]
        elif name in columns:
            columns[name] = _moved_column(reference.columns[name], window.columns[name])
    return msgspec.structs.replace(reference, columns=columns, prediction=prediction)


def _moved_column(old: Column, new: Column) -> Column:
    """Return the counts of the window, with the values that the reference knew still known."""
    if old.kind != new.kind or not new.count:
        return msgspec.structs.replace(old, missing=max(old.missing, new.missing))
    lows = [low for low in (old.low, new.low) if low is not None]
    highs = [high for high in (old.high, new.high) if high is not None]
    return msgspec.structs.replace(
        new,
        role=old.role,
        categories=dict.fromkeys(old.categories, 0) | new.categories,
        low=min(lows, default=None),
        high=max(highs, default=None),
    )
