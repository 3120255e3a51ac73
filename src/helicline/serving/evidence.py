"""Sequential tests for guards, valid at any number of looks.

Each function returns the natural logarithm of an e-value; the null hypothesis is rejected at level alpha when it
reaches ln(1/alpha) (Ville's inequality). Formulas: one-sided normal mixture (Howard, Ramdas, McAuliffe, Sekhon 2021),
Bernoulli mixture with a Beta(1, 1) prior cut to (p0, 1], Beta-binomial for the traffic split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from scipy.special import betaln, log_ndtr
from scipy.stats import beta as beta_distribution

_FARTHEST_LIFT = 100.0
TARGET_UNITS = 2000.0  # harmonic units with the greatest power: about 4,000 calls for each arm


class Moments(Protocol):
    """Values of one variant: how many, their sum and the sum of their squares."""

    @property
    def count(self) -> int: ...
    @property
    def total(self) -> float: ...
    @property
    def total_squares(self) -> float: ...


class Arms(Protocol):
    """Both variants in a period of constant weights."""

    @property
    def stable(self) -> Moments: ...
    @property
    def candidate(self) -> Moments: ...


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence for harm and for no harm, with its sizes and means."""

    log_harm: float
    log_no_harm: float
    stable_count: int
    candidate_count: int
    stable_mean: float
    candidate_mean: float
    enough: bool


def log_mixture(total: float, variance: float, rho: float) -> float:
    """Return ln E of a sum that has no positive drift under the null, given its variance so far."""
    spread = variance + rho
    return 0.5 * math.log(4 * rho / spread) + total**2 / (2 * spread) + float(log_ndtr(total / math.sqrt(spread)))


def tuning(unit_variance: float, alpha: float) -> float:
    """Return the mixture's rho with the greatest power at TARGET_UNITS."""
    steep = -2 * math.log(2 * alpha)
    return max(TARGET_UNITS * unit_variance / (steep + math.log(steep + 1)), 1e-12)


def log_bernoulli(bad: int, count: int, limit: float) -> float:
    """Return ln E against "at most `limit` of the calls are bad", exact from the first call on."""
    if count == 0 or limit >= 1:
        return -math.inf
    limit = max(limit, 1e-9)
    good = count - bad
    upper = float(beta_distribution.logsf(limit, 1 + bad, 1 + good))
    null = bad * math.log(limit) + good * math.log1p(-limit)
    return float(betaln(1 + bad, 1 + good)) + upper - math.log1p(-limit) - null


def log_split(candidate: int, count: int, share: float) -> float:
    """Return ln E against "the candidate gets `share` of the calls" (sample ratio mismatch)."""
    if not 0 < share < 1 or count == 0:
        return -math.inf
    a, b = 50 * share, 50 * (1 - share)
    mixture = float(betaln(a + candidate, b + count - candidate) - betaln(a, b))
    return mixture - candidate * math.log(share) - (count - candidate) * math.log1p(-share)


def contrast(stages: Sequence[Arms], *, margin: float, alpha: float, higher_is_better: bool = True) -> Contrast:
    """Compare the arms stage by stage: is the candidate's mean worse than stable's by more than the share `margin`?

    Stages are never pooled: while weights ramp and the base rate moves, pooled counts mislead. For 0/1 values the
    variance is the one that the null implies, which keeps the error level where events are rare.
    """
    both = [stage for stage in stages if stage.stable.count and stage.candidate.count]
    n_a, n_b = sum(s.stable.count for s in both), sum(s.candidate.count for s in both)
    if not both:
        return Contrast(
            log_harm=0.0,
            log_no_harm=0.0,
            stable_count=n_a,
            candidate_count=sum(s.candidate.count for s in stages),
            stable_mean=0.0,
            candidate_mean=0.0,
            enough=False,
        )
    mean_a, mean_b = sum(s.stable.total for s in both) / n_a, sum(s.candidate.total for s in both) / n_b
    sign = 1.0 if higher_is_better else -1.0
    bound = 1 - sign * margin
    binary = all(arm.total_squares == arm.total for s in both for arm in (s.stable, s.candidate))
    v_a, v_b = _variances(both, bound, binary=binary)
    drift = variance = 0.0
    for stage in both:
        size_a, size_b = stage.stable.count, stage.candidate.count
        harmonic = _harmonic(stage)
        drift += sign * harmonic * (stage.candidate.total / size_b - bound * stage.stable.total / size_a)
        variance += harmonic**2 * (v_b / size_b + bound**2 * v_a / size_a)
    rho = tuning(v_b + bound**2 * v_a, alpha)
    return Contrast(
        log_harm=log_mixture(-drift, variance, rho),
        log_no_harm=log_mixture(drift, variance, rho),
        stable_count=n_a,
        candidate_count=n_b,
        stable_mean=mean_a,
        candidate_mean=mean_b,
        enough=_enough(n_a, n_b, mean_a if binary else None),
    )


def lift(stages: Sequence[Arms]) -> float | None:
    """Return the candidate's mean over stable's, less 1, stage by stage; None where stable's mean is not positive."""
    both = [stage for stage in stages if stage.stable.count and stage.candidate.count]
    stable = sum(_harmonic(stage) * stage.stable.total / stage.stable.count for stage in both)
    candidate = sum(_harmonic(stage) * stage.candidate.total / stage.candidate.count for stage in both)
    return candidate / stable - 1 if stable > 0 else None


def lift_interval(stages: Sequence[Arms], *, alpha: float) -> tuple[float, float] | None:
    """Return the lifts that the evidence does not reject, half of alpha on both sides; valid at any number of looks.

    None where there is too little to compare, or stable's mean is not positive.
    """
    middle, threshold = lift(stages), math.log(2 / alpha)
    if middle is None or not contrast(stages, margin=0.0, alpha=alpha).enough:
        return None

    def above(low: float) -> bool:
        return contrast(stages, margin=-low, alpha=alpha).log_no_harm >= threshold

    def below(high: float) -> bool:
        return contrast(stages, margin=-high, alpha=alpha).log_harm >= threshold

    low = _edge(above, middle, lambda distance: max(middle - distance, -1.0))
    return low, _edge(below, middle, lambda distance: middle + distance)


def _edge(is_rejected: Callable[[float], bool], middle: float, at: Callable[[float], float]) -> float:
    """Return the value nearest to `middle` that is rejected, by bisection; the farthest where none is."""
    near, far = 0.0, 0.05
    while not is_rejected(at(far)):
        near, far = far, 2 * far
        if far > _FARTHEST_LIFT:
            return at(far)
    while far - near > 1e-4 * max(far, 0.01):
        half = (near + far) / 2
        near, far = (near, half) if is_rejected(at(half)) else (half, far)
    return at(far)


def _harmonic(stage: Arms) -> float:
    return stage.stable.count * stage.candidate.count / (stage.stable.count + stage.candidate.count)


def _variances(stages: Sequence[Arms], bound: float, *, binary: bool) -> tuple[float, float]:
    if binary:
        return _null_variances(stages, bound)
    return _pooled_variance(stages, "stable"), _pooled_variance(stages, "candidate")


def _null_variances(stages: Sequence[Arms], bound: float) -> tuple[float, float]:
    """Return the arms' variances of 0/1 values on the edge of the null, where candidate = bound x stable."""
    n_a, n_b = sum(s.stable.count for s in stages), sum(s.candidate.count for s in stages)
    k_a, k_b = sum(s.stable.total for s in stages), sum(s.candidate.total for s in stages)
    rate = min((k_a + k_b + 0.5) / (n_a + bound * n_b + 1), 1 - 1e-6)
    edge, share = min(bound * rate, 1 - 1e-6), k_b / n_b
    return rate * (1 - rate), max(edge * (1 - edge), share * (1 - share))


def _pooled_variance(stages: Sequence[Arms], arm: str) -> float:
    total, degrees = 0.0, 0
    for stage in stages:
        counts = getattr(stage, arm)
        total += max(counts.total_squares - counts.total**2 / counts.count, 0.0)
        degrees += counts.count - 1
    return total / degrees if degrees > 0 and total > 0 else 1e-9


def _enough(stable: int, candidate: int, rate: float | None) -> bool:
    smaller = min(stable, candidate)
    return smaller * rate >= 10 if rate is not None else smaller >= 100
