"""Data quality: one broken column each."""

import numpy as np
import pytest

from helicline.monitor import quality
from helicline.monitor.profile import build, centres_of
from helicline.records.monitor import MonitorSpec

CHANCE = np.random.default_rng(2)
STEADY = CHANCE.normal(50, 5, 4000)
TEXT = CHANCE.choice(["a", "b", "c"], 4000).astype(object)


def severities(reference, window):
    old = build({"x": reference})
    findings = quality.findings(MonitorSpec(kind="quality"), old, build(window, centres_of(old)))
    return {finding.statistic: finding.severity for finding in findings if finding.severity != "ok"}


def fresh(count=1000):
    return np.random.default_rng(3).normal(50, 5, count)


def broken(share, value):
    values = fresh()
    values[: int(share * 1000)] = value
    return {"x": values}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"x": fresh()}, {}),
        (broken(0.10, np.nan), {"missing": "critical"}),
        (broken(0.01, np.nan), {}),
        (broken(0.05, 1e6), {"out_of_range": "warning"}),
        (broken(0.05, -999.0), {"out_of_range": "warning"}),
        (broken(0.005, 1e6), {}),
        (broken(0.95, 50.0), {"stuck": "critical"}),
        ({}, {"absent": "critical"}),
    ],
)
def test_a_broken_column_of_numbers_is_found(window, expected):
    assert severities(STEADY, window) == expected


def test_missing_values_are_no_stuck_one():
    assert severities(STEADY, broken(0.97, np.nan)) == {"missing": "critical"}


def test_a_column_that_was_always_one_value_is_not_stuck():
    assert severities(np.full(1000, 7.0), {"x": np.full(500, 7.0)}) == {}


def test_unseen_categories_are_found():
    window = np.array(["a"] * 950 + ["NEW"] * 50, dtype=object)
    assert severities(TEXT, {"x": window}) == {"unseen": "warning"}


def test_a_few_unseen_names_among_many_rare_ones_are_expected():
    names = np.array([f"n{at}" for at in range(900)], dtype=object)
    window = np.array([f"n{at}" for at in range(800)] + [f"m{at}" for at in range(100)], dtype=object)
    assert severities(names, {"x": window}) == {}


def test_an_empty_window_raises_nothing():
    assert severities(STEADY, {"x": np.array([], dtype=float)}) == {}
