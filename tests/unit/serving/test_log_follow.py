"""What a guard follows: labelled rows of a rollout, each counted once whatever comes in which order."""

import random
from datetime import timedelta

import pytest

from helicline.loop.evidence.rollout_evidence import Moments
from helicline.records.deployment import Arm, Stage
from helicline.serving.prediction_log.files import listed
from helicline.serving.prediction_log.follow import Follower
from helicline.serving.prediction_log.merge import KEPT_FOR, Merger
from support.prediction_log import HOUR, NOON, SCHEMA, Log, call, id_of, outcome, rollout, spoil

MINUTE = timedelta(minutes=1)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def candidate(moment, number=0, **more):
    return call(moment, number=number, **{"rollout": 3, "stage": 1, "variant": "candidate", **more})


def follower(log):
    return Follower(log.home, "churn", rollout=3, since=NOON, label="label")


def labels_of(changes):
    return [(change.before.label if change.before else None, change.after.label) for change in changes]


def test_a_label_is_a_change_once(log):
    follows = follower(log)
    log.add(SCHEMA, candidate(NOON))
    assert follows.changes() == []
    log.add(outcome(NOON + MINUTE, id_of(NOON), "1"), kind="labels")
    (change,) = follows.changes()
    assert (change.after.stage, change.after.variant, change.after.label) == (1, "candidate", "1")
    assert follows.changes() == []


def test_a_later_label_replaces_and_an_earlier_one_does_not(log):
    follows = follower(log)
    log.add(SCHEMA, candidate(NOON))
    log.add(outcome(NOON + 2 * MINUTE, id_of(NOON), "1"), kind="labels")
    assert labels_of(follows.changes()) == [(None, "1")]
    log.add(outcome(NOON + MINUTE, id_of(NOON), "0"), kind="labels")
    assert follows.changes() == []
    log.add(outcome(NOON + 3 * MINUTE, id_of(NOON), "2"), kind="labels")
    assert labels_of(follows.changes()) == [("1", "2")]


def test_a_label_waits_for_its_prediction(log):
    follows = follower(log)
    log.add(outcome(NOON + MINUTE, id_of(NOON), "1"), outcome(NOON + MINUTE, "order-1", "7"), kind="labels")
    assert follows.changes() == []
    log.add(SCHEMA, candidate(NOON), candidate(NOON, prediction_id="order-1"))
    assert sorted(labels_of(follows.changes())) == [(None, "1"), (None, "7")]


def test_rows_of_other_rollouts_failed_calls_and_other_labels_are_no_evidence(log):
    follows = follower(log)
    log.add(SCHEMA, candidate(NOON, 1, status=500), call(NOON, number=2, rollout=2), candidate(NOON, 3))
    ids = [id_of(NOON, number) for number in (1, 2)]
    log.add(*(outcome(NOON + MINUTE, prediction_id) for prediction_id in ids), kind="labels")
    log.add(outcome(NOON + MINUTE, id_of(NOON, 3), name="other"), kind="labels")
    assert follows.changes() == []


def test_files_that_were_read_are_not_read_again_nor_what_they_are_merged_to(log):
    follows = follower(log)
    for number in range(3):
        log.add(SCHEMA, candidate(NOON + number * MINUTE, number))
        log.add(outcome(NOON + number * MINUTE, id_of(NOON + number * MINUTE, number)), kind="labels")
    assert len(follows.changes()) == 3
    Merger(log.home).run(NOON + 2 * HOUR)
    log.add(SCHEMA, candidate(NOON + HOUR, 9))
    spoil(file.path for table in ("predictions", "labels") for file in listed(log.home, table, deployment="churn")[:1])
    log.add(outcome(NOON + 2 * HOUR, id_of(NOON + HOUR, 9)), kind="labels")
    assert labels_of(follows.changes()) == [(None, "1")]


def test_labels_that_belong_to_nothing_are_forgotten_after_a_day(log):
    follows = follower(log)
    log.add(outcome(NOON, "nothing"), kind="labels")
    follows.changes()
    log.add(outcome(NOON + 25 * HOUR, "other"), kind="labels")
    follows.changes()
    log.add(SCHEMA, candidate(NOON, prediction_id="nothing"), candidate(NOON, prediction_id="other"))
    assert len(follows.changes()) == 1


@pytest.mark.parametrize("seed", range(5))
def test_moments_kept_are_those_of_the_whole_log(log, seed):
    """Calls, labels, corrections, repeats and merges in a random order: the same sums as a reader who begins now."""
    chance = random.Random(seed)
    kept_moments = Moments(log.home, rollout(number=3, created_at=NOON), kind="feedback", label="label")
    now, ids = NOON, []
    for number in range(60):
        now += timedelta(minutes=chance.choice([0, 1, 3, 30]), milliseconds=1)
        prediction_id = chance.choice([id_of(now, number), f"order-{number}"])
        ids.append(prediction_id)
        arm = chance.choice(["stable", "candidate"])
        made_call = candidate(now, number, prediction_id=prediction_id, variant=arm)
        if chance.random() < 0.8:
            log.add(SCHEMA, made_call)
        named = [chance.choice(ids) for _ in range(chance.randrange(4))]
        values = [chance.choice(["0", "1", "2.5", "true", "nonsense"]) for _ in named]
        if named:
            pairs = zip(named, values, range(len(named)), strict=True)
            micro = timedelta(microseconds=1)
            log.add(*(outcome(now + at * micro, name, value) for name, value, at in pairs), kind="labels")
        if chance.random() < 0.5:
            kept_moments.update()
        if chance.random() < 0.3:
            Merger(log.home).run(now + chance.choice([2 * HOUR, 40 * HOUR]) * chance.choice([0, 1]))
            Merger(log.home).run(now + KEPT_FOR)
    kept_moments.update()
    fresh = Moments(log.home, rollout(number=3, created_at=NOON), kind="feedback", label="label")
    fresh.update()
    stage = Stage(index=1, weight_bp=500, stable=Arm(), candidate=Arm())
    assert kept_moments.in_stage(stage) == fresh.in_stage(stage)
    assert fresh.in_stage(stage).candidate.count > 0


def test_correct_answers_are_counted_by_their_labels(log):
    moments = Moments(log.home, rollout(number=3, created_at=NOON), kind="correct", label="label")
    log.add(SCHEMA, candidate(NOON, 1), candidate(NOON, 2))
    log.add(outcome(NOON, id_of(NOON, 1), "1"), outcome(NOON, id_of(NOON, 2), "1"), kind="labels")
    moments.update()
    stage = moments.in_stage(Stage(index=1, weight_bp=500, stable=Arm(requests=9), candidate=Arm()))
    assert (stage.candidate.count, stage.candidate.total, stage.stable.requests) == (2, 1.0, 9)
