"""Monitors and alerts: `hl monitor`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.show import ago, as_json, connect, say, table
from helicline.errors import NotFound
from helicline.records.monitor import NOT_TESTED, Alert

BAD = ("critical", "warning")
SHOWN_FINDINGS = 3
NO_WINDOW = {"severity": "no window yet", "row_count": "", "reason": ""}

app = App(name="monitor", help="Monitors, windows and alerts.")


@app.command(name="ls")
def list_monitors(deployment: str = "", *, json: bool = False) -> None:
    """List monitors with their newest window, and what is worst in it. Example: `hl monitor ls churn`"""
    details = connect().items("/monitors", dict[str, Any], deployment=deployment or None)
    if json:
        as_json(details)
        return
    rows = []
    for detail in details:
        last = detail["windows"][-1] if detail["windows"] else NO_WINDOW
        alert = f"{detail['alert']['deployment']}!{detail['alert']['number']}" if detail["alert"] else ""
        place = (detail["monitor"]["deployment"], detail["monitor"]["name"])
        rows.append((*place, last["severity"], last["row_count"], alert, _remarks(last)))
    table("", ("deployment", "monitor", "now", "rows", "alert", ""), rows, empty="No monitor yet.")


@app.command(name="show")
def show(deployment: str, monitor: str = "", *, windows: int = 10, json: bool = False) -> None:
    """Show what each column was found to be in the newest window, and the windows before.

    Example: `hl monitor show churn drift`

    Args:
        monitor: its name; without one it is all of the deployment.
        windows: how many windows are listed.
    """
    monitors = connect().items("/monitors", dict[str, Any], deployment=deployment, windows=windows)
    details = [detail for detail in monitors if monitor in ("", detail["monitor"]["name"])]
    if not details:
        names = ", ".join(detail["monitor"]["name"] for detail in monitors)
        raise NotFound("monitor", f"{deployment} {monitor}".strip(), f"There is: {names or 'none yet'}.")
    if json:
        as_json(details)
        return
    for detail in details:
        _show(detail)


def _show(detail: dict[str, Any]) -> None:
    newest_first = detail["windows"][::-1]
    alert = detail["alert"]
    opened = f", alert {alert['deployment']}!{alert['number']}: {alert['summary']}" if alert else ""
    say("[bold]{} {}[/]{}", detail["monitor"]["deployment"], detail["monitor"]["name"], opened)
    findings = [
        (
            finding["column"],
            finding["statistic"],
            "" if finding["statistic"] == NOT_TESTED else f"{finding['value']:.4g}",
            "" if finding["statistic"] == NOT_TESTED else f"{finding['gate']:.4g}",
            finding["severity"],
            finding.get("detail", ""),
        )
        for finding in (newest_first[0]["findings"] if newest_first else ())
    ]
    if findings:
        table("", ("column", "test", "value", "limit", "now", ""), findings)
    rows = [
        (f"{window['start'][:19]} to {window['end'][:19]}", window["severity"], window["row_count"], _remarks(window))
        for window in newest_first
    ]
    table("", ("window (UTC)", "severity", "rows", ""), rows, empty="No window yet.")


def _remarks(window: dict[str, Any]) -> str:
    """Return what a reader must know of a window beside its severity."""
    return "; ".join(filter(None, (window["reason"] or _worst(window), _untested(window), _labels(window))))


def _worst(window: dict[str, Any]) -> str:
    """Return the bad findings of a window, the worst first."""
    bad = [finding for finding in window.get("findings", ()) if finding["severity"] in BAD]
    bad.sort(key=lambda finding: (BAD.index(finding["severity"]), -finding["value"] / (finding["gate"] or 1.0)))
    shown = [f"{finding['column']} {finding['statistic']} {finding['value']:.3g}" for finding in bad[:SHOWN_FINDINGS]]
    rest = len(bad) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


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
