"""Drift statistics against reference numbers worked out with other programs."""

import math

import numpy as np
import pytest
from scipy import stats

from helicline.monitor import drift
from helicline.monitor.profile import build, centres_of
from helicline.records.monitor import MonitorSpec

P, Q = np.array([100, 200, 300, 250, 150]), np.array([80, 150, 300, 280, 190])
NORMAL = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
SPEC = MonitorSpec(kind="drift")


def bins_of(reference, window):
    old = build({"x": reference})
    new = build({"x": window}, centres_of(old))
    return drift._ordered_bins(old.columns["x"], new.columns["x"])


def judged(reference, window, spec=SPEC):
    old = build(reference)
    return drift.findings(spec, old, build(window, centres_of(old)))


def test_debiased_psi_is_the_smoothed_index_less_its_mean_without_drift():
    p, q = (P + 0.5) / 1002.5, (Q + 0.5) / 1002.5
    smoothed = float(np.sum((p - q) * np.log(p / q)))
    assert drift.debiased_psi(P, Q) == pytest.approx(smoothed - 4 * 0.002, abs=1e-12)
    assert drift.debiased_psi(P, Q) == pytest.approx(0.023702386330652574, abs=3e-4)  # the unsmoothed index


def test_debiased_psi_of_large_counts_is_the_unsmoothed_reference():
    big = 10**10
    assert drift.debiased_psi(P * big, Q * big) == pytest.approx(0.031702386330652574, abs=1e-9)


def test_categories_are_judged_by_the_chi_square_test():
    p_value = drift.combined_p(P, Q, is_ordered=False)
    assert p_value == pytest.approx(0.0033452124967281375, abs=1e-9)
    assert p_value == pytest.approx(stats.chi2_contingency([P, Q], correction=False).pvalue, abs=1e-12)


def test_a_shift_by_three_tenths_falls_into_the_reference_bins():
    old, new = bins_of(NORMAL, NORMAL + 0.3)
    assert old.tolist() == [100] * 10
    expected = [57, 70, 78, 85, 92, 99, 108, 117, 130, 164]
    assert np.abs(new - expected).max() <= 2  # the cells of the grid have a width
    assert drift.debiased_psi(old, new) == pytest.approx(0.0862686383235527 - 9 * 0.002, abs=2e-3)


@pytest.mark.parametrize(("shift", "psi"), [(0.1, 0.0096), (0.2, 0.0383), (0.3, 0.0861), (0.5, 0.2377), (1.0, 0.9261)])
def test_psi_of_shifted_normals_is_that_of_theory(shift, psi):
    grid = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    old, new = bins_of(grid, grid + shift)
    assert drift.debiased_psi(old, new) == pytest.approx(psi, rel=0.01, abs=2e-4)


def test_linear_and_quadratic_parts_are_orthogonal_and_find_location_and_scale():
    n = m = 1000
    w, h = (P + Q) / (n + m), 1 / n + 1 / m
    linear, quadratic = drift._components(Q / m - P / n, w, h)
    assert linear**2 + quadratic**2 <= 15.769074925567711
    assert abs(linear) > 3 > abs(quadratic)


def test_the_cauchy_combination_of_one_p_value_is_that_value():
    for value in (1e-12, 0.003, 0.5, 0.99):
        assert drift.cauchy([value]) == pytest.approx(value, rel=1e-9)
    assert drift.cauchy([0.01, 0.5]) == pytest.approx(
        0.5 - math.atan(math.tan(0.49 * math.pi) / 2) / math.pi, abs=1e-12
    )


def test_very_small_p_values_do_not_overflow():
    assert drift.cauchy([0.0, 0.5, 0.9]) <= 1e-299
    assert 0 < drift.cauchy([1.0, 1.0]) <= 1


@pytest.mark.parametrize(("n", "m", "seed"), [(1000, 200, 1), (10_000, 200, 2), (5000, 1000, 3)])
def test_the_combined_p_value_keeps_its_level_without_drift(n, m, seed):
    chance, flat = np.random.default_rng(seed), np.full(10, 0.1)
    draws = [
        drift.combined_p(chance.multinomial(n, flat), chance.multinomial(m, flat), is_ordered=True) for _ in range(1500)
    ]
    assert np.mean(np.array(draws) <= 0.01) <= 0.02
    assert 0.02 <= np.mean(np.array(draws) <= 0.05) <= 0.08


@pytest.mark.parametrize(("n", "m"), [(1000, 200), (10_000, 200), (5000, 1000)])
def test_debiased_psi_is_zero_on_average_without_drift(n, m):
    chance, flat = np.random.default_rng(4), np.full(10, 0.1)
    draws = [drift.debiased_psi(chance.multinomial(n, flat), chance.multinomial(m, flat)) for _ in range(1500)]
    assert abs(np.mean(draws)) <= 0.004


def test_benjamini_hochberg_equals_scipy():
    chance = np.random.default_rng(5)
    for _ in range(50):
        values = chance.uniform(size=20) ** 3
        expected = stats.false_discovery_control(values) <= 0.05
        assert drift.benjamini_hochberg(values.tolist(), 0.05) == expected.tolist()


def test_a_drifted_column_is_found_and_a_steady_one_is_not():
    chance = np.random.default_rng(6)
    reference = {"a": chance.normal(size=5000), "b": chance.normal(size=5000)}
    window = {"a": chance.normal(0.7, 1, 1000), "b": chance.normal(size=1000)}
    severities = {finding.column: finding.severity for finding in judged(reference, window)}
    assert severities == {"a": "critical", "b": "ok"}


def test_a_significant_change_that_is_not_material_is_only_information():
    chance = np.random.default_rng(8)
    reference, window = chance.normal(size=60_000), chance.normal(0.08, 1, 60_000)
    (finding,) = judged({"a": reference}, {"a": window})
    assert (finding.severity, finding.p_value < 1e-6) == ("info", True)


def test_categories_drift_too_and_unseen_ones_count_as_the_rest():
    reference = {"c": np.array(["a", "b"] * 500, dtype=object)}
    window = {"c": np.array(["a", "z"] * 500, dtype=object)}
    finding, written = judged(reference, window)
    assert (finding.severity, finding.statistic) == ("critical", "psi")
    assert (written.severity, written.statistic) == ("critical", "recoded")


def test_a_column_of_one_value_stays_quiet():
    (finding,) = judged({"a": np.full(1000, 7.0)}, {"a": np.full(300, 7.0)})
    assert (finding.severity, finding.p_value) == ("ok", 1.0)


def test_a_column_that_changed_its_kind_is_broken_and_says_so():
    (finding,) = judged({"a": np.arange(100.0)}, {"a": np.array(["x"] * 100, dtype=object)})
    assert (finding.severity, finding.detail) == (
        "critical",
        "numbers in the reference, text in what came in",
    )


FAMILIES = {
    "constant": lambda chance, n: np.full(n, 5.0),
    "half zeros": lambda chance, n: np.where(chance.random(n) < 0.5, 0.0, chance.lognormal(size=n)),
    "all but at its greatest": lambda chance, n: np.where(chance.random(n) < 0.8, 9.0, chance.uniform(0, 9, n)),
    "two values": lambda chance, n: (chance.random(n) < 0.3).astype(float),
    "integers": lambda chance, n: chance.poisson(3, n).astype(float),
    "ten equal integers": lambda chance, n: chance.integers(0, 10, n).astype(float),
    "normal": lambda chance, n: chance.normal(size=n),
    "mixture": lambda chance, n: np.where(chance.random(n) < 0.5, chance.normal(-50, 1, n), chance.normal(50, 1, n)),
    "heavy tails": lambda chance, n: chance.standard_cauchy(n),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("target", [-999.0, "low", "high", 1e9])
@pytest.mark.parametrize("seed", range(5))
def test_a_tenth_of_the_rows_that_moves_beyond_the_others_is_found(family, target, seed):
    chance = np.random.default_rng(seed)
    reference, window = FAMILIES[family](chance, 1000), FAMILIES[family](chance, 1000)
    spread = max(float(np.ptp(reference)) * 0.05, 2.0)
    places = {"low": reference.min() - spread, "high": reference.max() + spread}
    window[chance.permutation(1000)[:100]] = places.get(target, target)
    [finding] = judged({"x": reference}, {"x": window})
    assert finding.severity != "ok", finding


@pytest.mark.parametrize("family", FAMILIES)
def test_what_has_not_moved_is_seldom_found(family):
    alarms = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        [finding] = judged({"x": FAMILIES[family](chance, 1000)}, {"x": FAMILIES[family](chance, 1000)})
        alarms += finding.severity not in ("ok", "info")
    assert alarms <= 1


@pytest.mark.parametrize("value", [3.0, 5.0001, 7.0, -5.0])
def test_a_constant_that_becomes_another_is_found_on_either_side(value):
    [finding] = judged({"x": np.full(500, 5.0)}, {"x": np.full(500, value)})
    assert finding.severity == "critical"
