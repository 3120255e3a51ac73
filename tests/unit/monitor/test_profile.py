"""Profiles: exact counts that add up in any order, and every strange number in its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helicline.monitor import profile

ANY = st.floats(allow_nan=True, allow_infinity=True, width=64)
VALUES = arrays(np.float64, st.integers(1, 200), elements=ANY)


@given(VALUES, st.integers(0, 200))
@settings(max_examples=80, deadline=None)
def test_parts_merge_to_the_whole_bit_for_bit(values, cut):
    direct = profile.build({"x": values}, {"x": 0.5})
    parts = [profile.build({"x": piece}, {"x": 0.5}) for piece in (values[:cut], values[cut:]) if len(piece)]
    assert profile.encode(profile.merged(parts)) == profile.encode(direct)
    assert profile.merged(parts[::-1]) == direct


@given(VALUES)
@settings(max_examples=60, deadline=None)
def test_a_profile_reads_back_as_it_was_written(values):
    built = profile.build({"x": values})
    assert profile.decode(profile.encode(built)) == built


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3))
@settings(max_examples=200, deadline=None)
def test_a_cell_is_at_most_four_thousandths_of_the_distance_wide(value, centre):
    cell = int(np.flatnonzero(profile.grid_of(np.array([value]), centre))[0])
    middle = np.array([(cell << 16) | 0x8000], dtype=np.uint32).view(np.float32)[0]
    distance = np.float64(np.float32(value - centre))
    assert abs(float(middle) - distance) <= 0.0040 * abs(distance) + 1e-37


def test_ranks_of_the_cells_follow_the_order_of_their_values():
    values = np.array([-1e9, -5.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 5.0, 1e9])
    cells = [int(np.flatnonzero(profile.grid_of(np.array([value]), 0.0))[0]) for value in values]
    assert np.all(np.diff(profile.RANK[cells]) > 0)


def test_minus_zero_and_zero_are_one_value():
    assert profile.build({"x": np.array([-0.0])}, {"x": 0.0}) == profile.build({"x": np.array([0.0])}, {"x": 0.0})


def test_nan_and_infinities_are_missing_and_counted_once():
    column = profile.build({"x": np.array([1.0, np.nan, np.inf, -np.inf, 2.0])}).columns["x"]
    assert (column.count, column.missing, column.low, column.high) == (2, 3, 1.0, 2.0)


def test_masked_rows_are_missing():
    column = profile.build({"x": np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0])}).columns["x"]
    assert (column.count, column.missing) == (2, 1)


def test_none_is_missing_in_text_and_in_numbers():
    built = profile.build({"t": np.array(["a", None, "a"], dtype=object), "n": np.array([1, None, 3], dtype=object)})
    assert (built.columns["t"].categories, built.columns["t"].missing) == ({"a": 2}, 1)
    assert built.columns["n"].missing == 1


def test_a_column_without_any_value_is_all_missing():
    column = profile.build({"x": np.full(5, np.nan)}).columns["x"]
    assert (column.count, column.missing, column.low) == (0, 5, None)


def test_too_many_categories_are_gathered_under_one_name():
    values = np.array([f"id{at}" for at in range(3000)] + ["top"] * 50, dtype=object)
    column = profile.build({"c": values}).columns["c"]
    assert len(column.categories) == profile.MAX_CATEGORIES + 1
    assert sum(column.categories.values()) == column.count == 3050
    assert column.categories["top"] == 50


@pytest.mark.parametrize("other", [np.array(["a"], dtype=object), np.array([9.0])])
def test_columns_that_cannot_be_added_are_left_as_the_first(other):
    first = profile.build({"x": np.array([1.0])}, {"x": 0.0})
    second = profile.build({"x": other}, {"x": 3.0})
    assert profile.merged([first, second]).columns == first.columns


def _shares(ranks, counts):
    """The share of the rows up to each cell of the grid."""
    return np.cumsum(np.bincount(ranks, weights=counts, minlength=profile.CELLS)) / counts.sum()


def test_a_million_rows_agree_with_the_exact_distribution():
    from scipy.stats import ks_2samp

    from helicline.monitor.drift import _ranked_counts

    chance = np.random.default_rng(1)
    old, new = chance.normal(size=200_000), chance.normal(0.2, 1, 50_000)
    reference = profile.build({"x": old})
    window = profile.build({"x": new}, profile.centres_of(reference))
    a, b = (_shares(*_ranked_counts(profiled.columns["x"])) for profiled in (reference, window))
    distance = np.abs(a - b).max()
    assert distance == pytest.approx(ks_2samp(old, new).statistic, abs=5e-4)


def test_numbers_that_came_as_objects_are_numbers_whatever_is_missing_among_them():
    built = profile.build({"n": np.array([1, None, 3.5, np.nan], dtype=object)})
    assert built.columns["n"] == profile.build({"n": np.array([1.0, np.nan, 3.5, np.nan])}).columns["n"]


def test_a_column_that_is_empty_now_is_of_the_kind_that_the_reference_says():
    empty = {"n": np.array([None, None], dtype=object)}
    column = profile.build(empty, {"n": 2.0}).columns["n"]
    assert (column.kind, column.centre, column.count, column.missing) == ("number", 2.0, 0, 2)
    assert profile.build(empty).columns["n"].kind == "category"


def test_a_missing_text_is_no_text_that_says_nan():
    column = profile.build({"t": np.array(["a", np.nan, None, "nan"], dtype=object)}).columns["t"]
    assert (column.categories, column.missing) == ({"a": 1, "nan": 1}, 2)


@pytest.mark.parametrize("first", ["x", None, True, 1])
def test_values_that_are_equal_and_of_several_types_stay_apart(first):
    column = profile.build({"t": np.array([first, "x", 1, True, 1.0, False], dtype=object)}).columns["t"]
    assert column.kind == "category"
    assert {"x", "1", "True", "1.0", "False"} == set(column.categories)


def test_the_centre_of_many_rows_is_the_median_of_an_even_sample():
    values = np.random.default_rng(0).normal(10.0, 1.0, 500_000)
    assert abs(profile.build({"x": values}).columns["x"].centre - np.median(values)) < 0.02
    assert profile.build({"x": np.full(500_000, 7.0)}).columns["x"].centre == 7.0
    assert profile.build({"x": np.array([1.7e308, 1.7e308])}).columns["x"].centre == 1.7e308
