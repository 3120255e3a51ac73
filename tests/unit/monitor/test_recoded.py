"""Values that are written otherwise are broken data, whatever monitor sees them; values that changed are not."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helicline.monitor import drift, quality
from helicline.monitor.profile import build, centres_of
from helicline.records.monitor import MonitorSpec

JUDGES = (drift.findings, quality.findings)


def plans(seed, n, shares=(0.5, 0.3, 0.2), names=("basic", "plus", "pro")):
    return np.random.default_rng(seed).choice(np.array(names, dtype=object), n, p=shares)


def findings(judge, reference, window):
    old = build(reference)
    results = judge(MonitorSpec(kind="drift"), old, build(window, centres_of(old)))
    return [result for result in results if result.statistic in ("recoded", "swapped", "unit")]


def statistics(reference, window):
    """Return what both monitors say of each column."""
    return {(result.column, result.statistic) for judge in JUDGES for result in findings(judge, reference, window)}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("1", "2", "3"), "did not come in"),
        (("basic", "plus", "premium"), "'pro' (20%) did not come in, 'premium'"),
        (("Basic", "Plus", "Pro"), "did not come in"),
        (("pro", "plus", "basic"), "exchanged codes"),
    ],
)
def test_other_codes_for_the_same_values_are_broken_data(names, words):
    for judge in JUDGES:
        (result,) = findings(judge, {"plan": plans(1, 4000)}, {"plan": plans(2, 600, names=names)})
        assert (result.statistic, result.severity) == ("recoded", "critical")
        assert words in result.detail
        assert quality.broken([result]) == [result]


def test_exchanged_codes_of_numbers_are_broken_data():
    old, new = (np.random.default_rng(seed).random(n) < 0.8 for seed, n in ((1, 4000), (2, 500)))
    assert statistics({"flag": old.astype(int)}, {"flag": 1 - new.astype(int)}) == {("flag", "recoded")}


def two_values(share, n, form, seed=1):
    """Return a column of two values, the first with this share; `rare` has some rows of a third one."""
    is_first = np.random.default_rng(seed).random(n) < share
    if form == "numbers":
        return is_first.astype(int)
    texts = np.where(is_first, "yes", "no").astype(object)
    if form == "rare":
        texts[::50] = "unknown"
    return texts


@settings(max_examples=60, deadline=None)
@given(
    before=st.floats(0.02, 0.98), now=st.floats(0.02, 0.98), form=st.sampled_from(["numbers", "text", "rare"]),
    count=st.integers(200, 3000),
)  # fmt: skip
def test_two_values_that_turned_are_not_exchanged_unless_they_turned_far_and_exactly(before, now, form, count):
    assume(abs(now - before) < 0.44 or abs(now - (1 - before)) > 0.2)
    window = {"flag": two_values(now, count, form, seed=2)}
    assert statistics({"flag": two_values(before, 4000, form)}, window) == set()


@settings(max_examples=40, deadline=None)
@given(
    share=st.floats(0.03, 0.2), form=st.sampled_from(["numbers", "text", "rare"]), count=st.integers(300, 3000),
    seed=st.integers(2, 1000),
)  # fmt: skip
def test_two_values_of_very_unequal_shares_that_are_exchanged_are_found(share, form, count, seed):
    window = {"flag": two_values(1 - share, count, form, seed=seed)}
    assert statistics({"flag": two_values(share, 4000, form)}, window) == {("flag", "recoded")}


@pytest.mark.parametrize("form", ["numbers", "text", "rare"])
def test_a_flag_that_turned_from_a_third_to_two_thirds_is_drift_and_no_broken_data(form):
    old = build({"flag": two_values(0.35, 4000, form)})
    window = build({"flag": two_values(0.65, 600, form, seed=2)}, centres_of(old))
    (result,) = drift.findings(MonitorSpec(kind="drift"), old, window)
    assert (result.statistic, result.severity) == ("psi", "critical")
    assert quality.broken(quality.findings(MonitorSpec(kind="quality"), old, window)) == []


@pytest.mark.parametrize(
    ("shares", "names"),
    [
        ((0.4, 0.25, 0.15, 0.2), ("basic", "plus", "pro", "family")),  # a new plan, beside all others
        ((0.1, 0.2, 0.7), ("basic", "plus", "pro")),
        ((0.6, 0.4), ("basic", "plus")),  # a plan that nobody has any more
        ((0.2, 0.1, 0.7), ("basic", "plus", "family")),
    ],
)
def test_what_changed_is_not_written_otherwise(shares, names):
    assert statistics({"plan": plans(1, 4000)}, {"plan": plans(2, 600, shares, names)}) == set()


def people(seed, n):
    chance = np.random.default_rng(seed)
    return {
        "age": chance.normal(45, 12, n),
        "income": chance.lognormal(10.3, 0.5, n),
        "tenure": chance.normal(80, 9, n),
    }


@pytest.mark.parametrize(("column", "partner"), [("age", "income"), ("age", "tenure"), ("tenure", "income")])
def test_exchanged_columns_are_broken_data(column, partner):
    window = people(2, 600)
    exchanged = window | {column: window[partner], partner: window[column]}
    assert statistics(people(1, 4000), exchanged) == {(column, "swapped"), (partner, "swapped")}


def test_columns_of_text_may_be_exchanged_too():
    old = {"from": plans(1, 4000), "to": plans(2, 4000, (0.9, 0.1), ("AMS", "BER"))}
    new = {"from": plans(3, 600, (0.9, 0.1), ("AMS", "BER")), "to": plans(4, 600)}
    assert statistics(old, new) == {("from", "swapped"), ("to", "swapped")}


@pytest.mark.parametrize("change", [{}, {"age": 20.0}, {"income": 30_000.0, "age": -15.0}])
def test_columns_that_moved_are_not_exchanged(change):
    window = people(2, 600)
    moved = {name: values + change.get(name, 0.0) for name, values in window.items()}
    assert statistics(people(1, 4000), moved) == set()


def test_exchanged_columns_are_told_once_with_the_partner():
    window = people(2, 600)
    results = findings(quality.findings, people(1, 4000), window | {"age": window["tenure"], "tenure": window["age"]})
    assert [result.detail.split(",")[0] for result in results] == [
        "its values are like those of tenure",
        "its values are like those of age",
    ]
