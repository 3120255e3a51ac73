"""Identifiers and times are left out by default, and what is not tested says why."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helicline.monitor import drift, quality
from helicline.monitor.profile import build, centres_of
from helicline.monitor.testable import nothing_tested, role_of, with_roles
from helicline.records.monitor import MonitorSpec

CHANCE = np.random.default_rng(5)
IDS = CHANCE.choice(10**9, 400, replace=False)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [f"2026-01-{day % 28 + 1:02}" for day in range(400)]


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("customer_id", IDS, "identifier"),
        ("customerId", IDS.astype(np.float64), "identifier"),
        ("customer_id", np.repeat(IDS, 2), "identifier"),  # some customers came twice
        ("row", np.arange(400), "identifier"),
        ("kunde", np.random.default_rng(1).permutation(np.arange(7_000_000, 7_020_000, 10)), "identifier"),  # mixed
        ("order", [f"A-{number}" for number in IDS], "identifier"),
        ("customer_id", CHANCE.integers(0, 5, 400), ""),  # too few different ones to be of customers
        ("income", IDS, ""),
        ("amount", CHANCE.normal(100, 20, 400), ""),
        ("sorted", np.sort(CHANCE.normal(100, 20, 400)), ""),
        ("paid", CHANCE.normal(100, 20, 400) > 100, ""),
        ("valid", CHANCE.choice(["yes", "no"], 400).astype(object), ""),
        ("id", np.arange(10), ""),  # of ten rows nobody can tell
        ("signup", np.array(DAYS, dtype="datetime64[us]"), "time"),
        ("signup", np.array(DAYS, dtype=object), "time"),
        ("signup", np.array([MIDNIGHT + timedelta(day) for day in range(60)], dtype=object), "time"),
        ("at", 1_700_000_000 + CHANCE.integers(0, 10**7, 400), "time"),
        ("at", 1_700_000_000_000 + CHANCE.integers(0, 10**10, 400), "time"),
        ("code", np.array(["2026-01-xx", *DAYS[:40]], dtype=object), ""),
        ("nothing", np.array([None, None], dtype=object), ""),
        ("gaps", np.ma.masked_invalid([np.nan, *CHANCE.normal(0, 1, 100)]), ""),
    ],
)  # fmt: skip
def test_a_column_is_recognised_by_its_values_and_its_name(name, values, role):
    assert role_of(name, np.ma.asarray(values)) == role


@settings(max_examples=100, deadline=None)
@given(
    draw=st.sampled_from(
        [
            lambda chance, n, scale: chance.lognormal(np.log(scale), 1.0, n),
            lambda chance, n, scale: chance.normal(0, scale, n),
            lambda chance, n, scale: chance.uniform(0, scale, n),
            lambda chance, n, scale: chance.pareto(1.1, n) * scale,
            lambda chance, n, scale: chance.poisson(scale, n),
        ]
    ),
    count=st.integers(50, 3000), scale=st.floats(1, 1e9), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_no_measured_whole_number_is_taken_for_an_identifier(draw, count, scale, seed):
    """An amount in cents is often all different; of a few thousand rows in a small range it is not."""
    values = np.round(draw(np.random.default_rng(seed), count, scale))
    assert role_of("amount", values) != "identifier"


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(100, 3000), density=st.floats(0.5, 1.0), first=st.integers(0, 10**9), seed=st.integers(0, 2**31)
)
def test_numbers_given_out_from_a_small_range_are_identifiers_in_any_order(count, density, first, seed):
    values = first + np.random.default_rng(seed).choice(int(count / density), count, replace=False)
    assert role_of("amount", values) in ("identifier", "time")


def reference_of(columns):
    return with_roles(build(columns), columns)


def rows(seed, first_id=0):
    chance = np.random.default_rng(seed)
    return {
        "customer_id": np.arange(first_id, first_id + 1000),
        "signup": np.array([f"2026-0{seed}-{day % 28 + 1:02}" for day in range(1000)], dtype=object),
        "income": chance.normal(3000, 500, 1000),
    }


@pytest.mark.parametrize("judge", [drift.findings, quality.findings])
def test_new_customers_on_later_days_are_no_finding(judge):
    reference = reference_of(rows(1))
    window = build(rows(2, first_id=50_000), centres_of(reference))
    findings = judge(MonitorSpec(kind="drift"), reference, window)
    assert {finding.severity for finding in findings if finding.column == "income"} <= {"ok", "info"}
    assert {finding.severity for finding in findings} <= {"ok", "info", "insufficient_data"}
    details = {finding.column: finding.detail for finding in findings if finding.statistic == "not_tested"}
    assert details == {
        "customer_id": "not tested: nearly every value is different, as of an identifier or free text",
        "signup": "not tested: it is a time, which moves on by itself",
    }


@pytest.mark.parametrize("precision", ["s", "ms", "us", "ns"])
def test_times_of_every_precision_are_the_same_column(precision):
    reference = {"signup": np.array(DAYS, dtype=f"datetime64[{precision}]")}
    window = {"signup": np.array(DAYS, dtype="datetime64[us]")}
    assert build(reference) == build(window)
    findings = quality.findings(MonitorSpec(kind="quality"), reference_of(reference), build(window))
    assert {finding.statistic: finding.severity for finding in findings} == {
        "missing": "ok",
        "not_tested": "insufficient_data",
    }


def test_a_monitor_includes_and_excludes_columns_by_name():
    reference = reference_of(rows(1))
    window = build(rows(2, first_id=50_000), centres_of(reference))
    spec = MonitorSpec(kind="drift", include=("customer_id",), exclude=("income",))
    findings = {finding.column: finding for finding in drift.findings(spec, reference, window)}
    assert findings["customer_id"].severity == "critical"
    assert findings["income"].detail == "not tested: the monitor excludes it"


@pytest.mark.parametrize("judge", [drift.findings, quality.findings])
@pytest.mark.parametrize(
    ("window", "statistic", "why"),
    [
        ({}, "absent", "the column did not come in"),
        ({"income": np.array([None] * 500, dtype=object)}, "missing", "100.0% missing, 0.0% in the reference"),
        ({"income": np.array(["much"] * 500, dtype=object)}, "type", "numbers in the reference, text in what came in"),
    ],
)
def test_a_column_that_cannot_be_compared_any_more_is_broken(judge, window, statistic, why):
    reference = build({"income": CHANCE.normal(3000, 500, 1000)})
    findings = judge(MonitorSpec(kind="drift"), reference, build(window, centres_of(reference)))
    bad = [(finding.statistic, finding.detail) for finding in findings if finding.severity == "critical"]
    assert (bad, len(quality.broken(findings))) == ([(statistic, why)], 1)


def test_what_was_never_there_is_not_tested_and_is_no_ok():
    reference = build({"income": np.array([None] * 500, dtype=object)})
    window = build({"income": CHANCE.normal(3000, 500, 1000)})
    (finding,) = drift.findings(MonitorSpec(kind="drift"), reference, window)
    assert (finding.severity, finding.detail) == ("insufficient_data", "not tested: the reference has no value of it")


def test_a_monitor_that_tests_nothing_warns():
    columns = {"customer_id": IDS}
    findings = drift.findings(MonitorSpec(kind="drift"), reference_of(columns), build(columns))
    warning = nothing_tested(findings)
    assert warning.severity == "warning"
    assert warning.detail.startswith("no column is tested (customer_id: nearly every value is different")
    reference = build({"income": CHANCE.normal(3000, 500, 1000)})
    assert nothing_tested(drift.findings(MonitorSpec(kind="drift"), reference, reference)) is None


def test_a_reference_without_columns_says_what_to_do():
    assert "log the model with a signature of named columns" in nothing_tested([]).detail
