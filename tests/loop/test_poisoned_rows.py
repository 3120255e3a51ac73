"""One row that cannot move fails by itself, with its reason, and stops none of its neighbours."""

import msgspec
import pytest

from helicline import bus
from helicline.errors import Invalid, Unavailable
from helicline.loop import loops, turns
from helicline.loop.reconciler import MAX_FAILURES
from helicline.pipeline import attempts
from helicline.records.gate import Check
from helicline.records.loop import Cause, TriggerSpec
from helicline.records.pipeline import Source
from helicline.serving import rollout
from helicline.store import nouns
from support.records import commit, loop_spec, pipeline_spec, training_spec
from support.simulated_loop import PLAN, SPEC

PERSON = Cause(kind="person", subject="ada", sentence="ada ran it")


@pytest.fixture
def world(world, blobs):
    commit(world.store, blobs, b"first rows")
    return world


def candidate(**changes):
    spec = training_spec()
    return msgspec.structs.replace(spec, candidate=msgspec.structs.replace(spec.candidate, **changes))


ACCURATE = Check(kind="at_least", metric="accuracy", limit=0.8)


def begin(world, spec):
    world.store.write(lambda tx: loops.apply(tx, spec))
    world.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, spec.name), PERSON))


def named(name, **more):
    return loop_spec(name=name, model=name, deployment=name, **more)


def turn_of(world, loop):
    return world.store.read(lambda tx: nouns.TURNS.get(tx, loop, 1))


def both(world, bad, good=None):
    """Turn a loop that cannot be judged beside a healthy one; return both turns at the end."""
    begin(world, bad)
    begin(world, good or named("good"))
    world.until(lambda: all(turn.finished_at for turn in world.turns()))
    return turn_of(world, bad.name), turn_of(world, "good")


def test_a_candidate_whose_rows_are_not_there_fails_its_turn_alone(world):
    rows = Source(dataset="elsewhere@main")
    bad, good = both(world, named("bad", pipeline=candidate(holdout=rows, reference=rows, metrics=None)))
    assert (bad.state, good.state) == ("FAILED", "PROMOTED")
    assert "elsewhere" in bad.result


def test_a_candidate_without_rows_or_metrics_is_judged_by_gates_that_need_none(world):
    bare = named("bare", pipeline=candidate(holdout=None, reference=None, metrics=None))
    turn, _ = both(world, bare)
    assert turn.state == "PROMOTED"
    with pytest.raises(Invalid, match="which nothing computes"):
        begin(world, msgspec.structs.replace(bare, gates=(ACCURATE,)))


def test_a_candidate_without_rows_is_judged_by_what_its_pipeline_reports(world):
    spec = named("reported", pipeline=candidate(holdout=None, reference=None), gates=(ACCURATE,))
    reported, good = both(world, spec)
    assert (reported.state, good.state) == ("PROMOTED", "PROMOTED")
    report = world.store.read(lambda tx: nouns.REPORTS.get(tx, "reported", 1))
    assert [(verdict.outcome, verdict.observed) for verdict in report.verdicts] == [("pass", 0.9)]


def test_a_dataset_may_be_the_rows_to_judge_on(world):
    rows = Source(dataset="customers@main")
    judged, good = both(world, named("judged", pipeline=candidate(holdout=rows, reference=rows)))
    assert (judged.state, good.state) == ("PROMOTED", "PROMOTED")


def test_a_turn_whose_loop_is_broken_fails_and_the_next_one_moves(world):
    """A row that today's code would never write: no candidate, where one is registered."""
    begin(world, named("bad"))
    world.store.write(
        lambda tx: nouns.LOOPS.swap(
            tx, msgspec.structs.replace(nouns.LOOPS.get(tx, "bad"), spec=named("bad", pipeline=pipeline_spec()))
        )
    )
    world.store.write(
        lambda tx: nouns.TURNS.swap(
            tx, msgspec.structs.replace(nouns.TURNS.get(tx, "bad", 1), state="REGISTERING", model_version=7, champion=9)
        )
    )
    begin(world, named("good"))
    world.until(lambda: all(turn.finished_at for turn in world.turns()))
    assert (turn_of(world, "bad").state, turn_of(world, "good").state) == ("FAILED", "PROMOTED")


def test_a_pipeline_run_that_cannot_move_fails_with_its_reason(world):
    begin(world, named("bad"))
    world.reconciler.tick()
    (run,) = world.store.read(nouns.PIPELINE_RUNS.select)
    without_data = msgspec.structs.replace(run, inputs={"customers@main": "customers@000000000000"})
    world.store.write(lambda tx: nouns.PIPELINE_RUNS.swap(tx, without_data))
    begin(world, named("good"))
    world.until(lambda: all(turn.finished_at for turn in world.turns()))
    bad = turn_of(world, "bad")
    assert (bad.state, turn_of(world, "good").state) == ("FAILED", "PROMOTED")
    assert "customers@000000000000" in bad.result


def test_a_rollout_whose_revision_is_gone_ends_and_leaves_stable_alone(world):
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    world.store.write(
        lambda tx: rollout.start(tx, nouns.DEPLOYMENTS.get(tx, "churn"), nouns.VERSIONS.get(tx, "churn", 1), plan=PLAN)
    )
    (row,) = [row for row in world.store.read(nouns.ROLLOUTS.select) if row.state == "PREPARING"]
    world.store.write(lambda tx: nouns.ROLLOUTS.swap(tx, msgspec.structs.replace(row, candidate=99)))
    for _ in range(MAX_FAILURES):
        world.reconciler.tick()
    ended = world.store.read(lambda tx: nouns.ROLLOUTS.get(tx, "churn", row.number))
    assert (ended.state, "99" in ended.reason) == ("FAILED", True)


def test_a_monitor_that_cannot_look_says_so_and_looks_again_later(world):
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    monitor = world.add_monitor()
    broken = msgspec.structs.replace(monitor, spec=msgspec.structs.replace(monitor.spec, metric="nonsense", min_rows=0))
    world.store.write(lambda tx: nouns.MONITORS.swap(tx, broken))
    for _ in range(MAX_FAILURES):
        world.reconciler.tick()
    (window,) = world.store.read(nouns.WINDOWS.select)
    assert window.reason.startswith("it could not be judged")
    later = world.store.read(lambda tx: nouns.MONITORS.get(tx, "churn", monitor.name)).wake_at
    assert later > world.clock.now()


def test_a_trigger_that_cannot_begin_its_turn_rests(world):
    spec = named("bad", triggers=(TriggerSpec(kind="schedule", cron="* * * * *", cool_down_s=0),))
    world.store.write(lambda tx: loops.apply(tx, spec))
    world.store.write(lambda tx: [nouns.LOOPS.delete(tx, "bad")])
    world.clock.advance(61)
    for _ in range(MAX_FAILURES):
        world.reconciler.tick()
    (trigger,) = world.store.read(nouns.TRIGGERS.select)
    assert trigger.wake_at > world.clock.now()


def test_an_event_that_cannot_be_handled_is_skipped_and_told(store):
    for name in ("a", "bad", "c"):
        store.write(lambda tx, name=name: bus.emit(tx, "made", "thing", name))
    handled = []

    def handle(_tx, event):
        if event.id == "bad":
            raise KeyError("no such thing")
        handled.append(event.id)

    bus.consume(store, "test", handle)
    assert handled == ["a", "c"]
    bus.consume(store, "test", handle)
    events = store.read(lambda tx: bus.rows.latest(tx, noun="event"))
    assert [(event.verb, event.detail["consumer"]) for event in events] == [("skipped", "test")]


def test_an_event_waits_where_it_is_the_database_that_fails(store):
    store.write(lambda tx: bus.emit(tx, "made", "thing", "a"))

    def handle(_tx, _event):
        raise Unavailable("the database", "it is away")

    with pytest.raises(Unavailable):
        bus.consume(store, "test", handle)
    handled = []
    bus.consume(store, "test", lambda _tx, event: handled.append(event.id))
    assert handled == ["a"]


def test_an_attempt_that_was_refused_has_ended_with_the_reason(store):
    created = store.write(lambda tx: attempts.create(tx, "step", timeout_s=1.0, pipeline_run="r", step="s"))
    store.write(lambda tx: attempts.refuse(tx, created, "it cannot be prepared"))
    refused = store.read(lambda tx: nouns.ATTEMPTS.get(tx, created.id))
    assert (refused.state, refused.error) == ("FAILED", "it cannot be prepared")
    assert store.read(attempts.ready) == []
