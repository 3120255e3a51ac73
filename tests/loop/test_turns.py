"""Whole turns, and whole turns with a server that dies at every move."""

import msgspec
import pytest

from helicline.data import versions
from helicline.errors import Refused
from helicline.loop import harvests, turns
from helicline.loop.reconciler import LEASE_S as RECONCILER_LEASE_S
from helicline.loop.reconciler import Reconciler
from helicline.records.monitor import Monitor, MonitorSpec
from helicline.registry import get_version, point_or_ask, protect, requests_of
from helicline.serving import rollout
from helicline.store import nouns
from helicline.store.blobs import LocalBlobs
from helicline.store.rows import event
from support.records import commit
from support.simulated_loop import PLAN, SimulatedLoop

EXPECTED = {
    "turns": [(1, "PROMOTED", 1, 1, 0), (2, "PROMOTED", 2, 2, 1)],
    "runs": [(1, "SUCCEEDED"), (2, "SUCCEEDED")],
    "versions": [(1, 1), (2, 2)],
    "serves": (2, 1),
    "aliases": {"champion": 2, "previous": 1, "challenger": 2},
    "data": 2,
    "requests": ["APPROVED", "APPROVED"],
    "alerts": 1,
}


def test_a_first_turn_and_the_turn_of_an_alert_are_promoted(world):
    world.two_turns()
    state = world.state()
    assert {name: state[name] for name in EXPECTED} == EXPECTED
    assert [(rollout[1], rollout[3]) for rollout in state["rollouts"]] == [("SUCCEEDED", 0), ("SUCCEEDED", 2)]


def test_a_turn_tells_its_legs_in_order_with_their_subjects(world):
    world.two_turns()
    first, second = world.turns()
    assert [leg.name for leg in first.legs] == ["train", "register", "gate", "approve", "rollout"]
    assert [leg.name for leg in second.legs] == ["data", "train", "register", "gate", "approve", "rollout"]
    assert all(leg.finished_at is not None and leg.seconds >= 0 for leg in (*first.legs, *second.legs))
    assert second.cause.subject == "churn!1"


def test_the_turn_of_an_alert_trains_on_what_it_harvested(world):
    world.two_turns()
    first, second = world.turns()
    runs = world.store.read(lambda tx: [nouns.PIPELINE_RUNS.get(tx, turn.pipeline_run) for turn in (first, second)])
    assert runs[1].inputs == {"customers@main": second.dataset_version}
    assert runs[0].inputs != runs[1].inputs


def test_what_was_harvested_becomes_main_only_when_its_turn_promotes(world):
    world.first_turn()
    before, states = world.main(), set()
    world.alarm()

    def is_over():
        harvested = world.turns()[1:] and world.turns()[1].dataset_version
        states.add((world.main() == before, world.state_of(harvested))) if harvested else None
        return world.is_over(2)

    world.until(is_over)
    first, second = world.turns()
    assert states == {(True, "draft"), (False, "published")}
    assert (world.main(), world.state_of(second.dataset_version)) == (second.dataset_version, "published")
    assert second.harvested == world.loop().harvested
    assert (first.harvested, second.dataset_is_draft) == (None, False)


def test_rows_of_a_rejected_turn_are_taken_again_by_the_next(world):
    world.first_turn()
    before, world.accuracy = world.main(), 0.5
    world.alarm()
    world.until(lambda: world.is_over(2))
    rejected = world.turns()[1]
    assert (rejected.state, rejected.dataset_is_draft, world.main()) == ("REJECTED", True, before)
    assert world.state_of(rejected.dataset_version) == "draft"
    assert world.store.read(lambda tx: harvests.spec_of(tx, world.loop(), rejected)).since is None


def test_a_draft_replaces_no_version_that_a_person_committed_meanwhile(world):
    world.first_turn()
    world.alarm()
    world.until(lambda: world.turns()[1:] and world.turns()[1].state == "TRAINING")
    by_hand = commit(world.store, world.blobs, b"rows of a person")
    world.until(lambda: world.is_over(2))
    second = world.turns()[1]
    assert (second.state, second.dataset_is_draft) == ("PROMOTED", True)
    assert (world.main(), world.loop().harvested) == (by_hand.ref, None)
    events = world.store.read(lambda tx: [event for event in world.events(tx) if event.verb == "not_published"])
    assert [event.detail["why"] for event in events] == [
        "customers@main has moved since; the next harvest takes these rows again"
    ]


def test_rows_of_a_draft_that_a_person_published_are_not_taken_again(world):
    world.first_turn()
    world.accuracy = 0.5
    world.alarm()
    world.until(lambda: world.is_over(2))
    rejected = world.turns()[1]
    draft = rejected.dataset_version.partition("@")[2]
    world.store.write(lambda tx: versions.point(tx, "customers", "main", target=draft))
    world.until(lambda: world.loop().harvested is not None)
    assert (world.loop().harvested, world.turns()[1].dataset_is_draft) == (rejected.harvested, False)
    assert world.state_of(rejected.dataset_version) == "published"


def test_what_was_harvested_is_published_though_the_loop_reads_another_dataset_by_now(world):
    world.first_turn()
    world.alarm()
    world.until(lambda: world.turns()[1:] and world.turns()[1].state == "ROLLING_OUT")

    def read_nothing(tx):
        loop = world.loop()
        steps = tuple(
            msgspec.structs.replace(step, inputs={name: s for name, s in step.inputs.items() if not s.dataset})
            for step in loop.spec.pipeline.steps
        )
        pipeline = msgspec.structs.replace(loop.spec.pipeline, steps=steps)
        nouns.LOOPS.swap(tx, msgspec.structs.replace(loop, spec=msgspec.structs.replace(loop.spec, pipeline=pipeline)))

    world.store.write(read_nothing)
    world.until(lambda: world.is_over(2))
    assert (world.turns()[1].state, world.main()) == ("PROMOTED", world.turns()[1].dataset_version)


def test_a_turn_that_is_tried_again_learns_from_the_same_draft(world):
    world.first_turn()
    world.alarm()
    world.until(lambda: world.turns()[1:] and world.turns()[1].state == "TRAINING")
    failed = world.turns()[1]
    world.store.write(lambda tx: turns.fail(tx, nouns.TURNS.get(tx, "churn", 2), "the machine was lost"))
    world.store.write(lambda tx: turns.retry(tx, nouns.TURNS.get(tx, "churn", 2), person="ada"))
    world.until(lambda: world.is_over(3))
    third = world.turns()[2]
    assert (third.state, third.dataset_version, third.harvested) == ("PROMOTED", world.main(), failed.harvested)
    assert world.loop().harvested == failed.harvested


def test_a_harvest_reaches_to_what_the_monitors_of_the_inputs_have_looked_at(world):
    world.first_turn()
    monitor = Monitor(
        deployment="churn",
        name="quality",
        spec=MonitorSpec(kind="quality"),
        loop="churn",
        created_at=world.clock.now(),
        wake_at=None,
        watched_until=world.clock.now(),
    )
    world.store.write(lambda tx: nouns.MONITORS.insert(tx, monitor))
    world.clock.advance(600)
    span = world.store.read(lambda tx: harvests.span_now(tx, world.loop()))
    assert (span.labels_until, span.predictions_until) == (world.clock.now(), monitor.watched_until)


def test_where_champion_is_protected_a_turn_asks_those_people_too(world):
    world.set_up()
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    world.store.write(lambda tx: protect(tx, "churn", "champion", people=2))
    world.clock.advance(120)
    world.alarm()
    world.until(lambda: world.is_over(2))
    assert [turn.state for turn in world.turns()] == ["PROMOTED", "PROMOTED"]
    requests = world.store.read(lambda tx: requests_of(tx, "churn", number=2))
    assert sorted((request.role, request.people, request.state, request.turn) for request in requests) == [
        ("approver", 1, "APPROVED", 2),
        ("approver", 2, "APPROVED", 2),
    ]
    assert world.state()["serves"] == (2, 1)


def test_a_rollout_by_hand_does_not_pass_a_protection_either(world):
    world.two_turns()
    world.store.write(lambda tx: protect(tx, "churn", "champion", people=2))

    def begin(tx):
        return rollout.start(tx, nouns.DEPLOYMENTS.get(tx, "churn"), get_version(tx, "churn", 1), plan=PLAN)

    with pytest.raises(Refused, match="hl model request churn/1 champion"):
        world.store.write(begin)
    outcome = world.store.write(lambda tx: point_or_ask(tx, "churn", "champion", 1, person="ann"))
    with pytest.raises(Refused):
        world.store.write(begin)
    world.approve()
    assert world.store.read(lambda tx: nouns.REQUESTS.get(tx, outcome.id)).state == "APPROVED"
    assert world.store.write(begin).state == "PREPARING"


def test_a_candidate_that_fails_a_gate_is_stopped_and_serves_nobody(world):
    world.accuracy = 0.5
    world.set_up()
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    assert world.turns()[0].state == "REJECTED"
    assert world.store.read(nouns.ROLLOUTS.select) == []


def test_a_candidate_that_fails_calls_is_rolled_back_and_the_champion_stays(world):
    world.set_up()
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    world.errors = 0.5
    world.clock.advance(120)
    world.alarm()
    world.until(lambda: world.is_over(2))
    state = world.state()
    assert state["turns"][1][1] == "ROLLED_BACK"
    assert (state["serves"], state["aliases"]["champion"]) == ((1, 0), 1)


def test_a_turn_that_trains_the_very_same_model_ends_unchanged(world):
    world.set_up()
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    from helicline.loop import turns
    from helicline.records.loop import Cause

    cause = Cause(kind="person", subject="ada", sentence="again")
    world.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), cause))
    world.until(lambda: world.is_over(2))
    assert world.turns()[1].state == "UNCHANGED"
    assert len(world.store.read(nouns.VERSIONS.select)) == 1


def moves_of_two_turns(folder):
    world = SimulatedLoop(f"sqlite:///{folder / 'count.db'}", folder, LocalBlobs(folder / "count"))
    world.two_turns()
    expected, moves = world.state(), world.store.moves
    world.store.close()
    return expected, moves


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return moves_of_two_turns(tmp_path_factory.mktemp("undisturbed"))


PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_server_that_dies_at_any_move_gets_to_the_same_end(undisturbed, tmp_path, when, part):
    expected, moves = undisturbed
    different = {}
    for at in range(part + 1, moves + 1, PARTS):
        blobs = LocalBlobs(tmp_path / f"blobs{at}")
        world = SimulatedLoop(f"sqlite:///{tmp_path / f'{at}.db'}", tmp_path, blobs)
        world.store.write(lambda tx: None)
        world.store.kill = (when, at)
        world.two_turns()
        if world.store.kill is not None or world.starts != 2 or world.state() != expected:
            different[at] = world.state()
        world.store.close()
    assert different == {}


@pytest.mark.parametrize("part", range(3))
def test_a_server_that_dies_gets_to_the_same_end_on_both_databases(undisturbed, world, part):
    expected, moves = undisturbed
    world.store.kill = ("after", (2 * part + 1) * moves // 6)
    world.two_turns()
    assert world.state() == expected


def test_a_server_that_dies_again_and_again_gets_to_the_same_end(undisturbed, world):
    _, moves = undisturbed
    steps = iter(range(3, 10 * moves, 7))
    survive = world.survive

    def dying(act):
        if world.store.kill is None:
            world.store.kill = ("before", world.store.moves + next(steps) % 11 + 1)
        survive(act)

    world.survive = dying
    world.two_turns()
    world.store.kill = None
    assert world.starts > 5
    state = world.state()
    assert {name: state[name] for name in EXPECTED} == EXPECTED


def test_of_two_reconcilers_one_moves_and_the_other_waits(world):
    world.set_up()
    other = Reconciler(world.context, holder="other")
    assert world.reconciler.tick() > 0
    assert (other.tick(), other.hold_lease(), other.fence) == (0, False, 0)


def test_a_lease_that_ran_out_goes_to_the_other_under_a_higher_fence(world):
    first, other = world.reconciler, Reconciler(world.context, holder="other")
    assert first.hold_lease()
    world.clock.advance(RECONCILER_LEASE_S + 1)
    assert other.hold_lease()
    assert other.fence == first.fence + 1
    assert not first.hold_lease()


def test_one_that_lost_its_lease_in_the_middle_of_a_tick_moves_nothing(world):
    world.set_up()
    world.turn_by_hand()
    first, other = world.reconciler, Reconciler(world.context, holder="other")
    first.hold_lease()
    world.clock.advance(RECONCILER_LEASE_S + 1)
    other.hold_lease()
    before = world.store.read(event.head)
    from helicline.loop import turns

    for turn in world.turns():
        assert first._move(turns.advance, nouns.TURNS, (turn.loop, turn.number)) == 0
    assert world.store.read(event.head) == before


def test_two_that_take_turns_never_make_a_move_twice(world, undisturbed):
    expected, _ = undisturbed
    reconcilers = [world.reconciler, Reconciler(world.context, holder="other")]
    ticks = 0

    def round_with_both():
        nonlocal ticks
        ticks += 1
        if ticks % 5 == 0:
            world.clock.advance(RECONCILER_LEASE_S + 1)
            reconcilers.reverse()
        for reconciler in reconcilers:
            reconciler.tick()
        world.work()
        world.observe()
        world.approve()

    world.round = round_with_both
    world.two_turns()
    assert world.state() == expected
