"""A loop whose pipeline makes no candidate: its turns are its runs, by hand, by schedule and by new data."""

import msgspec
import pytest

from helicline.errors import Conflict, NotFound
from helicline.loop import loops, turns
from helicline.pipeline import runs
from helicline.records.loop import Cause, TriggerSpec
from helicline.store import nouns
from support.records import commit, loop_spec, training_spec

TRIGGERS = (
    TriggerSpec(kind="schedule", cron="0 3 * * *", cool_down_s=0.0),
    TriggerSpec(kind="new_data", cool_down_s=0.0),
)
PIPELINE = msgspec.structs.replace(training_spec(), name="ingest", candidate=None)
SPEC = loop_spec(name="ingest", model="ingest", deployment="ingest", pipeline=PIPELINE, triggers=TRIGGERS)
CAUSE = Cause(kind="person", subject="ada", sentence="ada ran it")


@pytest.fixture
def ingest(world):
    """The world with the loop applied, and a first turn by hand."""
    commit(world.store, world.blobs, b"first rows")
    world.store.write(lambda tx: loops.apply(tx, SPEC))
    world.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "ingest"), CAUSE))
    world.until(lambda: world.turns()[-1].state == "SUCCEEDED")
    return world


def test_a_turn_ends_when_the_pipeline_has_run(ingest):
    (turn,) = ingest.turns()
    assert [(leg.name, leg.result) for leg in turn.legs] == [("train", "succeeded")]
    assert turn.model_version == 0
    assert ingest.store.read(nouns.DEPLOYMENTS.select) == ingest.store.read(nouns.VERSIONS.select) == []


def test_the_schedule_and_new_data_begin_the_next_turns(ingest):
    ingest.clock.advance(86_400)
    ingest.until(lambda: len(ingest.turns()) == 2 and ingest.turns()[-1].state == "SUCCEEDED")
    commit(ingest.store, ingest.blobs, b"second rows")
    ingest.until(lambda: len(ingest.turns()) == 3 and ingest.turns()[-1].state == "SUCCEEDED")
    assert [turn.cause.kind for turn in ingest.turns()] == ["person", "schedule", "new_data"]


def test_a_harvest_for_a_loop_without_a_model_is_refused(ingest):
    with pytest.raises(Conflict, match="has no model"):
        ingest.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "ingest"), CAUSE, harvest=True))


def test_a_pipeline_runs_by_itself_without_a_turn(ingest):
    def submit(tx):
        return runs.submit(tx, loops.of_pipeline(tx, "ingest").spec.pipeline, use_cache=False)

    run = ingest.store.write(submit)
    ingest.until(lambda: ingest.store.read(lambda tx: nouns.PIPELINE_RUNS.get(tx, run.id)).state == "SUCCEEDED")
    assert len(ingest.turns()) == 1


def test_a_pipeline_that_no_loop_names_is_refused_with_the_next_step(ingest):
    with pytest.raises(NotFound) as error:
        ingest.store.read(lambda tx: loops.of_pipeline(tx, "nowhere"))
    assert "hl apply loop.py" in error.value.hint
