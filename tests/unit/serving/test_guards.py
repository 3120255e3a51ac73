"""Guards: outcome and numbers."""

import pytest

from helicline.records.deployment import Guard
from helicline.serving import guards
from support.records import arm, stage

ERRORS = Guard(kind="error_rate", limit=0.01)
SLOW = Guard(kind="latency", limit=50.0, quantile=0.99)
CLICKS = Guard(kind="feedback", metric="clicks", margin=0.05)


def calls(count, **bad):
    return [stage(candidate=arm(0, 0, requests=count, **bad))]


@pytest.mark.parametrize(
    ("count", "errors", "outcome"),
    [(0, 0, "no_data"), (4, 4, "no_data"), (5, 0, "inconclusive"), (29, 0, "inconclusive"), (30, 0, "pass"),
     (5, 5, "fail"), (100, 2, "pass"), (100, 20, "fail"), (1000, 10, "pass")],
)  # fmt: skip
def test_the_error_rate_is_judged_from_the_fifth_call_on(count, errors, outcome):
    assert guards.read(ERRORS, calls(count, errors=errors), alpha=0.05).outcome == outcome


@pytest.mark.parametrize(("slow", "outcome"), [(0, "pass"), (1, "pass"), (40, "fail")])
def test_latency_counts_the_calls_over_its_limit(slow, outcome):
    reading = guards.read(SLOW, calls(200, slow=slow), alpha=0.05)
    assert reading.outcome == outcome
    assert reading.reason == f"{slow} calls over 50 ms of 200, allowed 1.0%"


@pytest.mark.parametrize(
    ("stable", "candidate", "outcome"),
    [
        ((0, 0), (0, 0), "no_data"),
        ((500, 100), (0, 0), "no_data"),
        ((500, 100), (20, 0), "inconclusive"),
        ((5000, 2500), (5000, 2500), "inconclusive"),
        ((20_000, 10_000), (20_000, 10_000), "pass"),
        ((5000, 2500), (5000, 1800), "fail"),
        ((5000, 2500), (5000, 2900), "pass"),
    ],
)
def test_feedback_is_compared_between_the_arms(stable, candidate, outcome):
    reading = guards.read(CLICKS, [stage(stable=arm(*stable), candidate=arm(*candidate))], alpha=0.05)
    assert reading.outcome == outcome


def test_where_lower_is_better_more_is_harm():
    guard = Guard(kind="feedback", metric="refunds", margin=0.05, higher_is_better=False)
    worse = [stage(stable=arm(5000, 500), candidate=arm(5000, 900))]
    better = [stage(stable=arm(20_000, 6000), candidate=arm(20_000, 3000))]
    assert guards.read(guard, worse, alpha=0.05).outcome == "fail"
    assert guards.read(guard, better, alpha=0.05).outcome == "pass"


def test_stages_of_a_ramp_are_not_pooled():
    """The base rate triples while the ramp goes on: pooled counts would call an equal candidate far better."""
    ramp = [stage(1, arm(9500, 950), arm(500, 50)), stage(2, arm(5000, 1500), arm(5000, 1500))]
    reading = guards.read(CLICKS, ramp, alpha=0.05)
    assert reading.outcome != "fail"
    assert reading.candidate_mean > 1.3 * reading.stable_mean
