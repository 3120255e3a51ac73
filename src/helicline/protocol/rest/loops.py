"""Loops, turns, triggers, monitors and alerts over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import msgspec
from litestar import get, post
from litestar.params import Parameter

from helicline.errors import Invalid, NotFound
from helicline.loop import loops, turns
from helicline.loop.monitors import accept, alert_histograms
from helicline.loop.spec_checks import SpecProblem, problems_of, warnings_of
from helicline.monitor import alerting
from helicline.monitor.histogram import Histogram
from helicline.protocol.rest.edge import Edge, Page, checked_limit, grouped
from helicline.records.loop import Cause, Loop, LoopSpec, Trigger, Turn
from helicline.records.model import PromotionRequest
from helicline.records.monitor import Alert, AlertState, Monitor, Window
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

ALERT_STATES = get_args(AlertState)
RECENT = 20  # turns and alerts of each loop in a list


class LoopDetail(msgspec.Struct, frozen=True, kw_only=True):
    loop: Loop
    triggers: list[Trigger]
    turns: list[Turn]
    monitors: list[Monitor]
    alerts: list[Alert]
    request: PromotionRequest | None = None


class RunBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a request to begin a turn. `params` are set for this turn: `step.name`, or `name` of the pipeline."""

    harvest: bool = False
    reason: str = ""
    params: dict[str, Any] = {}


class CancelBody(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""


class MuteBody(msgspec.Struct, forbid_unknown_fields=True):
    muted: bool


class PauseBody(msgspec.Struct, forbid_unknown_fields=True):
    paused: bool
    reason: str = ""


class MonitorDetail(msgspec.Struct, frozen=True, kw_only=True):
    monitor: Monitor
    windows: list[Window]
    alert: Alert | None


@post("/loops", sync_to_thread=True, status_code=200)
def apply_loop(edge: Edge, data: LoopSpec) -> loops.Applied:
    """Record a loop and answer what changed; an equal spec changes nothing."""
    return edge.write(lambda tx: loops.apply(tx, data))


@post("/loops/check", sync_to_thread=True, status_code=200)
def check_loop(edge: Edge, data: LoopSpec) -> Page[SpecProblem]:
    """All that cannot work in a loop as it is (errors), and not yet (warnings); nothing is recorded."""
    return Page(edge.read(lambda tx: problems_of(tx, data) + warnings_of(tx, data)))


def details(tx: Reader, name: str = "") -> list[LoopDetail]:
    """Return every loop, or one, with its newest turns, its triggers, monitors and alerts."""
    only = [nouns.LOOPS.table.c.name == name] if name else []
    rows = nouns.LOOPS.select(tx, *only)
    turned = nouns.TURNS.newest(tx, RECENT, *only, of=nouns.LOOPS, on={"loop": "name"})
    triggers = grouped(nouns.TRIGGERS.select(tx, nouns.TRIGGERS.table.c.loop.in_([loop.name for loop in rows])), "loop")
    places = [loop.spec.deployment for loop in rows]
    monitors = grouped(nouns.MONITORS.select(tx, nouns.MONITORS.table.c.deployment.in_(places)), "deployment")
    served = nouns.DEPLOYMENTS.table.c.name.in_(places)
    alerts = nouns.ALERTS.newest(tx, RECENT, served, of=nouns.DEPLOYMENTS, on={"deployment": "name"})
    waited_for = {loop: _request_of(newest) for (loop,), newest in turned.items()}
    requests = nouns.REQUESTS.find_many(tx, [(request,) for request in waited_for.values() if request])
    return [
        LoopDetail(
            loop=loop,
            triggers=triggers.get(loop.name, []),
            turns=turned.get((loop.name,), []),
            monitors=monitors.get(loop.spec.deployment, []),
            alerts=alerts.get((loop.spec.deployment,), []),
            request=requests.get((waited_for.get(loop.name, ""),)),
        )
        for loop in rows
    ]


def _request_of(newest: list[Turn]) -> str:
    """Return the request that the newest turn of a loop waits for, "" where none does."""
    return next((turn.request for turn in newest if turn.state == "APPROVING"), "")


def _detail_of(tx: Reader, name: str) -> LoopDetail:
    nouns.LOOPS.get(tx, name)
    return details(tx, name)[0]


@get("/loops", sync_to_thread=True)
def list_loops(edge: Edge) -> Page[LoopDetail]:
    """Every loop with its newest turns, its triggers, monitors and alerts."""
    return Page(edge.read(details))


@get("/loops/{name:str}", sync_to_thread=True)
def get_loop(edge: Edge, name: str) -> LoopDetail:
    """One loop."""
    return edge.read(lambda tx: _detail_of(tx, name))


@post("/loops/{name:str}/turns", sync_to_thread=True)
def begin_turn(edge: Edge, name: str, data: RunBody) -> Turn:
    """Begin a turn by hand; 409 while another turn that trains is active."""
    sentence = data.reason or f"{edge.caller.name} ran it"
    cause = Cause(kind="person", subject=edge.caller.name, sentence=sentence)
    return edge.write(lambda tx: turns.begin(tx, _loop(tx, name), cause, harvest=data.harvest, params=data.params))


def _loop(tx: Reader, name: str) -> Loop:
    loop = nouns.LOOPS.find(tx, name)
    if loop is None:
        raise NotFound("loop", name, "Record it first: hl apply loop.py")
    return loop


@get("/turns", sync_to_thread=True)
def list_turns(edge: Edge, loop: str = "", limit: int = 100) -> Page[Turn]:
    """Turns, newest first."""
    column = nouns.TURNS.table.c
    where = [column.loop == loop] if loop else []
    order, most = [column.created_at.desc(), column.number.desc()], checked_limit(limit)

    def turns_of(tx: Reader) -> list[Turn]:
        if loop:
            nouns.LOOPS.get(tx, loop)
        return nouns.TURNS.select(tx, *where, order=order, limit=most)

    return Page(edge.read(turns_of))


@get("/turns/{turn_id:str}", sync_to_thread=True)
def get_turn(edge: Edge, turn_id: str) -> Turn:
    """One turn by `loop~number`, or the newest of a loop."""
    return edge.read(lambda tx: turns.find(tx, turn_id))


@post("/turns/{turn_id:str}/retry", sync_to_thread=True)
def retry_turn(edge: Edge, turn_id: str) -> Turn:
    """Begin a turn that goes on where a failed one stopped."""
    return edge.write(lambda tx: turns.retry(tx, turns.find(tx, turn_id), person=edge.caller.name))


@post("/turns/{turn_id:str}/cancel", sync_to_thread=True, status_code=200)
def cancel_turn(edge: Edge, turn_id: str, data: CancelBody) -> Turn:
    """Stop a turn and its active work."""
    return edge.write(lambda tx: turns.cancel(tx, turns.find(tx, turn_id), reason=data.reason))


@post("/triggers/{loop:str}/{name:str}/mute", sync_to_thread=True, status_code=200)
def mute_trigger(edge: Edge, loop: str, name: str, data: MuteBody) -> Trigger:
    """Mute a trigger, so that it begins no turns, or unmute it."""
    return edge.write(lambda tx: loops.mute(tx, loop, name, muted=data.muted))


@post("/loops/{loop:str}/pause", sync_to_thread=True, status_code=200)
def pause_loop(edge: Edge, loop: str, data: PauseBody) -> Loop:
    """Pause a loop, so that no trigger begins a turn, or let it go on."""
    return edge.write(lambda tx: loops.pause(tx, loop, paused=data.paused, reason=data.reason))


@post("/pause", sync_to_thread=True, status_code=200)
def pause_all_loops(edge: Edge, data: PauseBody) -> Page[Loop]:
    """Pause all loops, or let them go on; answers those that changed."""
    return Page(edge.write(lambda tx: loops.pause_all(tx, paused=data.paused, reason=data.reason)))


@get("/monitors", sync_to_thread=True)
def list_monitors(edge: Edge, deployment: str = "", windows: int = 60) -> Page[MonitorDetail]:
    """Monitors with their newest windows (oldest first) and their open alert."""
    max_windows = checked_limit(windows)
    return Page(edge.read(lambda tx: monitor_details(tx, deployment, max_windows=max_windows)))


def monitor_details(tx: Reader, deployment: str = "", *, max_windows: int) -> list[MonitorDetail]:
    """Return the monitors of a deployment, or all, with their newest windows and their open alert.

    Raises NotFound for a deployment that does not exist.
    """
    if deployment:
        nouns.DEPLOYMENTS.get(tx, deployment)
    only = [nouns.MONITORS.table.c.deployment == deployment] if deployment else []
    on = {"deployment": "deployment", "monitor": "name"}
    windows = nouns.WINDOWS.newest(tx, max_windows, *only, of=nouns.MONITORS, on=on, by="judged_at")
    alerts = {(alert.deployment, alert.monitor): alert for alert in alerting.open_alerts(tx, deployment)}
    return [
        MonitorDetail(
            monitor=monitor,
            windows=windows.get((monitor.deployment, monitor.name), [])[::-1],
            alert=alerts.get((monitor.deployment, monitor.name)),
        )
        for monitor in nouns.MONITORS.select(tx, *only)
    ]


@get("/alerts", sync_to_thread=True)
def list_alerts(
    edge: Edge, deployment: str = "", in_state: Annotated[str, Parameter(query="state")] = "", limit: int = 100
) -> Page[Alert]:
    """Alerts, newest first."""
    if in_state and in_state not in ALERT_STATES:
        raise Invalid("state", in_state, ", ".join(ALERT_STATES))
    column, most = nouns.ALERTS.table.c, checked_limit(limit)
    where = ([column.deployment == deployment] if deployment else []) + ([column.state == in_state] if in_state else [])

    def alerts_of(tx: Reader) -> list[Alert]:
        if deployment:
            nouns.DEPLOYMENTS.get(tx, deployment)
        return nouns.ALERTS.select(tx, *where, order=[column.opened_at.desc()], limit=most)

    return Page(edge.read(alerts_of))


def _alert(tx: Reader, alert_id: str) -> Alert:
    deployment, _, number = alert_id.rpartition("!")
    if not number.isdecimal():
        raise NotFound("alert", alert_id, "An alert is named like digits!3; see: hl monitor alerts")
    return nouns.ALERTS.get(tx, deployment, int(number))


@get("/alerts/{alert_id:str}", sync_to_thread=True)
def get_alert(edge: Edge, alert_id: str) -> Alert:
    """One alert with its evidence."""
    return edge.read(lambda tx: _alert(tx, alert_id))


@get("/alerts/{alert_id:str}/histograms", sync_to_thread=True)
def get_histograms(edge: Edge, alert_id: str) -> Page[Histogram]:
    """What the columns of an alert looked like in the reference and in its newest bad window.

    Empty for an alert of a performance monitor, and where the log no longer has the rows.
    """
    return Page(alert_histograms.of(edge.context, edge.read(lambda tx: _alert(tx, alert_id))))


@post("/alerts/{alert_id:str}/acknowledge", sync_to_thread=True, status_code=200)
def acknowledge(edge: Edge, alert_id: str) -> Alert:
    """Record that the caller knows of the alert."""
    return edge.write(lambda tx: alerting.acknowledge(tx, _alert(tx, alert_id), person=edge.caller.name))


@post("/alerts/{alert_id:str}/resolve", sync_to_thread=True, status_code=200)
def resolve(edge: Edge, alert_id: str, data: CancelBody) -> Alert:
    """Close an alert by hand."""

    def unit(tx: Tx) -> Alert:
        return alerting.resolve(tx, _alert(tx, alert_id), why=data.reason or f"closed by {edge.caller.name}")

    return edge.write(unit)


class AcceptBody(msgspec.Struct, frozen=True):
    """Why the findings of an alert are normal from now on, and the columns; without any it is all of them."""

    reason: str
    columns: tuple[str, ...] = ()


@post("/alerts/{alert_id:str}/accept", sync_to_thread=True, status_code=200)
def accept_alert(edge: Edge, alert_id: str, data: AcceptBody) -> Alert:
    """Accept what an alert found as normal: the reference moves to it, and the alert is resolved."""
    alert = edge.read(lambda tx: _alert(tx, alert_id))
    return accept.accept(
        edge.context,
        (alert.deployment, alert.number),
        columns=data.columns,
        person=edge.caller.name,
        reason=data.reason,
    )


ROUTES = [
    apply_loop,
    check_loop,
    list_loops,
    get_loop,
    begin_turn,
    list_turns,
    get_turn,
    cancel_turn,
    retry_turn,
    mute_trigger,
    pause_loop,
    pause_all_loops,
    list_monitors,
    list_alerts,
    get_alert,
    get_histograms,
    acknowledge,
    resolve,
    accept_alert,
]
