"""Values that arrive in another unit are broken data, whatever monitor sees them; values that moved are not."""

import numpy as np
import pytest

from helicline.monitor import drift, quality, unit
from helicline.monitor.profile import build, centres_of
from helicline.records.monitor import MonitorSpec

FAMILIES = {
    "normal": lambda chance, n: chance.normal(3000, 500, n),
    "skewed": lambda chance, n: chance.lognormal(3, 1, n),
    "mostly zero": lambda chance, n: np.where(chance.random(n) < 0.7, 0.0, chance.gamma(3, 50, n)),
    "negative": lambda chance, n: -chance.gamma(5, 10, n),
    "constant": lambda chance, n: np.full(n, 12.5),
    "integers": lambda chance, n: chance.integers(18, 90, n).astype(float),
}


def findings(judge, reference, window):
    old = build({"x": reference})
    return judge(MonitorSpec(kind="drift"), old, build({"x": window}, centres_of(old)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("factor", [1000.0, 0.001, 100.0, 60.0])
def test_another_unit_is_found_and_is_broken_data(family, factor):
    reference, window = (FAMILIES[family](np.random.default_rng(seed), n) for seed, n in ((1, 4000), (2, 900)))
    for judge in (drift.findings, quality.findings):
        units = [result for result in findings(judge, reference, window * factor) if result.statistic == "unit"]
        assert [(result.severity, result.value) for result in units] == [("critical", pytest.approx(factor))], judge
        assert quality.broken(units) == units


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "move", [lambda x: x, lambda x: x + 400, lambda x: x * 1.5, lambda x: x * 3, lambda x: 9e3 - x]
)
def test_values_that_moved_are_in_the_same_unit(family, move):
    reference, window = (FAMILIES[family](np.random.default_rng(seed), n) for seed, n in ((1, 4000), (2, 900)))
    is_multiple = family == "constant"  # one value moved by chance to a multiple cannot be told from another unit
    if not is_multiple:
        assert "unit" not in {result.statistic for result in findings(drift.findings, reference, move(window))}


@pytest.mark.parametrize(("factor", "words"), [(1000.0, "1,000 times"), (0.001, "a 1,000th of")])
def test_the_factor_is_said(factor, words):
    assert words in unit.sentence(factor)
