"""A column of the reference and of a window in the same bins."""

import numpy as np
import pytest

from helicline.monitor import histogram
from helicline.monitor.profile import build, centres_of

CHANCE = np.random.default_rng(3)


def histogram_of(reference, window):
    old = build({"x": reference})
    new = build({} if window is None else {"x": window}, centres_of(old))
    return histogram.of("x", old.columns["x"], new.columns.get("x"))


def sums(result):
    return tuple(round(sum(getattr(part, side) for part in result.bins), 6) for side in ("reference", "window"))


@pytest.mark.parametrize("move", [lambda x: x, lambda x: x + 40, lambda x: x * 1000, lambda x: np.full(9, 7.0)])
def test_the_shares_of_each_side_add_up_and_the_bins_hold_both(move):
    reference = CHANCE.normal(50, 5, 2000)
    result = histogram_of(reference, move(reference[:400]))
    assert sums(result) == (1.0, 1.0)
    assert len(result.bins) == histogram.BINS
    assert result.bins[0].low < np.median(reference) < result.bins[-1].high
    precision = 0.004 * 50  # the grid's, of the distance from the centre
    assert result.bins[0].low - precision <= np.median(move(reference[:400])) <= result.bins[-1].high


def test_a_few_extreme_values_do_not_push_all_others_into_one_bin():
    values = np.append(CHANCE.normal(50, 5, 2000), [1e9, -1e9])
    result = histogram_of(values, values)
    assert max(part.reference for part in result.bins) < 0.2
    assert sums(result) == (1.0, 1.0)


def test_categories_are_in_the_order_of_their_shares_and_the_rare_ones_are_summed():
    names = [f"city {number}" for number in range(40)]
    reference = np.array([name for number, name in enumerate(names) for _ in range(80 - number)], dtype=object)
    result = histogram_of(reference, np.array(["city 3", "new"] * 50, dtype=object))
    assert [part.label for part in result.bins[:2]] == ["city 3", "new"]
    assert result.bins[-1].label == "29 more"
    assert sums(result) == (1.0, 1.0)


@pytest.mark.parametrize("window", [None, np.array(["a", "b"] * 10, dtype=object)])
def test_a_column_that_did_not_come_in_as_it_was_has_one_side(window):
    result = histogram_of(CHANCE.normal(0, 1, 500), window)
    assert sums(result) == (1.0, 0.0)
    assert (result.kind, result.window_missing) == ("number", 1.0 if window is None else 0.0)
    assert result.window_count == (0 if window is None else 20)


def test_missing_values_are_shares_of_all_rows():
    result = histogram_of(np.array([1.0, 2.0, np.nan, 3.0]), np.array([np.nan, np.nan, 2.0, np.nan]))
    assert (result.reference_missing, result.window_missing) == (0.25, 0.75)


def test_a_constant_has_bins_on_both_sides_of_it():
    result = histogram_of(np.full(100, 5.0), np.full(10, 5.0))
    assert (result.bins[0].low, result.bins[-1].high, sums(result)) == (4.5, 5.5, (1.0, 1.0))
