"""Reads the units of a rollout: what its guards, its split and its A/B test say of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from helicline.records.deployment import Guard, GuardReading, Rollout, RolloutPlan
from helicline.records.outcome import OutcomeReading, OutcomeSpec, Sample, StageSample, Units
from helicline.serving import evidence
from helicline.serving.guards import of_contrast

SPLIT_ALPHA = 0.001
WEEK = timedelta(days=7)


def begun_at(rollout: Rollout) -> datetime:
    """Return when units began to count: when the first step began, after the burn-in."""
    return rollout.steps[0].entered_at + timedelta(seconds=rollout.plan.burn_in_s)


def whole_weeks(rollout: Rollout, spec: OutcomeSpec, now: datetime) -> datetime | None:
    """Return up to when first calls count for the decision of an A/B test of a week or more: weeks that are closed.

    None where the test is shorter, or ends before the windows of one week's units are over, so that all count.
    """
    plan, week_s = rollout.plan, WEEK.total_seconds()
    step = plan.steps[0]
    if step.min_s < week_s or step.max_s < plan.burn_in_s + week_s + spec.window_s:
        return None
    begun = begun_at(rollout)
    return begun + WEEK * max(int((now - begun - timedelta(seconds=spec.window_s)) / WEEK), 0)


def read(spec: OutcomeSpec, units: Units, *, plan: RolloutPlan, now: datetime) -> OutcomeReading:
    """Return an outcome's numbers over all stages, with the lift and its interval at the plan's alpha."""
    interval = evidence.lift_interval(units.stages, alpha=plan.alpha)
    return OutcomeReading(
        spec=spec,
        units=units,
        stable=summed([stage.stable for stage in units.stages]),
        candidate=summed([stage.candidate for stage in units.stages]),
        read_at=now,
        decides=spec.name == plan.outcome,
        lift=evidence.lift(units.stages),
        lift_low=interval[0] if interval else None,
        lift_high=interval[1] if interval else None,
    )


def summed(samples: Sequence[Sample]) -> Sample:
    """Return the samples as one."""
    return Sample(
        count=sum(sample.count for sample in samples),
        total=math.fsum(sample.total for sample in samples),
        total_squares=math.fsum(sample.total_squares for sample in samples),
    )


def guard_reading(guard: Guard, spec: OutcomeSpec, units: Units, *, alpha: float) -> GuardReading:
    """Return what a guard on an outcome says: whether it is worse by more than the margin, unit by unit."""
    guard = msgspec.structs.replace(guard, higher_is_better=spec.higher_is_better)
    reading = of_contrast(guard, units.stages, alpha, subject=f"{spec.per}s")
    if units.waiting and reading.outcome in ("inconclusive", "no_data"):
        return msgspec.structs.replace(reading, reason=f"{reading.reason}; {units.waiting} {spec.per}s still open")
    return reading


def better_reading(spec: OutcomeSpec, units: Units, *, plan: RolloutPlan) -> GuardReading:
    """Return whether the candidate's outcome is better than stable's: pass only with evidence for it."""
    guard = Guard(kind="better", metric=spec.name, margin=0.0, higher_is_better=spec.higher_is_better)
    reading = of_contrast(guard, units.stages, plan.alpha, subject=f"{spec.per}s")
    if reading.outcome == "fail":  # worse than stable is no harm yet: guards say how much is
        return msgspec.structs.replace(reading, outcome="inconclusive")
    return reading


def split_reading(stages: Sequence[StageSample], weights_bp: dict[int, int]) -> GuardReading:
    """Return whether the shares of units are those that the plan gave (sample ratio mismatch).

    A wrong share means that something loses or moves units, so that the two variants do not serve alike ones.
    `weights_bp` are the candidate's shares by stage.
    """
    guard, worst = Guard(kind="split"), -math.inf
    served = sum(stage.stable_served + stage.candidate_served for stage in stages)
    reason = f"{served} units"
    for stage in stages:
        share, count = weights_bp.get(stage.index, 0) / 10_000, stage.stable_served + stage.candidate_served
        log_evidence = evidence.log_split(stage.candidate_served, count, share)
        if log_evidence > worst:
            worst = log_evidence
            reason = f"{stage.candidate_served} of {count} units to the candidate, planned {share:.0%}"
    threshold = math.log(1 / SPLIT_ALPHA)
    is_wrong = worst >= threshold
    return GuardReading(
        guard=guard,
        outcome="error" if is_wrong else "pass",
        reason=f"wrong sample ratio: {reason}" if is_wrong else reason,
        candidate_count=sum(stage.candidate_served for stage in stages),
        stable_count=sum(stage.stable_served for stage in stages),
        log_evidence=worst if math.isfinite(worst) else None,
        log_threshold=threshold,
    )
