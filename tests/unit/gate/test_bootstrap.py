"""Paired bootstraps: their intervals against the formula, their errors counted, and why there is sometimes no test."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from helicline.gate.bootstrap import RESAMPLES, compare_again, compare_groups
from helicline.records.gate import Comparison

CHANCE = np.random.default_rng(11)
BEFORE = CHANCE.normal(0.5, 0.2, 300)
AFTER = BEFORE + CHANCE.normal(-0.02, 0.1, 300)


def bare(difference):
    return Comparison(
        metric="own", row_count=300, candidate=0.0, champion=0.0, difference=difference, low=0.0, high=0.0, p_worse=1.0,
        method="bootstrap by row",
    )  # fmt: skip


def ticks(step):
    """A clock that moves on by `step` at each look."""
    return itertools.count(0.0, step).__next__


def test_the_interval_of_many_groups_is_near_the_formula():
    comparison = compare_groups("own", AFTER, BEFORE, is_loss=False)
    gains = AFTER - BEFORE
    spread = gains.std(ddof=1) / math.sqrt(300)
    assert comparison.low == pytest.approx(gains.mean() - 1.96 * spread, abs=0.2 * spread)
    assert comparison.high == pytest.approx(gains.mean() + 1.96 * spread, abs=0.2 * spread)
    assert comparison.p_worse == pytest.approx(stats.norm.cdf(gains.mean() / spread), abs=0.02)


def test_of_a_loss_less_is_better():
    assert compare_groups("own", AFTER, BEFORE, is_loss=True).difference == pytest.approx((BEFORE - AFTER).mean())


def test_resampled_rows_give_the_interval_that_scipy_gives():
    gains = AFTER - BEFORE
    comparison = compare_again(bare(gains.mean()), lambda rows: gains[rows].mean(), np.arange(300), seconds=60)
    expected = stats.bootstrap((gains,), np.mean, method="percentile", n_resamples=RESAMPLES, rng=3).confidence_interval
    assert (comparison.low, comparison.high) == pytest.approx((expected.low, expected.high), abs=0.002)
    assert comparison.method == f"bootstrap by row, {RESAMPLES} resamples"


def test_rows_of_a_group_are_drawn_together():
    groups = np.repeat(np.arange(30), 10)
    gains = np.repeat(CHANCE.normal(size=30), 10)  # the ten rows of a group say the same thing
    alone = compare_again(bare(gains.mean()), lambda rows: gains[rows].mean(), np.arange(300), seconds=60)
    together = compare_again(bare(gains.mean()), lambda rows: gains[rows].mean(), groups, seconds=60)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(math.sqrt(10), rel=0.25)


def test_equal_models_are_rarely_found_worse():
    chance, small = np.random.default_rng(5), 0
    for _ in range(200):
        both = chance.normal(size=(2, 60))
        small += compare_groups("own", both[0], both[1], is_loss=False).p_worse < 0.05
    assert small / 200 <= 0.1


def test_a_model_compared_with_itself_is_not_worse():
    assert compare_groups("own", BEFORE, BEFORE, is_loss=False).p_worse == 1.0


def test_few_groups_allow_no_test():
    comparison = compare_groups("own", AFTER[:4], BEFORE[:4], is_loss=False)
    assert (comparison.untested, comparison.method) == ("4 groups are too few, 5 are needed", "no test")


def test_a_slow_metric_gets_as_many_resamples_as_the_time_allows():
    comparison = compare_again(bare(0.1), lambda _: 0.1, np.arange(300), seconds=300, clock=ticks(1.0))
    assert comparison.method == "bootstrap by row, 299 resamples"


def test_a_metric_that_is_too_slow_allows_no_test():
    comparison = compare_again(bare(-0.1), lambda _: -0.1, np.arange(300), seconds=60, clock=ticks(3.0))
    assert "allows 19 of at least 100 resamples in 60 s" in comparison.untested
    assert (comparison.difference, comparison.p_worse) == (-0.1, 1.0)


def test_a_metric_that_some_resamples_have_not_allows_no_test():
    def gain(rows):
        if 0 in rows:
            raise ValueError("one class only")
        return math.nan if 1 in rows else 0.1

    assert "cannot be computed of" in compare_again(bare(0.1), gain, np.arange(300), seconds=60).untested
