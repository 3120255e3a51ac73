"""Loops as applied: idempotent, versioned, diffed."""

from __future__ import annotations

from typing import Any

import msgspec
from blake3 import blake3
from croniter import croniter

from helicline import bus
from helicline.errors import Conflict, Invalid
from helicline.ids import checked_name
from helicline.monitor import performance
from helicline.records.loop import Loop, LoopSpec, Trigger, TriggerSpec
from helicline.records.monitor import Monitor, MonitorSpec
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

LONGEST_S = 366 * 86_400.0


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` did: the loop as it is now, and which parts of its spec changed."""

    loop: Loop
    changes: tuple[str, ...]


def apply(tx: Tx, spec: LoopSpec) -> Applied:
    """Record a loop; the same spec again changes nothing.

    Raises:
        Invalid: a name cannot be one, the pipeline has no steps, or a number or a schedule makes no sense.
        Conflict: its deployment serves another model.
    """
    checked_name("loop", spec.name)
    if not spec.pipeline.steps or spec.pipeline.candidate is None:
        raise Invalid("pipeline", spec.pipeline.name, "a pipeline with steps that returns a candidate")
    _check(tx, spec)
    digest = blake3(msgspec.json.encode(spec, order="sorted")).hexdigest()
    existing = nouns.LOOPS.find(tx, spec.name)
    if existing is not None and existing.spec_hash == digest:
        return Applied(loop=existing, changes=())
    changes = _differences(existing.spec, spec) if existing else ("new",)
    loop = _write(tx, existing, spec, digest)
    deployments.ensure(tx, spec.deployment, model=spec.model)
    _set_monitors(tx, spec)
    _set_triggers(tx, spec)
    bus.emit(tx, "applied", "loop", spec.name, spec_version=loop.spec_version, changes=list(changes))
    return Applied(loop=loop, changes=changes)


def _check(tx: Reader, spec: LoopSpec) -> None:
    """Raise Invalid for what a reconciler could only stumble over later."""
    checked_name("model", spec.model)
    checked_name("deployment", spec.deployment)
    for part in ("gates", "monitors", "triggers"):
        names = [part_spec.name for part_spec in getattr(spec, part)]
        if len(set(names)) != len(names):
            raise Invalid(part, ", ".join(names), "each at most once")
    if spec.approval is not None:
        _within("approval people", spec.approval.people, 1, 100)
    for rollout_step in spec.rollout.steps:
        _within("rollout weight_bp", rollout_step.weight_bp, 1, 10_000)
        _within("rollout min_s", rollout_step.min_s, 0, LONGEST_S)
        _within("rollout max_s", rollout_step.max_s, 0, LONGEST_S)
    for monitor in spec.monitors:
        _within("monitor window_s", monitor.window_s, 0.1, LONGEST_S)
        _within("monitor persist", monitor.persist, 1, 100)
        _within("monitor of", monitor.of, monitor.persist, 100)
        if monitor.kind == "performance" and monitor.metric not in performance.METRICS:
            raise Invalid("performance metric", monitor.metric, ", ".join(performance.METRICS))
    for trigger in spec.triggers:
        _within("trigger cool_down_s", trigger.cool_down_s, 0, LONGEST_S)
        next_due(tx, trigger)
    for step in spec.pipeline.steps:
        _within(f"step {step.name} timeout_s", step.timeout_s, 0.001, LONGEST_S)
        _within(f"step {step.name} retries", step.retries, 0, 1000)


def _within(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise Invalid(field, value, f"{low:g} to {high:g}")


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
        due = next_due(tx, trigger_spec)
        if trigger is None:
            nouns.TRIGGERS.insert(tx, Trigger(loop=spec.name, name=trigger_spec.name, spec=trigger_spec, wake_at=due))
        elif trigger.spec != trigger_spec:
            nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, spec=trigger_spec, wake_at=due))
    for trigger in existing.values():
        nouns.TRIGGERS.delete(tx, trigger.loop, trigger.name)


def next_due(tx: Reader, spec: TriggerSpec) -> Any:
    """Return when a schedule is next due after now, None for other kinds. Raises Invalid where it never is."""
    if spec.kind != "schedule":
        return None
    try:
        return croniter(spec.cron, tx.now).get_next(type(tx.now))
    except ValueError as error:
        raise Invalid("cron", spec.cron, "five cron fields that name a day there is", str(error)) from None


def triggers(tx: Reader, loop: str) -> list[Trigger]:
    return nouns.TRIGGERS.select(tx, nouns.TRIGGERS.table.c.loop == loop)


def of_model(tx: Reader, model: str) -> list[Loop]:
    """Return the loops that turn around a model."""
    return [loop for loop in nouns.LOOPS.select(tx) if loop.spec.model == model]


def of_deployment(tx: Reader, deployment: str) -> Loop | None:
    return next((loop for loop in nouns.LOOPS.select(tx) if loop.spec.deployment == deployment), None)


def mute(tx: Tx, loop: str, trigger: str, *, muted: bool) -> Trigger:
    """Stop a trigger from beginning turns, or let it again."""
    current = nouns.TRIGGERS.get(tx, loop, trigger)
    if current.muted == muted:
        raise Conflict("trigger", f"{loop}/{trigger}", "is muted already" if muted else "is not muted")
    bus.emit(tx, "muted" if muted else "unmuted", "trigger", f"{loop}/{trigger}")
    return nouns.TRIGGERS.swap(tx, msgspec.structs.replace(current, muted=muted))
