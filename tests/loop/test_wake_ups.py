"""A row that cannot move is not looked at; whatever makes it movable wakes it, and what waits says for what."""

import msgspec
import pytest

from helicline.gate import reports
from helicline.loop import loops, turns
from helicline.loop.waiting import sweep
from helicline.pipeline import attempts, runs
from helicline.records.loop import ACTIVE, FINISHED, Cause, TriggerSpec
from helicline.store import nouns
from support.records import commit
from support.simulated_loop import LEASE_S, SPEC

REASON = "the new rows are not comparable"


def due_turns(world):
    return [turn.id for turn in world.store.read(nouns.TURNS.due)]


def rejected(world):
    """A turn that its gate stopped."""
    world.accuracy = 0.5
    world.set_up()
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    world.reconciler.tick()
    assert world.turns()[0].state == "REJECTED"


def let_rest(world):
    """Let the reconciler act alone until nothing is due."""
    while world.reconciler.tick():
        pass


def first_task(world):
    """Let the reconciler act alone until it offers the first task."""
    while not (ready := world.store.read(attempts.ready)):
        assert world.reconciler.tick()
    return ready[0]


def waived(report):
    verdicts = tuple(msgspec.structs.replace(verdict, outcome="waived") for verdict in report.verdicts)
    return msgspec.structs.replace(report, verdicts=verdicts)


def test_what_waits_says_for_what_at_every_moment_and_what_has_ended_is_never_due(world):
    waiting = set()

    def check():
        for turn in world.turns():
            if turn.state in ACTIVE and turn.wake_at is None:
                waiting.add(turn.state)
                assert turn.result, turn
            assert turn.state not in FINISHED or turn.wake_at is None

    def after_a_rest(act):
        return lambda: (let_rest(world), check(), act())

    for name in ("work", "observe", "approve"):
        setattr(world, name, after_a_rest(getattr(world, name)))
    world.two_turns()
    assert waiting == {"HARVESTING", "TRAINING", "GATING", "APPROVING", "ROLLING_OUT"}


def test_a_rejected_turn_is_not_looked_at_and_a_waiver_wakes_it(world):
    rejected(world)
    before = world.turns()
    for _ in range(3):
        assert world.reconciler.tick() == 0
    assert (due_turns(world), world.turns()) == ([], before)
    world.store.write(lambda tx: reports.waive(tx, "churn", 1, check="at_least:accuracy", person="ada", reason=REASON))
    world.until(lambda: world.turns()[0].state in FINISHED)
    assert world.turns()[0].state == "PROMOTED"


def test_a_rejected_turn_that_no_event_woke_is_found_by_the_sweep_and_told(world):
    rejected(world)
    world.store.write(lambda tx: nouns.REPORTS.swap(tx, waived(nouns.REPORTS.get(tx, "churn", 1))))
    world.reconciler.tick()
    assert world.turns()[0].state == "REJECTED"
    world.clock.advance(sweep.EVERY_S)
    world.lost_wake_ups = ["churn/1"]
    world.until(lambda: world.turns()[0].state in FINISHED)
    assert (world.turns()[0].state, world.woken_late()) == ("PROMOTED", ["churn/1"])


def test_a_run_and_a_trigger_that_no_event_woke_are_found_by_the_sweep(world):
    world.set_up()
    world.turn_by_hand()
    ready = first_task(world)
    let_rest(world)
    world.store.write(
        lambda tx: nouns.ATTEMPTS.swap(tx, msgspec.structs.replace(ready, state="FAILED", error="by a test"))
    )
    world.reconciler.tick()
    world.clock.advance(sweep.EVERY_S)
    world.reconciler.tick()
    world.lost_wake_ups = [ready.pipeline_run, "churn/alert"]
    world.until(lambda: world.is_over(1))
    let_rest(world)
    (trigger,) = world.store.read(nouns.TRIGGERS.select)
    world.store.write(lambda tx: nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, pending="churn!9")))
    world.clock.advance(sweep.EVERY_S)
    world.until(lambda: len(world.turns()) == 2)


def test_a_sweep_goes_through_rejected_turns_a_part_at_a_time(world):
    world.set_up()
    cause = Cause(kind="person", subject="ada", sentence="ada ran it")

    def unit(tx):
        for _ in range(5):
            turn = turns.begin(tx, nouns.LOOPS.get(tx, "churn"), cause)
            nouns.TURNS.swap(tx, msgspec.structs.replace(turn, state="REJECTED", wake_at=None))

    world.store.write(unit)
    slow = sweep.Sweep(resting_limit=2)
    parts = [[turn.number for turn in world.store.read(slow.some_resting)] for _ in range(4)]
    assert parts == [[1, 2], [3, 4], [5], [1, 2]]


@pytest.mark.parametrize("ending", ["lost", "released"])
def test_a_run_that_is_cancelled_ends_though_its_worker_never_reports(world, ending):
    world.set_up()
    world.turn_by_hand()
    first_task(world)
    task = world.take()
    (run,) = world.store.read(nouns.PIPELINE_RUNS.select)
    world.store.write(lambda tx: runs.cancel(tx, run.id))
    for _ in range(3):
        world.reconciler.tick()
        world.clock.advance(1)
    if ending == "released":
        world.store.write(lambda tx: attempts.release(tx, task.attempt, fence=task.fence))
    world.clock.advance(LEASE_S)
    world.until(lambda: world.is_over(1))
    assert world.turns()[0].state == "CANCELLED"


def test_a_trigger_that_waits_says_for_what_and_is_not_looked_at(world):
    commit(world.store, world.blobs, b"first rows")
    hourly = TriggerSpec(kind="schedule", cron="0 * * * *", cool_down_s=0.0)
    world.store.write(lambda tx: loops.apply(tx, msgspec.structs.replace(SPEC, triggers=(hourly,))))
    world.turn_by_hand()
    world.clock.advance(3601)
    world.reconciler.tick()
    (trigger,) = world.store.read(nouns.TRIGGERS.select)
    assert (trigger.wake_at, trigger.waits_for) == (None, "churn~1 is TRAINING")
    world.until(lambda: len(world.turns()) == 2)
    assert world.turns()[1].cause.kind == "schedule"


def test_a_muted_schedule_rests_until_it_is_unmuted(world):
    commit(world.store, world.blobs, b"first rows")
    hourly = TriggerSpec(kind="schedule", cron="0 * * * *", cool_down_s=0.0)
    world.store.write(lambda tx: loops.apply(tx, msgspec.structs.replace(SPEC, triggers=(hourly,))))
    world.store.write(lambda tx: loops.mute(tx, "churn", hourly.name, muted=True))
    world.clock.advance(3601)
    for _ in range(2):
        world.reconciler.tick()
    (trigger,) = world.store.read(nouns.TRIGGERS.select)
    assert (trigger.wake_at, trigger.waits_for, world.turns()) == (None, "it is muted", [])
    world.store.write(lambda tx: loops.mute(tx, "churn", hourly.name, muted=False))
    world.reconciler.tick()
    assert [turn.cause.kind for turn in world.turns()] == ["schedule"]
