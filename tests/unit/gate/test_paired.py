"""Paired tests against scipy, scikit-learn, and the definitions counted out."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn import metrics as reference

from helicline.errors import Invalid
from helicline.gate.paired import compare, measure

CHANCE = np.random.default_rng(7)
TRUTH = CHANCE.integers(0, 2, 400)
GOOD = np.clip(TRUTH * 0.3 + CHANCE.normal(0.35, 0.25, 400), 0.001, 0.999)
POOR = np.clip(TRUTH * 0.1 + CHANCE.normal(0.45, 0.25, 400).round(1), 0.001, 0.999)


@pytest.mark.parametrize(
    ("metric", "score", "expected"),
    [
        ("auc", GOOD, reference.roc_auc_score(TRUTH, GOOD)),
        ("auc", POOR, reference.roc_auc_score(TRUTH, POOR)),
        ("log_loss", GOOD, reference.log_loss(TRUTH, GOOD)),
        ("mae", GOOD, reference.mean_absolute_error(TRUTH, GOOD)),
        ("mse", GOOD, reference.mean_squared_error(TRUTH, GOOD)),
        ("accuracy", GOOD > 0.5, reference.accuracy_score(TRUTH > 0, GOOD > 0.5)),
    ],
)
def test_a_metric_equals_scikit_learn(metric, score, expected):
    truth = TRUTH > 0 if metric == "accuracy" else TRUTH
    assert measure(metric, truth, score) == pytest.approx(expected, abs=1e-12)


def delong_by_hand(truth, first, second):
    """The variance of the difference of two AUCs from every pair of rows (DeLong, DeLong, Clarke-Pearson 1988)."""
    ones, zeros = truth == 1, truth == 0
    kernels = [(s[ones][:, None] > s[zeros]) + 0.5 * (s[ones][:, None] == s[zeros]) for s in (first, second)]
    rows, columns = [k.mean(axis=1) for k in kernels], [k.mean(axis=0) for k in kernels]
    s10, s01 = np.cov(rows), np.cov(columns)
    covariance = s10 / ones.sum() + s01 / zeros.sum()
    return float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def test_the_interval_of_an_auc_difference_is_delongs():
    comparison = compare("auc", TRUTH, candidate=GOOD, champion=POOR)
    spread = math.sqrt(delong_by_hand(TRUTH, GOOD, POOR))
    assert comparison.high - comparison.low == pytest.approx(2 * 1.96 * spread, abs=1e-12)
    assert comparison.p_worse == pytest.approx(norm.cdf(comparison.difference / spread), abs=1e-12)


def test_a_margin_shifts_the_null_of_delong():
    spread = math.sqrt(delong_by_hand(TRUTH, POOR, GOOD))
    comparison = compare("auc", TRUTH, candidate=POOR, champion=GOOD, margin=0.02)
    assert comparison.p_worse == pytest.approx(norm.cdf((comparison.difference + 0.02) / spread), abs=1e-12)


@pytest.mark.parametrize(("won", "lost"), [(1, 9), (9, 1), (5, 5), (0, 3), (12, 12)])
def test_few_discordant_rows_are_judged_by_the_exact_mcnemar_test(won, lost):
    truth = np.ones(100)
    candidate_rows, champion_rows = np.ones(100), np.ones(100)
    candidate_rows[:lost], champion_rows[lost : lost + won] = 0, 0
    comparison = compare("accuracy", truth, candidate=candidate_rows, champion=champion_rows)
    expected = binomtest(lost, won + lost, 0.5, alternative="greater").pvalue
    assert (comparison.method, comparison.p_worse) == ("exact McNemar", pytest.approx(expected, abs=1e-15))
    assert (comparison.only_candidate_right, comparison.only_champion_right) == (won, lost)


def test_many_discordant_rows_are_judged_by_the_paired_normal_test():
    candidate_rows, champion_rows = GOOD > 0.5, POOR > 0.5
    comparison = compare("accuracy", TRUTH > 0, candidate=candidate_rows, champion=champion_rows)
    difference = (candidate_rows == (TRUTH > 0)).astype(float) - (champion_rows == (TRUTH > 0))
    expected = norm.cdf(difference.mean() / (difference.std(ddof=1) / 20))
    assert (comparison.method, comparison.p_worse) == ("paired normal", pytest.approx(expected, abs=1e-12))


def test_losses_are_turned_so_that_higher_is_better():
    comparison = compare("mae", TRUTH.astype(float), candidate=GOOD, champion=POOR)
    assert comparison.candidate < comparison.champion
    assert comparison.difference == pytest.approx(comparison.champion - comparison.candidate)


def test_a_model_compared_with_itself_is_not_worse():
    for metric in ("auc", "mae", "log_loss"):
        comparison = compare(metric, TRUTH, candidate=GOOD, champion=GOOD)
        assert (comparison.difference, comparison.p_worse) == (0.0, 1.0)


def test_p_values_of_equal_models_are_rarely_small():
    chance, small = np.random.default_rng(3), 0
    for _ in range(400):
        truth = chance.integers(0, 2, 150)
        scores = truth[:, None] * 0.3 + chance.normal(size=(150, 2))
        small += compare("auc", truth, candidate=scores[:, 0], champion=scores[:, 1]).p_worse < 0.05
    assert small / 400 <= 0.09


def test_a_strange_metric_is_refused():
    with pytest.raises(Invalid, match="accuracy, mae"):
        measure("f7", TRUTH, GOOD)


def test_one_class_has_no_auc():
    with pytest.raises(Invalid, match="both classes"):
        measure("auc", np.ones(10), GOOD[:10])
