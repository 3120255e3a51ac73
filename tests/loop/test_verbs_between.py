"""By-hand verbs that fall between the reading of evidence and the transaction that acts on it."""

import itertools
from datetime import timedelta

import msgspec
import pytest

from helicline.errors import HeliclineError
from helicline.loop import decide as turn_decide
from helicline.loop import turns
from helicline.loop.monitors import monitor_windows
from helicline.loop.reconciler import Reconciler
from helicline.pipeline import decide as pipeline_decide
from helicline.pipeline import runs
from helicline.records.loop import FINISHED
from helicline.serving import deployments, rollout
from helicline.store import nouns
from support.records import NOW, reading, revision, stage
from support.records import rollout as rollout_row


class Interleaved(Reconciler):
    """A reconciler in whose way a person comes: `between` runs once, after evidence was read and before the move."""

    between = None

    def _act_on(self, act, noun, key, *extra):
        between, row = self.between, self._read(lambda tx: noun.find(tx, *key))
        if between is not None and between[0] is noun and row is not None and between[1](row):
            self.between = None
            between[2]()
        return super()._act_on(act, noun, key, *extra)


VERBS = {
    "promote": lambda tx: rollout.promote(tx, "churn", reason="by hand"),
    "roll back": lambda tx: rollout.roll_back(tx, "churn", reason="by hand"),
    "hold": lambda tx: rollout.hold(tx, "churn"),
    "resume": lambda tx: rollout.resume(tx, "churn"),
    "advance": lambda tx: rollout.skip_step(tx, "churn", reason="by hand"),
    "cancel the turn": lambda tx: turns.cancel(tx, nouns.TURNS.get(tx, "churn", 2), reason="by hand"),
}
ENDS = {"promote": "SUCCEEDED", "roll back": "ROLLED_BACK", "cancel the turn": "ROLLED_BACK"}


def second_rollout(world, verb, *, at):
    """Run to the second rollout and do `verb` by hand in the middle of its `at`-th move; return what it gave."""
    world.set_up()
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    world.clock.advance(120)
    world.alarm()
    calls, answers = itertools.count(1), []

    def act():
        try:
            answers.append(world.store.write(VERBS[verb], actor="ada"))
        except HeliclineError as error:
            answers.append(error)

    world.reconciler = Interleaved(world.context, holder="server-x")
    world.clock.advance(20)
    world.reconciler.between = (
        nouns.ROLLOUTS,
        lambda row: row.number == 2 and row.state in deployments.ACTIVE and next(calls) == at,
        act,
    )
    world.until(lambda: answers)
    return answers[0]


@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_during_a_rollouts_move_is_never_lost_and_never_undone(world, verb, at):
    answer = second_rollout(world, verb, at=at)
    for _ in range(3):
        world.reconciler.tick()
        world.clock.advance(0.1)
    row = world.store.read(lambda tx: nouns.ROLLOUTS.get(tx, "churn", 2))
    if verb in ENDS and not isinstance(answer, HeliclineError):
        assert row.state == ENDS[verb]
    if verb == "hold" and not isinstance(answer, HeliclineError):
        assert row.paused
        world.store.write(VERBS["resume"])
    world.until(lambda: world.is_over(2))
    ended = world.store.read(lambda tx: nouns.ROLLOUTS.get(tx, "churn", 2))
    turn, state = world.turns()[1], world.state()
    assert (ended.state in deployments.ACTIVE, turn.state in FINISHED) == (False, True)
    assert state["serves"][0] == (2 if ended.state == "SUCCEEDED" else 1)
    assert verb not in ENDS or isinstance(answer, HeliclineError) or ended.state == ENDS[verb]


ENDED_ROLLOUTS = ("SUCCEEDED", "ROLLED_BACK", "FAILED", "CANCELLED")


@pytest.mark.parametrize("state", ENDED_ROLLOUTS)
@pytest.mark.parametrize("candidate", ["READY", "FAILED", "LOADING"])
@pytest.mark.parametrize("outcome", ["pass", "fail", "no_data"])
def test_a_rollout_that_has_ended_never_moves(state, candidate, outcome):
    row = rollout_row(state, step=1)
    facts = rollout.RolloutFacts(
        candidate=revision(candidate), stable=revision(number=1), stages=(stage(2),), readings=(reading(outcome),)
    )
    assert rollout.decide(row, facts, NOW + timedelta(days=1)).kind == "ended"


def test_a_turn_that_has_ended_never_moves(world):
    world.two_turns()
    for state in FINISHED:
        turn = msgspec.structs.replace(world.turns()[0], state=state)
        assert turn_decide.decide(turn, turn_decide.TurnFacts(), NOW).kind == "wait"


def test_a_pipeline_run_that_has_ended_never_moves(world):
    world.two_turns()
    (run, *_) = world.store.read(nouns.PIPELINE_RUNS.select)
    steps = world.store.read(lambda tx: runs.steps_of(tx, run.id))
    for state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        ended = msgspec.structs.replace(run, state=state)
        assert pipeline_decide.decide(ended, steps, attempts={}, now=NOW).kind == "ended"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_pipeline_run_that_is_cancelled_during_its_move_stays_cancelled(world, at):
    world.set_up()
    calls = itertools.count(1)

    def cancel():
        (run,) = world.store.read(nouns.PIPELINE_RUNS.select)
        world.store.write(lambda tx: runs.cancel(tx, run.id))

    world.reconciler = Interleaved(world.context, holder="server-x")
    world.reconciler.between = (
        nouns.PIPELINE_RUNS,
        lambda row: row.state in ("QUEUED", "RUNNING") and next(calls) == at,
        cancel,
    )
    world.turn_by_hand()
    world.until(lambda: world.is_over(1))
    assert world.turns()[0].state == "CANCELLED"
    assert [run.state for run in world.store.read(nouns.PIPELINE_RUNS.select)] == ["CANCELLED"]


def test_a_window_of_a_revision_that_no_longer_serves_is_not_recorded(world):
    """Traffic is flipped back while a monitor judges: what it saw is no longer about what serves."""
    world.two_turns()
    monitor = world.add_monitor()
    subject = world.store.read(lambda tx: monitor_windows.subject_of(tx, "churn"))
    world.store.write(lambda tx: deployments.flip_back(tx, "churn", reason="by hand"))
    assert monitor_windows.record(world.context, monitor, subject, window=None) == 0
    assert world.store.read(lambda tx: monitor_windows.latest_windows(tx, "churn", monitor.name, limit=5)) == []
