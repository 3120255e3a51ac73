"""Counters of calls by variant and stage of a rollout, with a latency histogram each."""

from __future__ import annotations

from bisect import bisect_left

from helicline.records.deployment import VariantCounts

VariantKey = tuple[str, int, int, int]
OVER = 2**31 - 1


def _bounds() -> tuple[int, ...]:
    bounds, bound = [], 100.0
    while bound < 120e6:
        bounds.append(round(bound))
        bound *= 1.5
    return (*bounds, OVER)


BOUNDS_US = _bounds()
"""Upper bounds of the latency histogram in microseconds: powers of 1.5 from 100 us to 2 minutes."""


class VariantCounter:
    """The running totals of one variant."""

    __slots__ = ("buckets", "errors", "replayed", "requests", "slow", "total_us", "user_errors")

    def __init__(self) -> None:
        self.requests = self.errors = self.slow = self.replayed = self.user_errors = self.total_us = 0
        self.buckets = [0] * len(BOUNDS_US)

    def observe(self, latency_us: int, *, slow_us: float) -> None:
        """Count one call of that latency."""
        self.requests += 1
        self.total_us += latency_us
        self.buckets[bisect_left(BOUNDS_US, latency_us) if latency_us < OVER else -1] += 1
        if 0 < slow_us < latency_us:
            self.slow += 1


class VariantCounters:
    """Counters by (deployment, revision, rollout, stage) since the process started."""

    def __init__(self) -> None:
        self.by_variant: dict[VariantKey, VariantCounter] = {}

    def of(self, key: VariantKey) -> VariantCounter:
        """Return the counter of a variant, made at the first call."""
        counter = self.by_variant.get(key)
        if counter is None:
            counter = self.by_variant[key] = VariantCounter()
        return counter

    def records(self) -> tuple[VariantCounts, ...]:
        """Return the totals as the server takes them."""
        return tuple(_record(key, counter) for key, counter in self.by_variant.items())


def _record(key: VariantKey, counter: VariantCounter) -> VariantCounts:
    return VariantCounts(
        deployment=key[0],
        revision=key[1],
        rollout=key[2],
        stage=key[3],
        requests=counter.requests,
        errors=counter.errors,
        slow=counter.slow,
        replayed=counter.replayed,
        user_errors=counter.user_errors,
        latency_us={bound: count for bound, count in zip(BOUNDS_US, counter.buckets, strict=True) if count},
    )
