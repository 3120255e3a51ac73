"""Sequential tests: exact where a second way of counting exists, and never wrong too often."""

import math

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import beta, norm

from helicline.serving.evidence import contrast, log_bernoulli, log_mixture, log_split, tuning
from support.records import arm, stage

ALPHA = 0.05
THRESHOLD = math.log(1 / ALPHA)


@pytest.mark.parametrize(
    ("bad", "count", "limit"), [(0, 1, 0.01), (2, 2, 0.01), (3, 40, 0.05), (9, 300, 0.02), (1, 9, 0.5)]
)
def test_the_bernoulli_evidence_is_the_likelihood_ratio_over_a_cut_flat_prior(bad, count, limit):
    def ratio(p):
        return (p / limit) ** bad * ((1 - p) / (1 - limit)) ** (count - bad) / (1 - limit)

    expected = math.log(integrate.quad(ratio, limit, 1, epsabs=0, epsrel=1e-11, points=[limit + 0.01])[0])
    assert log_bernoulli(bad, count, limit) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("total", "variance", "rho"), [(0.0, 1.0, 5.0), (30.0, 100.0, 50.0), (-12.0, 400.0, 20.0)])
def test_the_mixture_is_the_likelihood_ratio_over_a_half_normal_prior(total, variance, rho):
    def ratio(drift):
        return 2 * norm.pdf(drift, scale=1 / math.sqrt(rho)) * math.exp(drift * total - drift**2 * variance / 2)

    expected = math.log(integrate.quad(ratio, 0, 20 / math.sqrt(rho), epsrel=1e-11, limit=400)[0])
    assert log_mixture(total, variance, rho) == pytest.approx(expected, abs=1e-7)


def test_the_split_is_a_beta_binomial_likelihood_ratio():
    def ratio(p):
        return beta.pdf(p, 25, 25) * (p / 0.5) ** 130 * ((1 - p) / 0.5) ** 70

    expected = math.log(integrate.quad(ratio, 0, 1, epsrel=1e-11)[0])
    assert log_split(130, 200, 0.5) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("rate", "most"), [(1.0, 2), (0.5, 10)])
def test_a_broken_candidate_is_seen_after_a_handful_of_calls(rate, most):
    """Reference: 100 % failures trip after 2 calls, 50 % after a median of 4 (p90 8), at ln(1/0.01)."""
    chance, needed = np.random.default_rng(1), []
    for _ in range(200):
        bad = count = 0
        while log_bernoulli(bad, count, 0.01) < math.log(100):
            count, bad = count + 1, bad + int(chance.uniform() < rate)
        needed.append(count)
    assert np.percentile(needed, 90) <= most


def test_a_candidate_on_the_limit_is_seldom_tripped_however_often_one_looks():
    chance, tripped = np.random.default_rng(2), 0
    for _ in range(300):
        bad = np.cumsum(chance.uniform(size=2000) < 0.01)
        looks = range(0, 2000, 50)
        tripped += any(log_bernoulli(int(bad[at]), at + 1, 0.01) >= THRESHOLD for at in looks)
    assert tripped / 300 <= ALPHA


def test_the_tuning_gives_the_reference_rho():
    steep = -2 * math.log(2 * ALPHA)
    assert tuning(0.25, ALPHA) == pytest.approx(2000 * 0.25 / (steep + math.log(steep + 1)))


def runs(rates, *, drop, shares, seed, count=250):
    """Return the share of runs in which harm, and in which no harm, was ever claimed; looks after every stage part."""
    chance, harm, no_harm = np.random.default_rng(seed), 0, 0
    for _ in range(count):
        reached = {"harm": False, "no_harm": False}
        stages = []
        for at, (rate, share) in enumerate(zip(rates, shares, strict=True)):
            totals = np.zeros(4)
            for _look in range(8):
                b = chance.binomial(1000, share)
                totals += (1000 - b, chance.binomial(1000 - b, rate), b, chance.binomial(b, rate * (1 - drop)))
                now = stage(at + 1, arm(totals[0], totals[1]), arm(totals[2], totals[3]))
                evidence = contrast([*stages, now], margin=0.05, alpha=ALPHA)
                reached["harm"] |= evidence.enough and evidence.log_harm >= THRESHOLD
                reached["no_harm"] |= evidence.enough and evidence.log_no_harm >= THRESHOLD
            stages.append(now)
        harm, no_harm = harm + reached["harm"], no_harm + reached["no_harm"]
    return harm / count, no_harm / count


@pytest.mark.parametrize(("rate", "share"), [(0.1, 0.5), (0.1, 0.05), (0.02, 0.5), (0.02, 0.05)])
def test_on_the_edge_of_the_null_errors_are_rare_at_a_constant_rate(rate, share):
    harm, no_harm = runs([rate] * 2, drop=0.05, shares=[share] * 2, seed=11)
    assert harm <= ALPHA
    assert no_harm <= ALPHA


@pytest.mark.parametrize("rates", [(0.3, 0.17, 0.1), (0.1, 0.17, 0.3)])
def test_on_the_edge_of_the_null_errors_are_rare_on_a_ramp_while_the_base_rate_moves(rates):
    harm, no_harm = runs(rates, drop=0.05, shares=[0.05, 0.25, 0.5], seed=12)
    assert harm <= ALPHA + 0.015  # Monte Carlo error of 250 runs; the reference measured 4.6 %
    assert no_harm <= ALPHA + 0.015


def test_equal_models_are_hardly_ever_rolled_back_on_a_ramp():
    harm, _ = runs((0.1, 0.17, 0.3), drop=0.0, shares=[0.05, 0.25, 0.5], seed=13)
    assert harm <= 0.02


def test_a_worse_candidate_is_found_on_a_ramp_that_hides_it_from_pooled_counts():
    harm, no_harm = runs((0.1, 0.17, 0.3), drop=0.2, shares=[0.05, 0.25, 0.5], seed=14, count=100)
    assert harm >= 0.9
    assert no_harm == 0.0


def test_arms_without_feedback_are_no_evidence():
    evidence = contrast([stage()], margin=0.05, alpha=ALPHA)
    assert (evidence.log_harm, evidence.log_no_harm, evidence.enough) == (0.0, 0.0, False)


def test_feedback_that_is_no_zero_or_one_uses_its_own_variance():
    chance = np.random.default_rng(5)
    a, b = chance.normal(10, 2, 3000), chance.normal(8, 2, 3000)
    arms = [arm(len(x), x.sum(), (x**2).sum()) for x in (a, b)]
    evidence = contrast([stage(stable=arms[0], candidate=arms[1])], margin=0.05, alpha=ALPHA)
    assert evidence.enough
    assert evidence.log_harm > THRESHOLD > 0 > evidence.log_no_harm
