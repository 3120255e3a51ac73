"""The evidence of units for a rollout: its declared outcomes, read from the prediction log now and then."""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

from helicline.loop.context import Context
from helicline.loop.evidence.sealed import sealed_until
from helicline.outcome import reading
from helicline.outcome.units import ALL, Span, count
from helicline.records.deployment import GuardReading, Rollout
from helicline.records.outcome import OutcomeReading, OutcomeSpec, Units

_MAX_ROLLOUTS = 50
_REST = 50  # times as long as a look took, nobody looks again: this much of the machine it may take
_LEAST_REST_S = 0.5


class OutcomeEvidence(msgspec.Struct, frozen=True):
    """What the declared outcomes said, and the readings that follow."""

    outcomes: tuple[OutcomeReading, ...] = ()
    readings: tuple[GuardReading, ...] = ()


class OutcomeReader:
    """Reads the outcomes of running rollouts; a look reads all of the rollout's calls, so the next one waits."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._latest: OrderedDict[tuple[str, int, int], tuple[datetime, datetime, OutcomeEvidence]] = OrderedDict()

    def read(self, rollout: Rollout) -> OutcomeEvidence:
        """Return the evidence for a rollout; nothing where it declares no outcome, or has no step yet."""
        if not rollout.plan.outcomes or not rollout.steps:
            return OutcomeEvidence()
        key, now = (rollout.deployment, rollout.number, rollout.step), self._context.store.clock.now()
        looked_at, rest_until, evidence = self._latest.pop(key, (now, now, OutcomeEvidence()))
        if not looked_at <= now < rest_until:
            began = time.perf_counter()
            evidence = look(self._context, rollout, now=now)
            rest_s = max(_LEAST_REST_S, _REST * (time.perf_counter() - began))
            looked_at, rest_until = now, now + timedelta(seconds=rest_s)
        self._latest[key] = (looked_at, rest_until, evidence)
        if len(self._latest) > _MAX_ROLLOUTS:
            self._latest.popitem(last=False)
        return evidence


def look(context: Context, rollout: Rollout, *, now: datetime) -> OutcomeEvidence:
    """Return what the log says of a rollout's outcomes now."""
    plan = rollout.plan
    counted = {spec.name: _units(context, rollout, spec, now=now) for spec in plan.outcomes}
    guards = [(guard, plan.outcome_of(guard)) for guard in plan.guards]
    readings = [
        reading.guard_reading(guard, spec, counted[spec.name], alpha=plan.alpha / len(plan.guards))
        for guard, spec in guards
        if spec is not None
    ]
    weights = {step.index + 1: step.weight_bp for step in rollout.steps}
    readings.append(reading.split_reading(counted[plan.outcomes[0].name].stages, weights))
    for spec in plan.outcomes:
        if spec.name == plan.outcome:
            weeks = reading.whole_weeks(rollout, spec, now)
            units = counted[spec.name] if weeks is None else _units(context, rollout, spec, now=now, until=weeks)
            readings.append(reading.better_reading(spec, units, plan=plan))
    outcomes = (reading.read(spec, counted[spec.name], plan=plan, now=now) for spec in plan.outcomes)
    return OutcomeEvidence(tuple(outcomes), tuple(readings))


def _units(
    context: Context, rollout: Rollout, spec: OutcomeSpec, *, now: datetime, until: datetime | None = None
) -> Units:
    span = Span(
        deployment=rollout.deployment,
        rollout=rollout.number,
        since=rollout.created_at,
        until=now,
        complete=sealed_until(context, now, "predictions", "labels"),
        largest_share=max((step.weight_bp for step in rollout.steps if step.weight_bp < ALL), default=0),
        counted_from=reading.begun_at(rollout),
        counted_until=until,
    )
    return count(context.home, span, spec)
