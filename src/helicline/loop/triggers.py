"""Triggers begin turns without a person. Events reach them over the bus, schedules through the reconciler."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from helicline import bus
from helicline.loop import harvests, loops, turns
from helicline.loop.monitors import broken_data, monitor_windows
from helicline.loop.waiting.schedule import after_turn, was_missed, zone_of
from helicline.monitor import alerting, quality
from helicline.records.event import Event
from helicline.records.loop import Cause, Loop, Trigger
from helicline.records.monitor import Alert
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

CONSUMER = "triggers"
NOUNS = ("alert", "dataset_ref", "loop", "model_version", "turn")  # of the events that `hear` handles
REST_S = 60.0
LOOK_AGAIN_S = 5.0  # at least, while the windows of monitors leave it open whether the data is broken
ENDS_OF_LEARNING = ("asked", "queued", "rolling_out", "rejected", "ended")  # events of a turn: the next may learn
RETRY_PAUSES_S = (60.0, 300.0, 900.0)  # after a turn that failed


def hear(tx: Tx, event: Event) -> None:
    """Handle one event: mark the triggers that it makes due, or begin a turn for a version registered by hand."""
    if event.noun == "alert" and event.verb in ("raised", "widened"):
        _arm_alert(tx, event)
    elif (event.noun, event.verb) == ("dataset_ref", "moved"):
        _arm_new_data(tx, event)
    elif (event.noun, event.verb) == ("model_version", "registered") and not event.detail.get("turn"):
        _judge_by_hand(tx, event)
    elif (event.noun, event.verb) == ("alert", "resolved"):
        loop = loops.of_deployment(tx, str(event.detail.get("deployment", "")))
        _wake_pending(tx, loop.name if loop else "")
    elif event.noun == "loop":
        _wake_pending(tx, event.id)
    elif event.noun == "turn" and event.verb in ENDS_OF_LEARNING:
        _wake_pending(tx, event.id.rpartition("~")[0])
        if event.verb == "ended":
            _after_turn(tx, event)


def _wake_pending(tx: Tx, loop: str) -> None:
    """Have the triggers looked at again that wait for an event to begin their turn."""
    for trigger in loops.triggers(tx, loop):
        if _waits_for_event(trigger):
            nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, wake_at=tx.now))


def _waits_for_event(trigger: Trigger) -> bool:
    return bool(trigger.pending) and trigger.wake_at is None


def forgotten(tx: Reader) -> list[Trigger]:
    """Return the triggers that wait for an event although nothing stands in their way any more."""
    column = nouns.TRIGGERS.table.c
    waiting = [trigger for trigger in nouns.TRIGGERS.select(tx, column.wake_at.is_(None)) if _waits_for_event(trigger)]
    return [trigger for trigger in waiting if not _obstacle(tx, nouns.LOOPS.get(tx, trigger.loop), trigger)]


def _arm(tx: Tx, trigger: Trigger, subject: str) -> None:
    if not trigger.muted and trigger.pending != subject:
        nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, pending=subject, wake_at=tx.now, waits_for=""))


def _alert_of(tx: Reader, trigger: Trigger) -> Alert | None:
    """Return the alert that the trigger is to begin a turn for, None where it is none or begins none."""
    return _alert(tx, trigger.pending) if trigger.spec.kind == "alert" else None


def _alert(tx: Reader, alert_id: str) -> Alert | None:
    deployment, _, number = alert_id.rpartition("!")
    return nouns.ALERTS.find(tx, deployment, int(number)) if number.isdecimal() else None


def _arm_alert(tx: Tx, event: Event) -> None:
    loop = loops.of_deployment(tx, str(event.detail.get("deployment", "")))
    alert = _alert(tx, event.id)
    why_none = alerting.why_no_turn(alert) if alert is not None else ""
    names = {str(event.detail.get("kind", "")), str(event.detail.get("monitor", ""))}
    for trigger in loops.triggers(tx, loop.name) if loop else []:
        if trigger.spec.kind != "alert" or not names & set(trigger.spec.monitors):
            continue
        if not why_none:
            _arm(tx, trigger, event.id)
        elif not trigger.pending:
            why = f"alert {event.id} began no turn: {why_none}"
            nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, waits_for=why))


def _arm_new_data(tx: Tx, event: Event) -> None:
    """Mark triggers on new data as due. A version that a turn of the loop committed, or has read, is not new."""
    version = nouns.DATASET_VERSIONS.find(tx, event.id.split("@")[0], str(event.detail["target"]))
    if version is not None:
        harvests.note_publication(tx, version)
    for loop in nouns.LOOPS.select(tx):
        newest = nouns.TURNS.find(tx, loop.name, loop.last_turn)
        if version is None or version.turn.startswith(f"{loop.name}~"):
            continue
        if newest is None and version.sequence > 1:  # its first turn was not waiting for data
            continue
        if event.at <= (newest.created_at if newest else loop.created_at):
            continue
        reads = {
            source.dataset for step in loop.spec.pipeline.steps for source in step.inputs.values() if source.dataset
        }
        for trigger in loops.triggers(tx, loop.name):
            awaited = {_with_ref(trigger.spec.dataset)} if trigger.spec.dataset else reads
            if trigger.spec.kind == "new_data" and event.id in awaited:
                _arm(tx, trigger, version.ref)


def _with_ref(dataset: str) -> str:
    """Return `name@ref`, the form in events; `customers` means `customers@main`."""
    return dataset if "@" in dataset else f"{dataset}@main"


def _judge_by_hand(tx: Tx, event: Event) -> None:
    model, _, number = event.id.rpartition("/")
    for loop in loops.of_model(tx, model):
        sentence = f"{event.actor} registered {event.id} by hand"
        turns.begin(tx, loop, Cause(kind="registered", subject=event.id, sentence=sentence), model_version=int(number))


def _after_turn(tx: Tx, event: Event) -> None:
    """Retry a failed turn of a trigger after a growing pause, three times; then it waits for a person."""
    loop, _, number = event.id.rpartition("~")
    turn = nouns.TURNS.find(tx, loop, int(number))
    trigger = next((row for row in loops.triggers(tx, loop) if row.last_turn == int(number)), None)
    if turn is None or trigger is None:
        return
    if event.detail.get("state") != "FAILED":
        if trigger.failures:
            nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, failures=0))
        return
    if trigger.failures >= len(RETRY_PAUSES_S):
        return
    pause = timedelta(seconds=RETRY_PAUSES_S[trigger.failures])
    again = msgspec.structs.replace(
        trigger,
        pending=turn.cause.subject,
        wake_at=tx.now + pause,
        waits_for=f"it tries again {pause.total_seconds():.0f} s after {turn.id} failed",
        last_fired_at=None,  # the pause stands for the cool-down
        failures=trigger.failures + 1,
    )
    nouns.TRIGGERS.swap(tx, again)
    bus.emit(tx, "retried", "trigger", f"{loop}/{trigger.name}", turn=turn.id, tries=again.failures)


def advance(tx: Tx, trigger: Trigger) -> bool:
    """Begin the turn of a due trigger, unless its cool-down or something else is in the way."""
    loop = nouns.LOOPS.get(tx, trigger.loop)
    if trigger.spec.catch_up == "none" and was_missed(trigger, tx.now):
        return _skip(tx, trigger)
    pending = trigger.pending or trigger.spec.cron  # a schedule that is due and may not begin yet is pending too
    cooled_at = trigger.last_fired_at and trigger.last_fired_at + timedelta(seconds=trigger.spec.cool_down_s)
    if not pending:
        nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, wake_at=None))
        return False
    if (alert := _alert_of(tx, trigger)) and alert.state == "resolved":
        why = f"alert {alert.id} was resolved before its turn could begin"
        nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, pending="", waits_for=why, wake_at=None))
        bus.emit(tx, "dropped", "trigger", f"{loop.name}/{trigger.name}", subject=alert.id, why=why)
        return False
    if obstacle := _obstacle(tx, loop, trigger):
        waits = msgspec.structs.replace(trigger, pending=pending, waits_for=obstacle, wake_at=None)
        nouns.TRIGGERS.swap(tx, waits)
        return False
    if doubt := _doubt(tx, loop, trigger):
        soon = tx.now + timedelta(seconds=LOOK_AGAIN_S)
        again_at = max(soon, monitor_windows.next_look(tx, loop.spec.deployment) or soon)
        waits = msgspec.structs.replace(trigger, pending=pending, waits_for=doubt, wake_at=again_at)
        nouns.TRIGGERS.swap(tx, waits)
        return False
    if cooled_at is not None and tx.now < cooled_at:
        why = f"its cool-down ends at {cooled_at:%Y-%m-%d %H:%M:%S} UTC"
        nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, pending=pending, waits_for=why, wake_at=cooled_at))
        return False
    cause = _cause(trigger, is_late=was_missed(trigger, tx.now))
    turn = turns.begin(tx, loop, cause, harvest=trigger.spec.harvest)
    is_retry = trigger.failures > 0 and trigger.last_fired_at is None
    fired = msgspec.structs.replace(
        trigger,
        pending="",
        waits_for="",
        last_fired_at=tx.now,
        last_turn=turn.number,
        failures=trigger.failures if is_retry else 0,
    )
    nouns.TRIGGERS.swap(tx, after_turn(fired, tx.now))
    bus.emit(tx, "fired", "trigger", f"{loop.name}/{trigger.name}", turn=turn.id, subject=cause.subject)
    return True


def _skip(tx: Tx, trigger: Trigger) -> bool:
    """Leave out a moment that was missed, which is recorded; wait for the next one."""
    why = f"the schedule was due at {_local(trigger)}, when nothing ran that could begin a turn"
    bus.emit(tx, "skipped", "trigger", f"{trigger.loop}/{trigger.name}", why=why)
    nouns.TRIGGERS.swap(tx, msgspec.structs.replace(after_turn(trigger, tx.now), waits_for=why))
    return False


def _local(trigger: Trigger) -> str:
    """Return when a schedule was due, on the clocks of its time zone."""
    assert trigger.due_at is not None
    return f"{trigger.due_at.astimezone(zone_of(trigger.spec.timezone)):%Y-%m-%d %H:%M} {trigger.spec.timezone}"


def postpone(tx: Tx, trigger: Trigger, why: str) -> None:
    """Pause a trigger whose turn could not begin; the reason is recorded as an event."""
    bus.emit(tx, "failed", "trigger", f"{trigger.loop}/{trigger.name}", why=why[:1000])
    later, pending = tx.now + timedelta(seconds=REST_S), trigger.pending or trigger.spec.cron
    nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, pending=pending, wake_at=later))


def _obstacle(tx: Reader, loop: Loop, trigger: Trigger) -> str:
    """Return what keeps the trigger from beginning its turn until an event, "" where nothing does."""
    if trigger.muted:
        return "it is muted"
    if loop.paused:
        return f"loop {loop.name} is paused"
    learning = turns.learning(tx, loop.name)
    if learning:
        return f"{learning[0].id} is {learning[0].state}"
    alert = _alert_on_broken_data(tx, loop) if _learns_from_traffic(trigger) else None
    return f"alert {alert.id} on the quality of the data is open" if alert else ""


def _learns_from_traffic(trigger: Trigger) -> bool:
    return trigger.spec.kind == "alert" or trigger.spec.harvest


def _alert_on_broken_data(tx: Reader, loop: Loop) -> Alert | None:
    """Return the open alert that forbids to learn from what comes in: the data is broken."""
    alerts = alerting.open_alerts(tx, loop.spec.deployment)
    return next((alert for alert in alerts if quality.says_broken(alert)), None)


def _doubt(tx: Tx, loop: Loop, trigger: Trigger) -> str:
    """Return why it is not yet known whether the data is broken that the turn would learn from, "" where it is.

    An alert takes several windows; what one broken window says is enough not to begin.
    """
    if not _learns_from_traffic(trigger):
        return ""
    alert = _alert_of(tx, trigger)
    deployment = loop.spec.deployment
    if doubt := broken_data.doubt(tx, deployment, until=alert.window_end if alert else None):
        return doubt
    if alert is None or alert.window_start is None or alert.window_end is None:
        return ""
    # labels come late: the alert may be about rows that were broken, and are mended since
    if broken_data.ranges(tx, deployment, since=alert.window_start, until=alert.window_end):
        return f"rows that {alert.id} is about came in while the data was broken"
    return ""


def _cause(trigger: Trigger, *, is_late: bool) -> Cause:
    if trigger.spec.kind == "schedule":
        sentence = f"the schedule {trigger.spec.cron} was due" + (f" at {_local(trigger)}" if is_late else "")
        return Cause(kind="schedule", subject=trigger.spec.cron, sentence=sentence)
    if trigger.spec.kind == "alert":
        return Cause(kind="alert", subject=trigger.pending, sentence=f"alert {trigger.pending} fired")
    return Cause(kind="new_data", subject=trigger.pending, sentence=f"{trigger.pending} was committed")
