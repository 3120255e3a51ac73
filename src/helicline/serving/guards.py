"""What a guard says about the evidence: pass, fail, inconclusive or no_data, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from helicline.records.deployment import Guard, GuardReading, Stage
from helicline.serving.evidence import contrast, log_bernoulli

FEW = 5
PASS_AFTER = 30


def read(guard: Guard, stages: Sequence[Stage], *, alpha: float) -> GuardReading:
    """Return the guard's reading over all stages so far."""
    return READERS[guard.kind](guard, stages, alpha)


def _share(guard: Guard, stages: Sequence[Stage], alpha: float) -> GuardReading:
    """Failed or slow calls of the candidate against an absolute limit."""
    is_latency = guard.kind == "latency"
    limit = 1 - guard.quantile if is_latency else guard.limit
    count = sum(stage.candidate.requests for stage in stages)
    bad = sum(stage.candidate.slow if is_latency else stage.candidate.errors for stage in stages)
    what = f"calls over {guard.limit:g} ms" if is_latency else "failed calls"
    text = f"{bad} {what} of {count}, allowed {limit:.1%}"
    evidence, threshold = log_bernoulli(bad, count, limit), math.log(1 / alpha)
    if count < FEW:
        return GuardReading(guard=guard, outcome="no_data", reason=f"{count} calls so far", candidate_count=count)
    outcome = "fail" if evidence >= threshold else "pass" if count >= PASS_AFTER else "inconclusive"
    return GuardReading(
        guard=guard,
        outcome=outcome,  # type: ignore[arg-type]
        reason=text,
        candidate_count=count,
        candidate_mean=bad / count,
        log_evidence=evidence,
        log_threshold=threshold,
    )


def _feedback(guard: Guard, stages: Sequence[Stage], alpha: float) -> GuardReading:
    """The candidate's mean feedback against stable's, stage by stage."""
    found = contrast(stages, margin=guard.margin, alpha=alpha, higher_is_better=guard.higher_is_better)
    threshold = math.log(1 / alpha)
    name = guard.metric or guard.kind
    if not found.candidate_count or not found.stable_count:
        reason = f"{found.candidate_count} labelled calls of the candidate, {found.stable_count} of stable"
        return GuardReading(guard=guard, outcome="no_data", reason=reason, candidate_count=found.candidate_count)
    text = (
        f"{name} {found.candidate_mean:.3f} on {found.candidate_count} against {found.stable_mean:.3f} "
        f"on {found.stable_count}, allowed drop {guard.margin:.0%}"
    )
    outcome = "inconclusive"
    if found.enough and found.log_harm >= threshold:
        outcome = "fail"
    elif found.enough and found.log_no_harm >= threshold:
        outcome = "pass"
    return GuardReading(
        guard=guard,
        outcome=outcome,  # type: ignore[arg-type]
        reason=text,
        stable_count=found.stable_count,
        candidate_count=found.candidate_count,
        stable_mean=found.stable_mean,
        candidate_mean=found.candidate_mean,
        log_evidence=found.log_harm,
        log_threshold=threshold,
    )


READERS: dict[str, Callable[[Guard, Sequence[Stage], float], GuardReading]] = {
    "error_rate": _share,
    "latency": _share,
    "feedback": _feedback,
    "correct": _feedback,
}
