"""Counting calls for each variant in each stage of a rollout, and the histogram of their latency."""

from __future__ import annotations

from bisect import bisect_left

from helicline.records.deployment import VariantCounts

Key = tuple[str, int, int, int]
OVER = 2**31 - 1


def _bounds() -> tuple[int, ...]:
    found, bound = [], 100.0
    while bound < 120e6:
        found.append(round(bound))
        bound *= 1.5
    return (*found, OVER)


BOUNDS_US = _bounds()
"""Upper bounds of the latency histogram in microseconds: powers of 1.5 from 100 us to 2 minutes."""


class Tally:
    """The running totals of one variant."""

    __slots__ = ("buckets", "errors", "replayed", "requests", "slow", "total_us", "user_errors")

    def __init__(self) -> None:
        self.requests = self.errors = self.slow = self.replayed = self.user_errors = self.total_us = 0
        self.buckets = [0] * len(BOUNDS_US)

    def took(self, micros: int, *, slow_us: float) -> None:
        """Count one call of that latency."""
        self.requests += 1
        self.total_us += micros
        self.buckets[bisect_left(BOUNDS_US, micros) if micros < OVER else -1] += 1
        if 0 < slow_us < micros:
            self.slow += 1


class Counts:
    """Tallies by (deployment, revision, rollout, stage) since the process started."""

    def __init__(self) -> None:
        self.tallies: dict[Key, Tally] = {}
        self.change_count = 0

    def of(self, key: Key) -> Tally:
        """Return the tally of a variant, about to be changed."""
        self.change_count += 1
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally()
        return tally

    def records(self) -> tuple[VariantCounts, ...]:
        """Return the totals as the server takes them."""
        return tuple(_record(key, tally) for key, tally in self.tallies.items())


def _record(key: Key, tally: Tally) -> VariantCounts:
    return VariantCounts(
        deployment=key[0],
        revision=key[1],
        rollout=key[2],
        stage=key[3],
        requests=tally.requests,
        errors=tally.errors,
        slow=tally.slow,
        replayed=tally.replayed,
        user_errors=tally.user_errors,
        latency_us={bound: count for bound, count in zip(BOUNDS_US, tally.buckets, strict=True) if count},
    )
