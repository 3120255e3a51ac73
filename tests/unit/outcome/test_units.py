"""Units of a rollout in the prediction log: each once, in the stage of its first call, with what happened to it."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest

from helicline.outcome.units import Span, count
from helicline.records.outcome import OutcomeSpec, Sample
from support.prediction_log import NOON, SCHEMA, Log, call, id_of, label, micros

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CONVERSION = OutcomeSpec(name="conversion", window_s=3600)
LATER = NOON + timedelta(days=2)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def served(moment, unit="", number=0, **more):
    fields = {"rollout": 3, "stage": 1, "variant": "candidate", "unit_key_hash": unit, "point": 0, "weight_bp": 5000}
    return call(moment, number=number, **{**fields, **more})


def event(moment, value="1", *, unit="", of=None, received=None, **more):
    fields = {"name": "conversion", "unit_key_hash": unit, "ts_us": micros(moment), **more}
    at = micros(received or moment) - micros_now()
    return label(of or "", value, at=at, **fields)


def micros_now():
    return label("", "").received_us


def units(log, spec=CONVERSION, **more):
    fields = {"deployment": "churn", "since": NOON - HOUR, "until": LATER, "complete": LATER, "rollout": 3}
    return count(log.home, Span(**{**fields, **more}), spec)


def candidate(log, spec=CONVERSION, **more):
    return units(log, spec, **more).stages[0].candidate


def test_a_unit_without_feedback_counts_as_missing_once_its_window_is_over(log):
    log.add(SCHEMA, served(NOON, "ada", 1), served(NOON + MINUTE, "bo", 2))
    log.add(event(NOON + MINUTE, unit="ada"), kind="labels")
    assert candidate(log) == Sample(count=2, total=1.0, total_squares=1.0)
    early = units(log, complete=NOON + HOUR)
    assert (early.stages[0].candidate.count, early.waiting) == (1, 1)


def test_only_what_happens_within_the_window_of_the_first_call_counts(log):
    log.add(SCHEMA, served(NOON, "ada", 1), served(NOON + 50 * MINUTE, "ada", 2))
    log.add(event(NOON - MINUTE, "5", unit="ada"), event(NOON + 61 * MINUTE, "7", unit="ada"), kind="labels")
    assert candidate(log) == Sample(count=1)


@pytest.mark.parametrize(("kind", "total"), [("last", 2.0), ("max", 5.0), ("sum", 10.0), ("count", 3.0)])
def test_the_kind_says_how_several_values_become_one(log, kind, total):
    spec = OutcomeSpec(name="conversion", kind=kind, window_s=3600)
    log.add(SCHEMA, served(NOON, "ada", 1))
    log.add(
        *(event(NOON + at * MINUTE, value, unit="ada", event_id=value) for at, value in enumerate("352", 1)),
        kind="labels",
    )
    assert candidate(log, spec).total == total


def test_an_order_that_comes_twice_counts_once_and_its_correction_counts_instead(log):
    spec = OutcomeSpec(name="conversion", kind="sum", window_s=3600)
    log.add(SCHEMA, served(NOON, "ada", 1))
    order = {"unit": "ada", "event_id": "order-1"}
    log.add(event(NOON + MINUTE, "10", **order), event(NOON + MINUTE, "10", **order), kind="labels")
    log.add(event(NOON + MINUTE, "10", of=id_of(NOON, 1), event_id="order-1"), kind="labels")
    assert candidate(log, spec).total == 10.0
    log.add(event(NOON + MINUTE, "4", received=LATER, **order), kind="labels")
    assert candidate(log, spec).total == 4.0


def test_feedback_by_prediction_reaches_the_unit_of_its_call(log):
    log.add(SCHEMA, served(NOON, "ada", 1), served(NOON + MINUTE, "ada", 2), served(NOON, "", 3))
    log.add(event(NOON + 2 * MINUTE, of=id_of(NOON + MINUTE, 2)), event(NOON, of=id_of(NOON, 3)), kind="labels")
    counted = units(log)
    assert counted.stages[0].candidate == Sample(count=2, total=2.0, total_squares=2.0)
    assert counted.keyless == 1


def test_a_unit_of_both_variants_is_left_out_and_so_is_one_that_a_larger_share_moves(log):
    log.add(SCHEMA, served(NOON, "both", 1), served(NOON + MINUTE, "both", 2, variant="stable"))
    log.add(SCHEMA, *(served(NOON, f"s{at}", 10 + at, variant="stable", point=at * 1000) for at in range(1, 10)))
    counted = units(log, largest_share=5000)
    assert (counted.both, counted.moved, counted.stages[0].stable.count) == (1, 4, 5)
    assert (counted.stages[0].stable_served, counted.stages[0].candidate_served) == (9, 0)


def test_who_comes_back_when_all_traffic_moved_stays_in_the_variant_that_served_him_first(log):
    log.add(SCHEMA, *(served(NOON, f"s{at}", at, variant="stable", point=9000) for at in range(4)))
    later = {"stage": 2, "weight_bp": 10_000}
    log.add(SCHEMA, served(NOON + MINUTE, "s0", 10, **later), served(NOON + MINUTE, "new", 11, **later))
    log.add(event(NOON + 2 * MINUTE, of=id_of(NOON + MINUTE, 10)), event(NOON + MINUTE, unit="new"), kind="labels")
    counted = units(log, largest_share=2500)
    assert (counted.both, counted.strangers, len(counted.stages)) == (0, 0, 1)
    assert counted.stages[0].stable == Sample(count=4, total=1.0, total_squares=1.0)


def test_failed_calls_other_rollouts_and_the_burn_in_do_not_count(log):
    log.add(SCHEMA, served(NOON, "a", 1, status=500), served(NOON, "b", 2, rollout=2), served(NOON, "c", 3))
    log.add(SCHEMA, served(NOON + MINUTE, "d", 4), served(NOON + 2 * MINUTE, "e", 5))
    log.add(event(NOON, unit="x"), event(NOON, "many", unit="d"), kind="labels")
    counted = units(log, counted_from=NOON + MINUTE, counted_until=NOON + 2 * MINUTE)
    assert (counted.stages[0].candidate.count, counted.burn_in, counted.waiting) == (1, 1, 1)
    assert (counted.strangers, counted.not_numbers) == (1, 1)


def test_a_missing_value_may_leave_the_unit_out(log):
    log.add(SCHEMA, served(NOON, "ada", 1), served(NOON, "bo", 2))
    log.add(event(NOON + MINUTE, "3", unit="bo"), kind="labels")
    counted = units(log, OutcomeSpec(name="conversion", window_s=3600, missing=None))
    assert (counted.stages[0].candidate, counted.unanswered) == (Sample(count=1, total=3.0, total_squares=9.0), 1)


def test_a_few_large_values_count_as_the_largest_of_nearly_all(log):
    spec = OutcomeSpec(name="conversion", kind="sum", window_s=3600)
    log.add(SCHEMA, *(served(NOON, f"u{at}", at, variant="stable") for at in range(1000)))
    log.add(*(event(NOON + MINUTE, str(at % 10), unit=f"u{at}") for at in range(999)), kind="labels")
    log.add(event(NOON + MINUTE, "1000000", unit="u999"), kind="labels")
    counted = units(log, spec)
    assert 9 <= counted.cap < 2000
    assert counted.stages[0].stable.total == pytest.approx(sum(at % 10 for at in range(999)) + counted.cap)


def test_an_empty_log_has_no_units(log):
    assert units(log).stages == ()
    log.add(SCHEMA, served(NOON, "ada", 1))
    assert candidate(log) == Sample(count=1)


@pytest.mark.parametrize("seed", range(12))
def test_the_query_counts_as_a_plain_program_does(log, seed):
    chance = random.Random(seed)
    kind = chance.choice(["last", "max", "sum", "count"])
    calls, events, expected = [], [], defaultdict(list)
    for number in range(60):
        moment = NOON + timedelta(seconds=chance.randrange(7200))
        unit, variant = f"u{chance.randrange(25)}", chance.choice(["stable", "candidate"])
        calls.append((moment, unit, variant, number))
    for number in range(80):
        moment, value = NOON + timedelta(seconds=chance.randrange(12_000)), str(chance.randrange(4))
        received = moment + timedelta(seconds=number)
        events.append((moment, f"u{chance.randrange(25)}", value, f"e{chance.randrange(60)}", received))
    log.add(SCHEMA, *(served(at, unit, number, variant=variant) for at, unit, variant, number in calls))
    log.add(*(event(at, v, unit=unit, event_id=e, received=got_at) for at, unit, v, e, got_at in events), kind="labels")
    for unit in {unit for _, unit, _, _ in calls}:
        own_calls = [(at, variant) for at, owner, variant, _ in calls if owner == unit]
        if len({variant for _, variant in own_calls}) > 1:
            continue
        first = min(own_calls)[0]
        last_of = {}
        for at, owner, value, event_id, received in sorted(events, key=lambda row: row[4]):
            if owner == unit:
                last_of[event_id] = (at, received, float(value))
        inside = sorted(row for row in last_of.values() if first <= row[0] < first + HOUR)
        numbers = [row[2] for row in inside]
        value = {"last": numbers[-1:], "max": [max(numbers, default=0)], "sum": [sum(numbers)], "count": [len(numbers)]}
        expected[own_calls[0][1]].append(float((value[kind] or [0.0])[0]) if numbers else 0.0)
    counted = units(log, OutcomeSpec(name="conversion", kind=kind, window_s=3600)).stages[0]
    for variant in ("stable", "candidate"):
        sample = getattr(counted, variant)
        assert (sample.count, sample.total) == (len(expected[variant]), pytest.approx(sum(expected[variant])))
