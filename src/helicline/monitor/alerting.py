"""Alerts from windows: an alert opens after several bad windows, and resolves after several quiet ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from helicline import bus
from helicline.monitor.profile import PREDICTION
from helicline.monitor.testable import is_tested
from helicline.records.monitor import Alert, AlertEvidence, Finding, MonitorSpec, Severity, Window
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

OPEN = ("firing", "acknowledged")
BAD = ("warning", "critical")
JUDGED = ("ok", "info", *BAD)


def decide(
    spec: MonitorSpec, recent: Sequence[Window], alert: Alert | None
) -> Literal["raise", "update", "resolve", "quiet", "none"]:
    """Return the action for the newest window. `recent` is newest first; windows without a verdict do not count.

    A window that reaches back holds rows of earlier ones, so only windows without a common row are counted.
    """
    if not recent or recent[0].severity not in JUDGED:
        return "none"
    judged = [window for window in recent if window.severity in JUDGED]
    is_bad = judged[0].severity in BAD
    if alert is None:
        bad = sum(1 for window in disjoint(judged)[: spec.of] if window.severity in BAD)
        return "raise" if is_bad and bad >= min(spec.persist, spec.of) else "none"
    if is_bad:
        return "update"
    return "resolve" if len(_quiet(judged)) >= spec.persist else "quiet"


def disjoint(windows: Sequence[Window]) -> list[Window]:
    """Return the windows, newest first, that share no row with a newer one that is returned."""
    apart: list[Window] = []
    for window in windows:
        if not apart or window.end <= apart[-1].start:
            apart.append(window)
    return apart


def _quiet(judged: Sequence[Window]) -> list[Window]:
    """Return the windows without a common row since the last bad one, and without a row of that."""
    last_bad = next((position for position, window in enumerate(judged) if window.severity in BAD), len(judged))
    since = judged[last_bad].end if last_bad < len(judged) else None
    return disjoint([window for window in judged[:last_bad] if since is None or window.start >= since])


def open_alerts(tx: Reader, deployment: str = "") -> list[Alert]:
    """Return the alerts that are not resolved, of a deployment or of all."""
    column = nouns.ALERTS.table.c
    return nouns.ALERTS.select(
        tx, column.state.in_(OPEN), *([column.deployment == deployment] if deployment else []), order=[column.state]
    )


def open_alert(tx: Reader, deployment: str, monitor: str) -> Alert | None:
    return next((alert for alert in open_alerts(tx, deployment) if alert.monitor == monitor), None)


def apply(tx: Tx, spec: MonitorSpec, window: Window, recent: Sequence[Window]) -> None:
    """Open, update or resolve the monitor's alert after a window."""
    alert = open_alert(tx, window.deployment, window.monitor)
    action = decide(spec, [window, *recent], alert)
    if action == "raise":
        _raise(tx, spec, window)
    elif alert is not None and action == "update":
        _update(tx, alert, window)
    elif alert is not None and action == "quiet":
        judged = [earlier for earlier in (window, *recent) if earlier.severity in JUDGED]
        nouns.ALERTS.swap(tx, msgspec.structs.replace(alert, quiet_windows=len(_quiet(judged))))
    elif alert is not None and action == "resolve":
        resolve(tx, alert, why=f"{spec.persist} quiet windows in a row")


def worst(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with a bad severity, the most severe first."""
    rank = {"critical": 0, "warning": 1}
    bad = [finding for finding in findings if finding.severity in rank]
    return sorted(bad, key=lambda finding: (rank[finding.severity], -abs(finding.value)))


def _sentence(spec: MonitorSpec, window: Window) -> str:
    bad = worst(window.findings)
    named = ", ".join(_words(finding) for finding in bad[:3])
    suffix = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return f"{spec.kind} on {window.row_count} rows: {named}{suffix}"


def _words(finding: Finding) -> str:
    if not is_tested(finding):
        return finding.detail
    return f"{finding.column} {finding.statistic} {finding.value:.3f}"


def why_no_turn(alert: Alert) -> str:
    """Return why an alert begins no turn, whatever the triggers hear, "" where it may."""
    if alert.kind == "service":
        return "how fast and how surely calls are answered is nothing that training mends"
    if alert.findings and not any(map(is_tested, alert.findings)):
        return "its monitor tests nothing, and a new version would be watched no better"
    if alert.findings and all(finding.column == PREDICTION for finding in alert.findings if is_tested(finding)):
        return "only the model's answers moved, which says nothing of whether they are right"
    return ""


def _raise(tx: Tx, spec: MonitorSpec, window: Window) -> None:
    alert = Alert(
        deployment=window.deployment,
        number=0,
        monitor=window.monitor,
        kind=spec.kind,
        state="firing",
        severity=window.severity,
        opened_at=tx.now,
        last_seen_at=tx.now,
        model_version=window.model_version,
        summary=_sentence(spec, window),
        findings=tuple(worst(window.findings)),
        window_start=window.start,
        window_end=window.end,
        opened_with=AlertEvidence(
            severity=window.severity,
            findings=tuple(worst(window.findings)),
            window_start=window.start,
            window_end=window.end,
            row_count=window.row_count,
        ),
    )
    raise_alert(tx, alert)


def raise_alert(tx: Tx, alert: Alert) -> None:
    """Record an alert under the next number of its deployment."""
    number = nouns.ALERTS.count(tx, nouns.ALERTS.table.c.deployment == alert.deployment) + 1
    alert = nouns.ALERTS.insert(tx, msgspec.structs.replace(alert, number=number))
    bus.emit(
        tx, "raised", "alert", alert.id, deployment=alert.deployment, monitor=alert.monitor, kind=alert.kind,
        severity=alert.severity, summary=alert.summary,
    )  # fmt: skip


def _update(tx: Tx, alert: Alert, window: Window) -> None:
    """Record a further bad window; severity and findings stay as they were at their worst."""
    changed = msgspec.structs.replace(
        alert,
        severity=max(alert.severity, window.severity, key=_badness),
        last_seen_at=tx.now,
        findings=_worst_of_each((*alert.findings, *window.findings)),
        window_start=window.start,
        window_end=window.end,
        quiet_windows=0,
    )
    nouns.ALERTS.swap(tx, changed)
    if why_no_turn(alert) and not why_no_turn(changed):
        bus.emit(
            tx, "widened", "alert", alert.id, deployment=alert.deployment, monitor=alert.monitor, kind=alert.kind,
            severity=changed.severity, summary=_words(changed.findings[0]),
        )  # fmt: skip


def _badness(severity: Severity) -> int:
    return BAD.index(severity) + 1 if severity in BAD else 0


def _worst_of_each(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the worst bad finding of each column and statistic."""
    worst_by_name: dict[tuple[str, str], Finding] = {}
    for finding in worst(findings):
        worst_by_name.setdefault((finding.column, finding.statistic), finding)
    return tuple(worst_by_name.values())


def resolve(tx: Tx, alert: Alert, *, why: str) -> Alert:
    """Resolve the alert, and return it."""
    bus.emit(tx, "resolved", "alert", alert.id, why=why, monitor=alert.monitor, deployment=alert.deployment)
    return nouns.ALERTS.swap(tx, msgspec.structs.replace(alert, state="resolved", resolved_at=tx.now))


def acknowledge(tx: Tx, alert: Alert, *, person: str) -> Alert:
    """Record that a person knows of the alert, and return it."""
    bus.emit(tx, "acknowledged", "alert", alert.id, person=person)
    return nouns.ALERTS.swap(tx, msgspec.structs.replace(alert, state="acknowledged", acknowledged_by=person))
