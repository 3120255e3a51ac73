"""Paired comparison of two models where no formula gives the spread: by resampling what was judged.

The percentile bootstrap of Efron (1979), of both models on the same resample, so that what is hard for both moves both.
Rows of one group are drawn together (Field and Welsh 2007, the cluster bootstrap): they say the same thing again.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import msgspec
import numpy as np

from helicline.records.gate import Comparison

Array = np.ndarray[Any, Any]
RESAMPLES = 2000
LEAST_RESAMPLES = 100  # of fewer a p-value of 5 % is hardly told
LEAST_UNITS = 5
MOST_FAILURES = 0.05  # of the resamples; more would leave a choice of them
AT_ONCE = 2_000_000  # drawn numbers in memory


def compare_groups(metric: str, candidate: Array, champion: Array, *, is_loss: bool) -> Comparison:
    """Return the comparison of two models by one value a group; what counts is the mean over the groups."""
    gains = (champion - candidate) if is_loss else (candidate - champion)
    bare = Comparison(
        metric=metric,
        row_count=len(gains),
        group_count=len(gains),
        candidate=float(candidate.mean()),
        champion=float(champion.mean()),
        difference=float(gains.mean()),
        low=float(gains.mean()),
        high=float(gains.mean()),
        p_worse=1.0,
        method="bootstrap by group",
    )
    if len(gains) < LEAST_UNITS:
        return untested(bare, f"{len(gains)} groups are too few, {LEAST_UNITS} are needed")
    return _with_interval(bare, _means_of_resamples(gains))


def _means_of_resamples(gains: Array) -> Array:
    chance, means = np.random.default_rng(0), []
    per_draw = max(1, AT_ONCE // len(gains))
    for first in range(0, RESAMPLES, per_draw):
        draws = chance.integers(0, len(gains), size=(min(per_draw, RESAMPLES - first), len(gains)))
        means.append(gains[draws].mean(axis=1))
    return np.concatenate(means)


def compare_again(
    bare: Comparison,
    gain: Callable[[Array], float],
    groups: Array,
    *,
    seconds: float,
    clock: Callable[[], float] = process_time,
) -> Comparison:
    """Return the comparison with an interval and a p-value, by as many resamples as `seconds` of the processor allow.

    `gain` is what the candidate is better by on the rows of these numbers; where it raises ValueError or gives NaN
    the resample has none. `groups` has the number of each row's group: rows of a group are drawn together.
    """
    rows_of = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    if len(rows_of) < LEAST_UNITS:
        return untested(bare, f"{len(rows_of)} rows or groups are too few, {LEAST_UNITS} are needed")
    is_by_row = len(rows_of) == len(groups)
    chance, failure_count, began = np.random.default_rng(0), 0, clock()
    gains: list[float] = []
    while len(gains) + failure_count < RESAMPLES and clock() - began < seconds:
        draw = chance.integers(0, len(rows_of), len(rows_of))
        try:
            gains.append(gain(draw if is_by_row else np.concatenate([rows_of[number] for number in draw])))
        except ValueError:
            failure_count += 1
        if gains and np.isnan(gains[-1]):
            gains.pop()
            failure_count += 1
    count = len(gains) + failure_count
    if count < LEAST_RESAMPLES:
        why = f"it takes {(clock() - began) / max(1, count):.2g} s to compute, which allows {count} of at least"
        return untested(bare, f"{why} {LEAST_RESAMPLES} resamples in {seconds:g} s")
    if failure_count > MOST_FAILURES * count:
        return untested(bare, f"it cannot be computed of {failure_count} of {count} resamples")
    return _with_interval(bare, np.array(gains))


def untested(comparison: Comparison, why: str) -> Comparison:
    """Return the comparison without a test, and why there is none."""
    return msgspec.structs.replace(comparison, untested=why, method="no test")


def _with_interval(comparison: Comparison, gains: Array) -> Comparison:
    """Return the comparison with the percentile interval, and as p-value the share of resamples that are not worse."""
    low, high = np.quantile(gains, [0.025, 0.975])
    p_worse = (1 + int((gains >= 0).sum())) / (1 + len(gains)) if comparison.difference < 0 else 1.0
    method = f"{comparison.method}, {len(gains)} resamples"
    return msgspec.structs.replace(comparison, low=float(low), high=float(high), p_worse=p_worse, method=method)
