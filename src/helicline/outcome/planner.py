"""How long an A/B test takes at the traffic of late: the units that it needs, and the days in which they come."""

from __future__ import annotations

import math

import msgspec

from helicline.records.deployment import RolloutPlan
from helicline.records.outcome import OutcomeSpec, Sample
from helicline.serving.rollout import length

LIFTS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
_DAY_S = 86_400.0
# (z of alpha 0.05, one-sided, + z of power 0.8) squared; a test that may end at any look needs up to 1.6 times as much
_FIXED, _ANY_LOOK = 6.18, 1.6


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """The units that a test needs to see a relative lift in four of five cases, and about how many days they take."""

    lift: float
    units: int
    days: float


class PlanEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What an A/B test of an outcome takes, at the units and their mean of the last `looked_back_days`.

    `durations` is empty where nothing can be said, which `reason` tells.
    """

    outcome: OutcomeSpec
    looked_back_days: float
    units_per_day: float
    mean: float | None
    durations: tuple[Duration, ...] = ()
    reason: str = ""


def estimate(
    plan: RolloutPlan, spec: OutcomeSpec, *, sample: Sample, served: int, looked_back_days: float
) -> PlanEstimate:
    """Return how long a test of an outcome takes, from the units that were `served` in the days looked back."""
    per_day = served / looked_back_days if looked_back_days > 0 else 0.0
    traffic = PlanEstimate(outcome=spec, looked_back_days=looked_back_days, units_per_day=per_day, mean=sample.mean)
    if sample.count < 2 or not sample.mean or sample.mean <= 0:
        reason = f"{sample.count} {spec.per}s with a closed window of {length(spec.window_s)}"
        return msgspec.structs.replace(
            traffic, reason=f"{reason}, of mean {sample.mean or 0:g}: too little to plan with"
        )
    share = plan.steps[0].weight_bp / 10_000
    spread = max(sample.total_squares - sample.total**2 / sample.count, 0.0) / (sample.count - 1)
    wait_days = (plan.burn_in_s + spec.window_s) / _DAY_S
    durations = []
    for lift in LIFTS:
        needed = _FIXED * _ANY_LOOK * spread * (1 / share + 1 / (1 - share)) / (lift * sample.mean) ** 2
        durations.append(Duration(lift=lift, units=math.ceil(needed), days=needed / per_day + wait_days))
    return msgspec.structs.replace(traffic, durations=tuple(durations))


def sentence(estimated: PlanEstimate, plan: RolloutPlan) -> str:
    """Return the estimate in words, for the end of the test."""
    if not estimated.durations:
        return f"{estimated.outcome.name}: {estimated.reason}"
    at_most_s, name = plan.steps[0].max_s, estimated.outcome.name
    inside = [duration for duration in estimated.durations if duration.days * _DAY_S <= at_most_s]
    if not inside:
        largest = estimated.durations[-1]
        return (
            f"{name}: about {length(largest.days * _DAY_S)} at this traffic to see {largest.lift:.0%}, "
            f"but the test ends after {length(at_most_s)}: give it more time, more traffic, or another outcome"
        )
    return f"{name}: about {length(inside[0].days * _DAY_S)} at this traffic to see {inside[0].lift:.0%}"
