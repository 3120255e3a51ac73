"""Recorded loops: `apply` is idempotent, versions the spec and returns its differences."""

from __future__ import annotations

from typing import Any

import msgspec
from blake3 import blake3

from helicline import bus
from helicline.data import contracts
from helicline.errors import Conflict, Invalid, NotFound
from helicline.loop.spec_checks import problems_of
from helicline.loop.waiting.schedule import next_due
from helicline.records.loop import Loop, LoopSpec, Trigger
from helicline.records.monitor import Monitor, MonitorSpec
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.unit import Reader, Tx


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` did: the loop as it is now, and which parts of its spec changed."""

    loop: Loop
    changes: tuple[str, ...]


def apply(tx: Tx, spec: LoopSpec) -> Applied:
    """Record a loop; the same spec again changes nothing.

    Raises:
        Invalid: it cannot work as it is; `spec_checks.problems_of` tells all of it.
        Conflict: its deployment serves another model.
    """
    problems = problems_of(tx, spec)
    if problems:
        first = problems[0]
        raise Invalid(first.field, first.got, first.allowed, first.hint)
    digest = blake3(msgspec.json.encode(spec, order="sorted")).hexdigest()
    existing = nouns.LOOPS.find(tx, spec.name)
    if existing is not None and existing.spec_hash == digest:
        return Applied(loop=existing, changes=())
    changes = _differences(existing.spec, spec) if existing else ("new",)
    loop = _write(tx, existing, spec, digest)
    if spec.pipeline.candidate is not None:
        deployments.ensure(tx, spec.deployment, model=spec.model)
    _set_monitors(tx, spec)
    _set_triggers(tx, spec)
    for contract in spec.contracts:
        contracts.set_contract(tx, contract, loop=spec.name)
    bus.emit(tx, "applied", "loop", spec.name, spec_version=loop.spec_version, changes=list(changes))
    return Applied(loop=loop, changes=changes)


def _write(tx: Tx, existing: Loop | None, spec: LoopSpec, digest: str) -> Loop:
    if existing is None:
        loop = Loop(
            name=spec.name,
            spec=spec,
            spec_hash=digest,
            spec_version=1,
            created_at=tx.now,
            updated_at=tx.now,
            updated_by=tx.actor,
        )
        return nouns.LOOPS.insert(tx, loop)
    changed = msgspec.structs.replace(
        existing,
        spec=spec,
        spec_hash=digest,
        spec_version=existing.spec_version + 1,
        updated_at=tx.now,
        updated_by=tx.actor,
    )
    return nouns.LOOPS.swap(tx, changed)


def _differences(old: LoopSpec, new: LoopSpec) -> tuple[str, ...]:
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    return tuple(_paths("", before, after))


def _paths(prefix: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        nested = [_paths(f"{prefix}.{name}" if prefix else name, old.get(name), new.get(name)) for name in names]
        return [path for paths in nested for path in paths]
    return [] if old == new else [prefix]


def _set_monitors(tx: Tx, spec: LoopSpec) -> None:
    column = nouns.MONITORS.table.c
    existing = {monitor.name: monitor for monitor in nouns.MONITORS.select(tx, column.deployment == spec.deployment)}
    for monitor_spec in spec.monitors:
        monitor = existing.pop(monitor_spec.name, None)
        if monitor is None:
            nouns.MONITORS.insert(tx, _new_monitor(tx, spec, monitor_spec))
        elif monitor.spec != monitor_spec:
            nouns.MONITORS.swap(tx, msgspec.structs.replace(monitor, spec=monitor_spec, wake_at=tx.now))
    for monitor in existing.values():
        nouns.MONITORS.delete(tx, monitor.deployment, monitor.name)


def _new_monitor(tx: Tx, spec: LoopSpec, monitor_spec: MonitorSpec) -> Monitor:
    return Monitor(
        deployment=spec.deployment,
        name=monitor_spec.name,
        spec=monitor_spec,
        loop=spec.name,
        created_at=tx.now,
        wake_at=tx.now,
    )


def _set_triggers(tx: Tx, spec: LoopSpec) -> None:
    existing = {trigger.name: trigger for trigger in triggers(tx, spec.name)}
    for trigger_spec in spec.triggers:
        trigger = existing.pop(trigger_spec.name, None)
        due = next_due(tx.now, trigger_spec)
        if trigger is None:
            new = Trigger(loop=spec.name, name=trigger_spec.name, spec=trigger_spec, wake_at=due, due_at=due)
            nouns.TRIGGERS.insert(tx, new)
        elif trigger.spec != trigger_spec:
            soon = tx.now if trigger.pending else due
            nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, spec=trigger_spec, wake_at=soon, due_at=due))
    for trigger in existing.values():
        nouns.TRIGGERS.delete(tx, trigger.loop, trigger.name)


def triggers(tx: Reader, loop: str) -> list[Trigger]:
    return nouns.TRIGGERS.select(tx, nouns.TRIGGERS.table.c.loop == loop)


def of_model(tx: Reader, model: str) -> list[Loop]:
    """Return the loops of a model."""
    return [loop for loop in nouns.LOOPS.select(tx) if loop.spec.model == model and loop.spec.pipeline.candidate]


def of_pipeline(tx: Reader, pipeline: str) -> Loop:
    """Return the loop whose pipeline has that name, the one that was applied last.

    Raises:
        NotFound: there is none.
    """
    matching = [loop for loop in nouns.LOOPS.select(tx) if loop.spec.pipeline.name == pipeline]
    if not matching:
        hint = f"Name it in a loop, hl.Loop({pipeline!r}, pipeline={pipeline}), and record that: hl apply loop.py"
        raise NotFound("pipeline", pipeline, hint)
    return max(matching, key=lambda loop: loop.updated_at)


def of_deployment(tx: Reader, deployment: str) -> Loop | None:
    return next((loop for loop in nouns.LOOPS.select(tx) if loop.spec.deployment == deployment), None)


def pause(tx: Tx, name: str, *, paused: bool, reason: str = "") -> Loop:
    """Pause a loop, or let it go on: while it is paused, no trigger begins a turn. By hand, turns begin as ever."""
    current = nouns.LOOPS.get(tx, name)
    if current.paused == paused:
        raise Conflict("loop", name, "is paused already" if paused else "is not paused")
    bus.emit(tx, "paused" if paused else "resumed", "loop", name, reason=reason)
    changed = msgspec.structs.replace(current, paused=paused, pause_reason=reason if paused else "")
    return nouns.LOOPS.swap(tx, changed)


def pause_all(tx: Tx, *, paused: bool, reason: str = "") -> list[Loop]:
    """Pause all loops, or let them go on, and return those that changed."""
    changing = [loop.name for loop in nouns.LOOPS.select(tx) if loop.paused != paused]
    return [pause(tx, name, paused=paused, reason=reason) for name in changing]


def mute(tx: Tx, loop: str, trigger: str, *, muted: bool) -> Trigger:
    """Mute a trigger, or unmute it: a muted one begins no turns."""
    current = nouns.TRIGGERS.get(tx, loop, trigger)
    if current.muted == muted:
        raise Conflict("trigger", f"{loop}/{trigger}", "is muted already" if muted else "is not muted")
    bus.emit(tx, "muted" if muted else "unmuted", "trigger", f"{loop}/{trigger}")
    wake_at = tx.now if current.pending and not muted else current.wake_at
    return nouns.TRIGGERS.swap(tx, msgspec.structs.replace(current, muted=muted, wake_at=wake_at))
