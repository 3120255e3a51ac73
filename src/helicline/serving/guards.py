"""The readings of guards on the evidence: pass, fail, inconclusive or no_data, with numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from helicline.records.deployment import Guard, GuardReading, Stage
from helicline.serving.evidence import Arms, contrast, log_bernoulli

FEW = 5
PASS_AFTER = 30


def read(guard: Guard, stages: Sequence[Stage], *, alpha: float) -> GuardReading:
    """Return the guard's reading over all stages so far."""
    return READERS[guard.kind](guard, stages, alpha)


def _share(guard: Guard, stages: Sequence[Stage], alpha: float) -> GuardReading:
    """Return the reading of failed or slow calls of the candidate against an absolute limit."""
    is_latency = guard.kind == "latency"
    limit = 1 - guard.quantile if is_latency else guard.limit
    count = sum(stage.candidate.requests for stage in stages)
    bad = sum(stage.candidate.slow if is_latency else stage.candidate.errors for stage in stages)
    subject = f"calls over {guard.limit:g} ms" if is_latency else "failed calls"
    text = f"{bad} {subject} of {count}, allowed {limit:.1%}"
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
    """Return the reading of the candidate's mean feedback against stable's, stage by stage."""
    return of_contrast(guard, stages, alpha, subject="labelled calls")


def of_contrast(guard: Guard, stages: Sequence[Arms], alpha: float, *, subject: str) -> GuardReading:
    """Return whether the candidate's mean is worse than stable's by more than the margin, of so many `subject`."""
    evidence = contrast(stages, margin=guard.margin, alpha=alpha, higher_is_better=guard.higher_is_better)
    threshold = math.log(1 / alpha)
    name = guard.metric or guard.kind
    if not evidence.candidate_count or not evidence.stable_count:
        reason = f"{evidence.candidate_count} {subject} of the candidate, {evidence.stable_count} of stable"
        return GuardReading(guard=guard, outcome="no_data", reason=reason, candidate_count=evidence.candidate_count)
    text = (
        f"{name} {evidence.candidate_mean:.3f} on {evidence.candidate_count} {subject} against "
        f"{evidence.stable_mean:.3f} on {evidence.stable_count}{_allowed(guard)}"
    )
    outcome = "inconclusive"
    if evidence.enough and evidence.log_harm >= threshold:
        outcome = "fail"
    elif evidence.enough and evidence.log_no_harm >= threshold:
        outcome = "pass"
    return GuardReading(
        guard=guard,
        outcome=outcome,  # type: ignore[arg-type]
        reason=text,
        stable_count=evidence.stable_count,
        candidate_count=evidence.candidate_count,
        stable_mean=evidence.stable_mean,
        candidate_mean=evidence.candidate_mean,
        log_evidence=evidence.log_no_harm if guard.kind == "better" else evidence.log_harm,
        log_threshold=threshold,
    )


def _allowed(guard: Guard) -> str:
    change = "drop" if guard.higher_is_better else "rise"
    return f", allowed {change} {guard.margin:.0%}" if guard.kind != "better" else ""


READERS: dict[str, Callable[[Guard, Sequence[Stage], float], GuardReading]] = {
    "error_rate": _share,
    "latency": _share,
    "feedback": _feedback,
    "correct": _feedback,
}
