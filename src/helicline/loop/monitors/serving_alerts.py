"""Alerts of deployments whose stable revision cannot serve: opened and resolved by the events of revisions."""

from __future__ import annotations

from typing import Literal

import msgspec

from helicline.monitor import alerting
from helicline.records.event import Event
from helicline.records.monitor import Alert, Severity
from helicline.serving import deployments
from helicline.serving.deployments import Serving
from helicline.store import nouns
from helicline.store.unit import Tx

CONSUMER = "serving_alerts"
NOUNS = ("revision", "deployment")
MONITOR = "serving"


def hear(tx: Tx, event: Event) -> None:
    """Look at the deployment whose revision changed its state, or that serves another revision now."""
    for serving in deployments.serving(tx, name=event.id.partition("#")[0]):
        follow(tx, serving)


def decide(serving: Serving, alert: Alert | None) -> Literal["raise", "update", "resolve", "none"]:
    """Return what becomes of the alert. A revision that is on its way again keeps it open until it is ready."""
    if serving.is_down:
        if alert is None:
            return "raise"
        same = (alert.summary, alert.severity) == (serving.why_down, _severity(serving))
        return "none" if same else "update"
    is_back = serving.stable is not None and serving.stable.state == "READY"
    return "resolve" if alert is not None and is_back else "none"


def follow(tx: Tx, serving: Serving) -> None:
    """Open, update or resolve the alert of a deployment by what it serves now."""
    alert = alerting.open_alert(tx, serving.deployment.name, MONITOR)
    action, stable = decide(serving, alert), serving.stable
    if stable is None:
        return
    if action == "raise":
        alerting.raise_alert(tx, _alert(tx, serving, model_version=stable.model_version))
    elif alert is not None and action == "update":
        now = {"summary": serving.why_down, "severity": _severity(serving), "last_seen_at": tx.now}
        nouns.ALERTS.swap(tx, msgspec.structs.replace(alert, **now))
    elif alert is not None and action == "resolve":
        alerting.resolve(tx, alert, why=f"{stable.id} is READY")


def _severity(serving: Serving) -> Severity:
    """Return how bad it is: while another revision answers nobody is refused."""
    return "warning" if serving.fallback is not None else "critical"


def _alert(tx: Tx, serving: Serving, *, model_version: int) -> Alert:
    return Alert(
        deployment=serving.deployment.name,
        number=0,
        monitor=MONITOR,
        kind="serving",
        state="firing",
        severity=_severity(serving),
        opened_at=tx.now,
        last_seen_at=tx.now,
        model_version=model_version,
        summary=serving.why_down,
    )
