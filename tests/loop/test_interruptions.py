"""A restart, a stop, a wrong clock or a held rollout: nothing is lost, and what waits says for what."""

from datetime import timedelta

import msgspec
import pytest

from helicline.access import tokens
from helicline.errors import Conflict
from helicline.loop import loops, turns
from helicline.loop.overview import needs
from helicline.loop.reconciler import LEASE_S as RECONCILER_LEASE_S
from helicline.loop.reconciler import Reconciler
from helicline.loop.triggers import RETRY_PAUSES_S
from helicline.pipeline import attempts
from helicline.records.gate import Check
from helicline.records.loop import Cause, TriggerSpec
from helicline.records.pipeline import Source
from helicline.records.webhook import Delivery
from helicline.serving import deployments, rollout
from helicline.store import nouns
from support.records import NOW, commit, loop_spec
from support.simulated_loop import LEASE_S, SPEC

PERSON = Cause(kind="person", subject="ada", sentence="ada ran it")


@pytest.fixture
def world(world, blobs):
    commit(world.store, blobs, b"first rows")
    return world


def begin(world, name="churn"):
    return world.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, name), PERSON))


def leased_attempt(world):
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    begin(world)
    for _ in range(3):
        world.reconciler.tick()
    return world.take()


# A restart


def test_a_worker_gets_the_length_of_a_lease_to_call_after_the_server_starts(world):
    task = leased_attempt(world)
    world.clock.advance(LEASE_S + 60)  # the server was away all the time
    world.reconciler = world.started()
    world.reconciler.tick()
    assert world.store.read(lambda tx: nouns.ATTEMPTS.get(tx, task.attempt)).state == "LEASED"
    world.store.write(lambda tx: attempts.heartbeat(tx, task.attempt, fence=task.fence, lease_s=LEASE_S))
    world.clock.advance(LEASE_S - 1)
    world.reconciler.tick()
    assert world.store.read(lambda tx: nouns.ATTEMPTS.get(tx, task.attempt)).state == "LEASED"


def test_a_worker_that_stays_silent_after_the_start_is_given_up(world):
    task = leased_attempt(world)
    world.clock.advance(LEASE_S + 60)
    world.reconciler = world.started()
    for _ in range(3):
        world.reconciler.tick()
        world.clock.advance(LEASE_S)
    assert world.store.read(lambda tx: nouns.ATTEMPTS.get(tx, task.attempt)).state == "LOST"


def test_an_attempt_that_is_handed_back_goes_on_and_counts_as_no_try(world):
    task = leased_attempt(world)
    world.store.write(lambda tx: attempts.release(tx, task.attempt, fence=task.fence))
    again = world.take()
    assert (again.attempt, again.fence) == (task.attempt, task.fence + 1)
    with pytest.raises(Conflict):
        world.store.write(lambda tx: attempts.release(tx, task.attempt, fence=task.fence))
    world.store.write(lambda tx: attempts.release(tx, again.attempt, fence=again.fence))
    world.until(lambda: world.is_over(1))
    (turn,) = world.turns()
    steps = world.store.read(nouns.STEP_RUNS.select)
    assert (turn.state, {step.attempt_count for step in steps}) == ("PROMOTED", {1})


# A server that was stopped, or whose clock jumped


def state_of(world, task):
    return world.store.read(lambda tx: nouns.ATTEMPTS.get(tx, task.attempt)).state


def look(world, *, seconds, every_s=1.0):
    for _ in range(round(seconds / every_s)):
        world.clock.advance(every_s)
        world.reconciler.tick()


@pytest.fixture
def task(world):
    """Return a task under way, after the grace of the server's start."""
    task = leased_attempt(world)
    for _ in range(4):
        world.store.write(lambda tx: attempts.heartbeat(tx, task.attempt, fence=task.fence, lease_s=LEASE_S))
        look(world, seconds=LEASE_S / 3)
    return task


@pytest.mark.parametrize("seconds", [LEASE_S / 2 + 2, 20, 8 * 3600], ids=["short", "stopped", "asleep, or clock set"])
def test_a_worker_gets_the_length_of_a_lease_to_call_after_the_server_was_stopped(world, task, seconds):
    world.clock.advance(seconds)
    world.reconciler.tick()
    look(world, seconds=LEASE_S - 1)
    world.store.write(lambda tx: attempts.heartbeat(tx, task.attempt, fence=task.fence, lease_s=LEASE_S))
    look(world, seconds=LEASE_S - 1)
    assert state_of(world, task) == "LEASED"


def test_a_worker_that_is_silent_after_the_server_was_stopped_is_given_up(world, task):
    world.clock.advance(3600)
    world.reconciler.tick()
    look(world, seconds=LEASE_S + 1)
    assert state_of(world, task) == "LOST"


def test_a_worker_that_is_silent_is_given_up_at_once_while_the_server_looks(world, task):
    look(world, seconds=LEASE_S - 4)
    assert state_of(world, task) == "LOST"


def test_a_server_that_always_looks_late_gives_silent_workers_up_at_last(world, task):
    look(world, seconds=20 * LEASE_S, every_s=2 * LEASE_S)
    assert state_of(world, task) == "LOST"


def test_the_token_of_a_task_ends_with_the_task_also_where_the_clock_was_set_ahead(world, task):
    def is_let_in():
        return world.store.read(lambda tx: tokens.find_valid(tx, tokens.digest_of(secret))) is not None

    def mint(tx):
        return tokens.mint_for_attempt(tx, task.attempt, runs_user_code=True, lifetime=timedelta(seconds=60))

    secret = world.store.write(mint)
    world.clock.advance(3600)
    assert is_let_in()
    world.store.write(lambda tx: attempts.release(tx, task.attempt, fence=task.fence))
    assert not is_let_in()


# A clock that was ahead


def test_what_a_clock_that_was_ahead_put_off_goes_on(world):
    world.clock.advance(3600)
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    begin(world)
    for _ in range(20):
        world.round()
        world.clock.advance(1)
    world.clock.advance(-3600)
    world.reconciler = Reconciler(world.context, holder="another server")
    world.until(lambda: world.is_over(1))
    assert world.turns()[0].state == "PROMOTED"


def test_a_turn_that_began_while_the_clock_was_ahead_takes_the_report_of_its_gate(world):
    """The report is of an earlier time than the turn was: that one is brought back, and does not wait for an hour."""
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    world.clock.advance(3600)
    begin(world)
    world.round()
    before = world.clock.now()
    world.clock.advance(-3600)
    world.until(lambda: world.is_over(1))
    (turn,) = world.turns()
    assert (turn.state, turn.created_at < before) == ("PROMOTED", True)
    assert turn.finished_at < before


def test_the_lease_of_a_dead_server_from_the_future_is_taken(world):
    world.clock.advance(7200)
    world.reconciler.tick()
    world.clock.advance(-7200)
    other = Reconciler(world.context, holder="another server")
    assert other.hold_lease()


def test_a_lease_that_may_be_right_is_left_alone(world):
    world.reconciler.tick()
    other = Reconciler(world.context, holder="another server")
    assert not other.hold_lease()
    world.clock.advance(RECONCILER_LEASE_S + 1)
    assert other.hold_lease()


def test_an_attempt_leased_in_the_future_keeps_its_worker(world):
    world.clock.advance(3600)
    task = leased_attempt(world)
    world.clock.advance(-3600)
    world.reconciler = world.started()
    world.reconciler.tick()
    attempt = world.store.read(lambda tx: nouns.ATTEMPTS.get(tx, task.attempt))
    assert (attempt.state, attempt.lease_until) == ("LEASED", world.clock.now() + timedelta(seconds=LEASE_S))


# A rollout that a person holds


def held_rollout(world):
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    begin(world)
    world.until(lambda: world.is_over(1))
    commit(world.store, world.blobs, b"second rows")
    begin(world)
    world.until(lambda: world.turns()[1].rollout)
    world.store.write(lambda tx: rollout.hold(tx, "churn"))


def turn_on(world, rows):
    commit(world.store, world.blobs, rows)
    turn = begin(world)
    world.until(lambda: world.turns()[turn.number - 1].state == "ROLLING_OUT")


def test_turns_train_and_are_judged_while_a_rollout_is_held(world):
    held_rollout(world)
    turn_on(world, b"third rows")
    for _ in range(3):
        world.round()
    third = world.turns()[2]
    assert (third.state, third.rollout) == ("ROLLING_OUT", 0)
    assert third.result.startswith("it waits for the end of rollout churn")


def test_the_newest_that_passed_takes_the_place_of_an_older_one_that_waits(world):
    held_rollout(world)
    turn_on(world, b"third rows")
    turn_on(world, b"fourth rows")
    world.until(lambda: world.turns()[2].finished_at)
    world.store.write(lambda tx: rollout.promote(tx, "churn", reason="by hand"))
    world.until(lambda: world.turns()[3].finished_at)
    states = [turn.state for turn in world.turns()]
    assert states == ["PROMOTED", "PROMOTED", "CANCELLED", "PROMOTED"]
    assert world.turns()[2].result == "churn~4 passed later and takes its place"


def test_only_one_turn_of_a_loop_learns_at_a_time(world):
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    begin(world)
    with pytest.raises(Conflict):
        begin(world)


# Turns that failed


def failing(world, **more):
    """A loop whose judge is to look at a dataset that is not there."""
    pipeline = loop_spec().pipeline
    rows = Source(dataset="elsewhere@main")
    candidate = msgspec.structs.replace(pipeline.candidate, holdout=rows, reference=rows, metrics=None)
    spec = loop_spec(pipeline=msgspec.structs.replace(pipeline, candidate=candidate), **more)
    world.store.write(lambda tx: loops.apply(tx, spec))


def test_a_turn_that_no_person_began_is_tried_again_three_times_and_then_waits_for_one(world):
    failing(world, triggers=(TriggerSpec(kind="schedule", cron="0 3 1 1 *", cool_down_s=0),))
    (trigger,) = world.store.read(nouns.TRIGGERS.select)
    world.store.write(lambda tx: nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, wake_at=tx.now)))
    for number, pause_s in enumerate((0.0, *RETRY_PAUSES_S), 1):
        world.clock.advance(pause_s + 1)
        world.until(lambda number=number: world.is_over(number))
        assert world.turns()[-1].state == "FAILED"
        world.reconciler.tick()
    world.clock.advance(3600)
    for _ in range(10):
        world.round()
    assert len(world.turns()) == 1 + len(RETRY_PAUSES_S)
    assert [need.kind for need in world.store.read(needs.needs_of)] == ["turn"]


def test_a_turn_that_a_person_began_is_not_tried_again_by_itself(world):
    failing(world)
    begin(world)
    world.until(lambda: world.is_over(1))
    world.clock.advance(3600)
    for _ in range(5):
        world.round()
    assert len(world.turns()) == 1


def test_a_failed_turn_is_tried_again_from_where_it_stopped(world):
    failing(world)
    begin(world)
    world.until(lambda: world.is_over(1))
    (need,) = world.store.read(needs.needs_of)
    assert (need.id, need.next_step.path) == ("churn~1", "/turns/churn~1/retry")
    world.store.write(lambda tx: loops.apply(tx, loop_spec()))
    world.store.write(lambda tx: turns.retry(tx, nouns.TURNS.get(tx, "churn", 1), person="ada"))
    world.until(lambda: world.is_over(2))
    assert (world.turns()[1].state, world.turns()[1].legs[0].name) == ("PROMOTED", "train")
    with pytest.raises(Conflict, match="is PROMOTED"):
        world.store.write(lambda tx: turns.retry(tx, world.turns()[1], person="ada"))


def test_a_version_whose_judging_failed_is_judged_again_without_training(world):
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    begin(world)
    world.until(lambda: world.turns()[0].state == "GATING")
    world.store.write(lambda tx: turns.fail(tx, world.turns()[0], "the judge's machine burned"))
    world.store.write(lambda tx: turns.retry(tx, world.turns()[0], person="ada"))
    world.until(lambda: world.is_over(2))
    assert [leg.name for leg in world.turns()[1].legs] == ["gate", "approve", "rollout"]
    assert len(world.store.read(nouns.PIPELINE_RUNS.select)) == 1


def test_a_version_that_its_pipeline_reports_on_is_judged_again_by_those_metrics(world):
    pipeline = loop_spec().pipeline
    candidate = msgspec.structs.replace(pipeline.candidate, holdout=None, reference=None)
    spec = loop_spec(pipeline=msgspec.structs.replace(pipeline, candidate=candidate))
    world.store.write(lambda tx: loops.apply(tx, spec))
    begin(world)
    world.until(lambda: world.turns()[0].model_version)
    world.store.write(lambda tx: turns.fail(tx, world.turns()[0], "somebody pulled the plug"))
    world.store.write(lambda tx: turns.retry(tx, world.turns()[0], person="ada"))
    world.until(lambda: world.is_over(2))
    assert (world.turns()[1].state, len(world.store.read(nouns.PIPELINE_RUNS.select))) == ("PROMOTED", 1)


def test_only_the_newest_turn_can_be_tried_again(world):
    failing(world)
    for number in (1, 2):
        begin(world)
        world.until(lambda number=number: world.is_over(number))
    with pytest.raises(Conflict, match=r"older than churn~2"):
        world.store.write(lambda tx: turns.retry(tx, world.turns()[0], person="ada"))


def test_each_firing_of_a_schedule_has_its_own_tries(world):
    failing(world, triggers=(TriggerSpec(kind="schedule", cron="0 3 1 1 *", cool_down_s=0),))

    def fire():
        (trigger,) = world.store.read(nouns.TRIGGERS.select)
        due = msgspec.structs.replace(trigger, wake_at=world.clock.now())
        world.store.write(lambda tx: nouns.TRIGGERS.swap(tx, due))
        for pause_s in (0.0, *RETRY_PAUSES_S):
            world.clock.advance(pause_s + 1)
            count = len(world.turns())
            world.until(lambda count=count: len(world.turns()) > count and world.turns()[-1].finished_at)
            world.reconciler.tick()

    fire()
    world.clock.advance(3600)
    fire()
    assert len(world.turns()) == 2 * (1 + len(RETRY_PAUSES_S))


# What needs a person


def kinds(world):
    return [need.kind for need in world.store.read(needs.needs_of)]


def test_a_healthy_loop_needs_nobody(world):
    world.two_turns()
    assert kinds(world) in ([], ["alert"])


def test_a_candidate_that_failed_its_gate_needs_nobody(world):
    world.accuracy = 0.1
    world.set_up()
    begin(world)
    world.until(lambda: world.is_over(1))
    assert (world.turns()[0].state, kinds(world)) == ("REJECTED", [])


def test_a_candidate_that_no_check_could_judge_needs_a_person_until_the_next_turn(world):
    unknown = loop_spec(gates=(Check(kind="at_least", metric="recall", limit=0.8),))
    world.set_up()
    world.store.write(lambda tx: loops.apply(tx, unknown))
    begin(world)
    world.until(lambda: world.is_over(1))
    (need,) = world.store.read(needs.needs_of)
    assert (need.kind, need.id, need.link) == ("gate", "churn~1", "/turns/churn~1")
    assert need.sentence.startswith("churn~1 could not be judged: at_least:recall ")
    begin(world)
    world.until(lambda: world.turns()[-1].number == 2)
    assert kinds(world) == []


def test_a_stable_revision_that_cannot_serve_needs_a_probe(world):
    world.two_turns()
    revision = world.store.read(lambda tx: nouns.REVISIONS.get(tx, "churn", 2))
    broken = msgspec.structs.replace(revision, state="QUARANTINED", reason="it crashed")
    world.store.write(lambda tx: nouns.REVISIONS.swap(tx, broken))
    need = world.store.read(needs.needs_of)[0]
    assert (need.kind, need.next_step.label) == ("revision", "Probe again")
    assert need.sentence == "churn#2 serves and is QUARANTINED, churn#1 answers until it is back: it crashed"
    probed = world.store.write(lambda tx: deployments.probe(tx, "churn", 2))
    assert (probed.state, probed.probes) == ("PENDING", 1)
    orders = world.store.read(deployments.desired).orders
    assert {order.revision: order.probes for order in orders} == {1: 0, 2: 1}
    assert [(route.stable, route.previous) for route in world.store.read(deployments.desired).routes] == [(2, 1)]


def test_a_gateway_and_a_worker_that_are_missing_are_needed(world):
    world.two_turns()
    world.clock.advance(120)
    assert "process" in kinds(world)
    world.observe()
    assert "process" not in kinds(world)
    world.store.write(lambda tx: attempts.create(tx, "step", timeout_s=1.0, pipeline_run="r", step="s"))
    world.clock.advance(needs.WORKER_SILENT_S + 1)
    world.observe()
    assert kinds(world)[0] == "process"


def test_a_held_rollout_a_failed_run_and_a_webhook_that_is_given_up_are_needs(world):
    held_rollout(world)
    delivery = Delivery(
        id="d", webhook="w", seq=1, body="{}", created_at=world.clock.now(), state="DEAD", wake_at=None, attempts=8
    )
    world.store.write(lambda tx: nouns.DELIVERIES.insert(tx, delivery))
    assert {"rollout", "webhook"} <= set(kinds(world))
    assert world.clock.now() >= NOW
