"""What the units of a rollout say: intervals, guards, the split, and how often an A/B test is wrong."""

import math
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from helicline.outcome.reading import begun_at, better_reading, guard_reading, read, split_reading, whole_weeks
from helicline.records.deployment import Guard, RolloutPlan, RolloutStep
from helicline.records.outcome import OutcomeSpec, Sample, StageSample, Units
from helicline.serving.evidence import contrast, lift_interval, tuning
from support.records import NOW, rollout

DAY = 86_400
CONVERSION = OutcomeSpec(name="conversion")
GUARD = Guard(kind="feedback", metric="conversion", margin=0.05)
PLAN = RolloutPlan(
    steps=(RolloutStep(weight_bp=5000, min_requests=0, min_s=7 * DAY, max_s=28 * DAY),),
    guards=(GUARD,),
    outcomes=(CONVERSION,),
    outcome="conversion",
)
THRESHOLD = math.log(1 / PLAN.alpha)


def sample(values):
    values = np.asarray(values, dtype=float)
    return Sample(count=len(values), total=float(values.sum()), total_squares=float((values**2).sum()))


def binary(count, hits):
    return Sample(count=count, total=hits, total_squares=hits)


def units(*pairs, **more):
    return Units(
        stages=tuple(StageSample(index=at, stable=a, candidate=b) for at, (a, b) in enumerate(pairs, 1)), **more
    )


def test_who_sends_nothing_counts_so_a_fall_of_conversion_is_a_fall():
    counted = units((binary(5000, 1085), binary(5000, 265)))
    assert guard_reading(GUARD, CONVERSION, counted, alpha=0.05).outcome == "fail"
    reading = read(CONVERSION, counted, plan=PLAN, now=NOW)
    assert (reading.stable.mean, reading.candidate.mean) == (0.217, 0.053)
    assert reading.lift == pytest.approx(-0.7558, abs=1e-4)
    assert reading.lift_low < reading.lift < reading.lift_high < -0.6


@pytest.mark.parametrize(("hits", "outcome"), [(1300, "pass"), (1010, "inconclusive"), (600, "inconclusive")])
def test_better_needs_evidence_and_worse_is_left_to_the_guards(hits, outcome):
    counted = units((binary(5000, 1000), binary(5000, hits)))
    assert better_reading(CONVERSION, counted, plan=PLAN).outcome == outcome


def test_lower_may_be_better():
    spec = OutcomeSpec(name="conversion", higher_is_better=False)
    counted = units((binary(5000, 1300), binary(5000, 1000)))
    assert better_reading(spec, counted, plan=PLAN).outcome == "pass"
    assert guard_reading(GUARD, spec, units((binary(5000, 1000), binary(5000, 1300))), alpha=0.05).outcome == "fail"


def test_the_interval_ends_where_the_test_no_longer_rejects():
    stages = units((binary(4000, 800), binary(4000, 900)), (binary(500, 50), binary(1500, 180))).stages
    low, high = lift_interval(stages, alpha=0.05)
    for lift, evidence in ((low, "log_no_harm"), (high, "log_harm")):
        at_edge = getattr(contrast(stages, margin=-lift, alpha=0.05), evidence)
        assert at_edge == pytest.approx(math.log(2 / 0.05), abs=0.05)


@pytest.mark.parametrize(
    "counted", [units(), units((binary(50, 0), binary(50, 0))), units((binary(0, 0), binary(9, 3)))]
)
def test_too_little_has_no_interval(counted):
    reading = read(CONVERSION, counted, plan=PLAN, now=NOW)
    assert (reading.lift_low, reading.lift_high) == (None, None)


@pytest.mark.parametrize(
    ("stable", "candidate", "share", "outcome"),
    [(5000, 5020, 5000, "pass"), (5000, 6000, 5000, "error"), (9500, 500, 500, "pass"), (0, 0, 5000, "pass")],
)
def test_a_wrong_share_of_units_is_told(stable, candidate, share, outcome):
    stages = (StageSample(index=1, stable_served=stable, candidate_served=candidate),)
    assert split_reading(stages, {1: share}).outcome == outcome


@pytest.mark.parametrize(
    ("plan", "weeks"),
    [
        ({}, [0, 0, 1, 1, 2]),  # a week of units, and a week until their windows are over
        ({"burn_in_s": DAY}, [0, 0, 0, 1, 1]),
        ({"steps": (msgspec.structs.replace(PLAN.steps[0], min_s=DAY),)}, None),
        ({"steps": (msgspec.structs.replace(PLAN.steps[0], max_s=13.0 * DAY),)}, None),
    ],
)
def test_a_test_of_a_week_or_more_counts_weeks_that_are_closed(plan, weeks):
    under_way = msgspec.structs.replace(rollout(percents=(50,)), plan=msgspec.structs.replace(PLAN, **plan))
    begun = begun_at(under_way)
    ends = [whole_weeks(under_way, CONVERSION, NOW + timedelta(days=days)) for days in (6, 13, 14, 15, 21)]
    assert ends == ([None] * 5 if weeks is None else [begun + timedelta(weeks=count) for count in weeks])


# How often the test is wrong, and how often it sees what is there. All runs at once: the moments of each are columns.

RUNS, LOOKS = 2000, 28


def mixture_logs(stages, *, margin, binary):
    """Return ln E for "the candidate is better", as `contrast` has it, for many runs; stages are (n, sum, squares)."""
    n_a, s_a, q_a, n_b, s_b, q_b = (np.stack([stage[at] for stage in stages]) for at in range(6))
    bound = 1 - margin
    if binary:
        rate = (s_a.sum(0) + s_b.sum(0) + 0.5) / (n_a.sum(0) + bound * n_b.sum(0) + 1)
        edge, shown = bound * rate, s_b.sum(0) / n_b.sum(0)
        v_a, v_b = rate * (1 - rate), np.maximum(edge * (1 - edge), shown * (1 - shown))
    else:
        v_a = (q_a - s_a**2 / n_a).sum(0) / (n_a - 1).sum(0)
        v_b = (q_b - s_b**2 / n_b).sum(0) / (n_b - 1).sum(0)
    harmonic = n_a * n_b / (n_a + n_b)
    drift = (harmonic * (s_b / n_b - bound * s_a / n_a)).sum(0)
    variance = (harmonic**2 * (v_b / n_b + bound**2 * v_a / n_a)).sum(0)
    rho = np.array([tuning(value, 0.05) for value in v_b + bound**2 * v_a])
    spread = variance + rho
    from scipy.special import log_ndtr

    return 0.5 * np.log(4 * rho / spread) + drift**2 / (2 * spread) + log_ndtr(drift / np.sqrt(spread))


def played(seed, *, base, lift=0.0, shares=(0.5,), per_day=400, tail=False):
    """Return for each look the stages' moments of all runs: days of units whose base rate moves by `base(day)`."""
    chance = np.random.default_rng(seed)
    stages = [np.zeros((6, RUNS)) for _ in shares]
    for day in range(LOOKS):
        at = min(day * len(shares) // LOOKS, len(shares) - 1)
        candidates = chance.binomial(per_day, shares[at], RUNS)
        counts, rate = (per_day - candidates, candidates), base(day)
        for arm, (count, mean) in enumerate(zip(counts, (rate, rate * (1 + lift)), strict=True)):
            hits = chance.binomial(count, mean)
            totals = squares = hits.astype(float)
            if tail:  # what buyers spend: log-normal, the largest cut as a cap does
                spent = np.minimum(chance.lognormal(3, 1.2, (RUNS, int(hits.max()))), 1500.0)
                spent[np.arange(spent.shape[1]) >= hits[:, None]] = 0.0
                totals, squares = spent.sum(1), (spent**2).sum(1)
            stages[at][3 * arm : 3 * arm + 3] += (count, totals, squares)
        yield [stage.copy() for stage in stages[: at + 1]]


def shipped(seed, *, tail=False, **world):
    """Return in which share of the runs some look shipped the candidate."""
    ships = np.zeros(RUNS, dtype=bool)
    for stages in played(seed, tail=tail, **world):
        ships |= mixture_logs(stages, margin=0.0, binary=not tail) >= THRESHOLD
    return ships.mean()


def weekly(day):
    return 0.10 * (1 + 0.4 * math.sin(2 * math.pi * day / 7))


def falling(day):
    return 0.20 * 0.95**day


@pytest.mark.parametrize(
    "world",
    [
        {"base": lambda _: 0.1},
        {"base": lambda _: 0.02},
        {"base": weekly},
        {"base": falling},
        {"base": falling, "shares": (0.05, 0.25, 0.5)},
        {"base": lambda day: 0.02 * 1.06**day, "shares": (0.05, 0.25, 0.5)},
        {"base": weekly, "tail": True},
        {"base": falling, "shares": (0.1, 0.5), "tail": True},
    ],
)
def test_equal_models_ship_in_at_most_six_of_a_hundred_tests_however_often_one_looks(world):
    rate = shipped(11, **world)
    assert rate + 1.645 * math.sqrt(max(rate, 1 / RUNS) * (1 - rate) / RUNS) <= 0.06


@pytest.mark.parametrize(("lift", "least"), [(0.3, 0.8), (0.5, 0.99)])
def test_a_better_model_ships(lift, least):
    assert shipped(12, base=weekly, lift=lift) >= least


def test_the_columns_of_the_simulation_are_the_test_of_the_program():
    *_, stages = played(13, base=falling, shares=(0.1, 0.5), lift=0.1)
    logs = mixture_logs(stages, margin=0.0, binary=True)
    for run in range(5):
        arms = [
            [Sample(count=int(s[3 * a, run]), total=s[3 * a + 1, run], total_squares=s[3 * a + 2, run]) for a in (0, 1)]
            for s in stages
        ]
        assert contrast(units(*arms).stages, margin=0.0, alpha=0.05).log_no_harm == pytest.approx(logs[run])
