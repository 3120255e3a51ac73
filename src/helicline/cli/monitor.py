"""Monitors and alerts: `hl monitor`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.show import ago, as_json, connect, say, table
from helicline.records.monitor import NOT_TESTED, Alert

app = App(name="monitor", help="Monitors, windows and alerts.")


@app.command(name="ls")
def list_monitors(deployment: str = "", *, json: bool = False) -> None:
    """List monitors with their newest window. Example: `hl monitor ls churn`"""
    details = connect().items("/monitors", dict[str, Any], deployment=deployment or None)
    if json:
        as_json(details)
        return
    rows = []
    for detail in details:
        last = (
            detail["windows"][-1] if detail["windows"] else {"severity": "no window yet", "row_count": "", "reason": ""}
        )
        alert = f"{detail['alert']['deployment']}!{detail['alert']['number']}" if detail["alert"] else ""
        rows.append(
            (
                detail["monitor"]["deployment"],
                detail["monitor"]["name"],
                last["severity"],
                last["row_count"],
                alert,
                "; ".join(filter(None, (last["reason"] or _untested(last), _labels(last)))),
            )
        )
    table("", ("deployment", "monitor", "now", "rows", "alert", ""), rows, empty="No monitor yet.")


def _untested(window: dict[str, Any]) -> str:
    """Return the columns that the window says it did not test."""
    names = [finding["column"] for finding in window.get("findings", ()) if finding["statistic"] == NOT_TESTED]
    return f"not tested: {', '.join(names)}" if names else ""


def _labels(window: dict[str, Any]) -> str:
    """Return how late the window takes labels to come, and how that is known."""
    delay = window.get("label_delay")
    return f"labels: {delay['detail']}" if delay else ""


@app.command(name="alerts")
def list_alerts(deployment: str = "", *, open: bool = False, json: bool = False) -> None:
    """List alerts, newest first. Example: `hl monitor alerts --open`"""
    alerts = connect().items("/alerts", Alert, deployment=deployment or None, state="firing" if open else None)
    if json:
        as_json(alerts)
        return
    rows = [(alert.id, alert.state, alert.severity, alert.summary, ago(alert.opened_at)) for alert in alerts]
    table("", ("alert", "state", "severity", "what", "opened"), rows, empty="No alerts.")


@app.command(name="acknowledge")
def acknowledge(alert: str) -> None:
    """Record that you know of an alert. Example: `hl monitor acknowledge 'churn!3'`"""
    acknowledged = connect().post(f"/alerts/{alert}/acknowledge", Alert)
    say("{} {} by {}", acknowledged.id, acknowledged.state, acknowledged.acknowledged_by)


@app.command(name="resolve")
def resolve(alert: str, *, reason: str = "") -> None:
    """Close an alert by hand. Example: `hl monitor resolve 'churn!3' --reason "planned change"`"""
    resolved = connect().post(f"/alerts/{alert}/resolve", Alert, {"reason": reason})
    say("{} {}", resolved.id, resolved.state)


@app.command(name="accept")
def accept(alert: str, *columns: str, reason: str) -> None:
    """Accept what an alert found as normal: the reference of its columns moves to what came in, and it is resolved.

    Example: `hl monitor accept 'churn!3' income --reason "amounts are in cents since May"`

    Args:
        columns: of the alert; without any it is all of them.
        reason: recorded with your name.
    """
    body = {"reason": reason, "columns": list(columns)}
    accepted = connect().post(f"/alerts/{alert}/accept", Alert, body)
    say("{} {}; its columns are compared with what came in until {}", accepted.id, accepted.state, accepted.window_end)
