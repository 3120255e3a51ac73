"""What a rollout does next: a table."""

from datetime import timedelta

import msgspec
import pytest

from helicline.records.deployment import Guard, GuardReading, RolloutPlan, RolloutStep
from helicline.records.outcome import OutcomeSpec
from helicline.serving.rollout import LOAD_PATIENCE_S, RolloutFacts, decide
from support.records import NOW, arm, reading, revision, rollout, stage

SERVED = arm(0, 0, requests=60)


def move(state="PROGRESSING", *readings, step=0, requests=60, after=61.0, candidate="READY", **of_rollout):
    row = rollout(state, step=step, **of_rollout)
    stages = tuple(stage(at + 1, candidate=arm(0, 0, requests=requests)) for at in range(step + 1))
    facts = RolloutFacts(candidate=revision(candidate), stable=revision(number=1), stages=stages, readings=readings)
    return decide(row, facts, NOW + timedelta(seconds=after))


@pytest.mark.parametrize(
    ("candidate", "stable", "after", "kind"),
    [
        ("LOADING", 1, 10, "wait"),
        ("READY", 1, 10, "step"),
        ("READY", 0, 10, "promote"),
        ("FAILED", 1, 10, "fail"),
        ("QUARANTINED", 0, 10, "fail"),
        ("LOADING", 1, LOAD_PATIENCE_S + 1, "fail"),
    ],
)
def test_a_candidate_must_load_first(candidate, stable, after, kind):
    assert move("PREPARING", candidate=candidate, stable=stable, after=after).kind == kind


@pytest.mark.parametrize(
    ("outcomes", "step", "requests", "after", "kind"),
    [
        ((), 0, 60, 61, "step"),
        ((), 1, 60, 61, "promote"),
        ((), 0, 49, 61, "wait"),
        ((), 0, 60, 59, "wait"),
        (("pass",), 0, 60, 61, "step"),
        (("pass", "pass"), 1, 60, 61, "promote"),
        (("fail",), 0, 1, 1, "roll_back"),
        (("pass", "fail"), 1, 60, 61, "roll_back"),
        (("inconclusive",), 0, 60, 61, "step"),
        (("no_data",), 0, 60, 61, "wait"),
        (("error",), 0, 60, 61, "wait"),
        (("no_data",), 0, 60, 601, "hold"),
        (("inconclusive",), 1, 60, 61, "wait"),
        (("inconclusive",), 1, 60, 601, "promote"),
        (("no_data",), 1, 60, 601, "hold"),
        (("error", "pass"), 1, 60, 601, "hold"),
    ],
)
def test_guards_and_counts_decide(outcomes, step, requests, after, kind):
    readings = [reading(outcome) for outcome in outcomes]
    assert move("PROGRESSING", *readings, step=step, requests=requests, after=after).kind == kind


@pytest.mark.parametrize(("action", "kind"), [("hold", "hold"), ("rollback", "roll_back"), ("advance", "promote")])
def test_the_plan_says_what_an_undecided_end_means(action, kind):
    plan = msgspec.structs.replace(rollout().plan, on_undecided=action)
    assert move("PROGRESSING", reading("inconclusive"), step=1, after=601, plan=plan).kind == kind


@pytest.mark.parametrize("candidate", ["FAILED", "QUARANTINED"])
def test_a_candidate_that_falls_over_is_rolled_back(candidate):
    assert move(candidate=candidate, requests=0, after=1).kind == "roll_back"


def test_a_held_rollout_waits_but_still_rolls_back():
    assert move(paused=True).kind == "wait"
    assert move("PROGRESSING", reading("fail"), paused=True).kind == "roll_back"


def test_a_rollout_that_is_held_already_is_not_held_again():
    assert move("PAUSED", reading("no_data"), step=1, after=601).kind == "wait"


def test_nothing_ever_advances_without_traffic():
    moves = {move("PROGRESSING", reading("pass"), step=step, requests=0, after=1e6).kind for step in (0, 1)}
    assert moves == {"wait"}


@pytest.mark.parametrize(
    ("labelled", "stable_mean", "candidate_mean", "after", "kind"),
    [
        (60, 0.9, 0.9, 61, "step"),
        (60, 0.9, 0.86, 61, "step"),
        (60, 0.9, 0.8, 61, "wait"),
        (60, 0.9, 0.8, 601, "hold"),
        (12, 0.9, 0.9, 61, "wait"),
        (12, 0.9, 0.9, 601, "hold"),
    ],
)
def test_more_traffic_waits_for_labels_and_for_a_drop_that_is_seen(labelled, stable_mean, candidate_mean, after, kind):
    failing = GuardReading(
        guard=Guard(kind="correct", metric="accuracy", margin=0.05),
        outcome="inconclusive",
        reason="not decided",
        stable_count=400,
        candidate_count=labelled,
        stable_mean=stable_mean,
        candidate_mean=candidate_mean,
    )
    assert move("PROGRESSING", failing, after=after).kind == kind


DAY = 86_400
TEST = RolloutPlan(
    steps=(RolloutStep(weight_bp=5000, min_requests=0, min_s=7 * DAY, max_s=14 * DAY),),
    guards=(Guard(kind="feedback", metric="conversion"),),
    outcomes=(OutcomeSpec(name="conversion"),),
    outcome="conversion",
)


def ab_move(guard, better, *, days, split="pass", **more):
    plan = msgspec.structs.replace(TEST, **more)
    on_outcome = msgspec.structs.replace(reading(guard), guard=TEST.guards[0])
    return move(
        "PROGRESSING", on_outcome, reading(better, "better"), reading(split, "split"),
        plan=plan, requests=0, after=days * DAY + 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("guard", "better", "days", "kind", "conclusion"),
    [
        ("inconclusive", "pass", 6, "wait", ""),
        ("inconclusive", "pass", 7, "promote", "better"),
        ("no_data", "pass", 7, "wait", ""),
        ("inconclusive", "inconclusive", 13, "wait", ""),
        ("pass", "inconclusive", 14, "roll_back", "no_difference"),
        ("no_data", "no_data", 14, "roll_back", "no_difference"),
        ("fail", "no_data", 0, "roll_back", "worse"),
    ],
)
def test_an_ab_test_ships_the_better_one_and_keeps_the_old_one_without_a_difference(
    guard, better, days, kind, conclusion
):
    decided = ab_move(guard, better, days=days)
    assert (decided.kind, decided.conclusion) == (kind, conclusion)


@pytest.mark.parametrize(("guard", "kind"), [("pass", "promote"), ("inconclusive", "wait")])
def test_an_ab_test_may_ship_what_is_proven_not_to_be_worse(guard, kind):
    assert ab_move(guard, "inconclusive", days=8, ship="not_worse").kind == kind


def test_a_wrong_sample_ratio_waits_for_a_person_but_harm_still_rolls_back():
    assert ab_move("inconclusive", "pass", days=8, split="error").kind == "hold"
    assert ab_move("fail", "pass", days=8, split="error").kind == "roll_back"
