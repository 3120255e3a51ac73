"""Run summary rows always say what the rows of the run say."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa

from helicline import tracking
from helicline.records.run import DatasetInput, MetricPoint, ModelOutput
from helicline.store.rows import run as rows
from helicline.store.rows import run_summary
from helicline.store.rows import trash as trash_rows

END = "FINISHED"
POINT = MetricPoint("loss", 0.5, 1000, 1)
DATASET = DatasetInput(name="train", digest="d1", tags={"mlflow.data.context": "training"})


def settled(store) -> None:
    """Wait until the writer has done what views handed on: it does the bulks of one group in any order."""
    for _ in range(2):
        store.gather(lambda _tx, items: [None] * len(items), None).result()


def searched(store):
    runs, _ = store.read(lambda tx: tracking.search_runs(tx, ["0"]))
    settled(store)
    return runs


def summaries(store) -> list[str]:
    return sorted(store.read(lambda tx: [row.run for row in tx.execute(sa.select(run_summary.RUN_SUMMARY))]))


def finished(store, **logged) -> str:
    def unit(tx):
        run_id = tracking.create_run(tx, "0", name="one").run_id
        tracking.log_batch(tx, run_id, **logged)
        return tracking.update_run(tx, run_id, status=END).run_id

    return store.write(unit)


@pytest.fixture
def run_id(store) -> str:
    """A finished run with a bit of everything, whose summary is made."""
    run_id = finished(store, metrics=[POINT, MetricPoint("nan", math.nan, 1, 0)], params={"lr": "0.1"}, tags={"t": "1"})
    store.write(lambda tx: tracking.log_inputs(tx, run_id, datasets=[DATASET], model_ids=[]))
    searched(store)
    assert summaries(store) == [run_id]
    return run_id


def from_rows(store, run_id: str):
    """Return the run as it is told by its rows alone."""

    def unit(tx):
        run_summary.drop(tx, [run_id])
        run = rows.find(tx, run_id)
        raise Undone(run)

    with pytest.raises(Undone) as undone:
        store.write(unit)
    return undone.value.args[0]


class Undone(Exception):
    pass


def test_a_run_is_the_same_from_its_summary_as_from_its_rows(store, run_id):
    (run,) = searched(store)
    assert summaries(store) == [run_id]
    assert msgspec.json.encode(run) == msgspec.json.encode(from_rows(store, run_id))
    assert (run.metrics[0], math.isnan(run.metrics[1].value)) == (POINT, True)
    assert (run.params, run.inputs) == ({"lr": "0.1"}, (DATASET,))


def log_again(tx, run_id):
    assert tracking.log_metrics(tx, [(run_id, [MetricPoint("loss", 0.25, 2000, 2)])]) == [None]


CHANGES = {
    "metric": log_again,
    "metric of a batch": lambda tx, run_id: tracking.log_batch(tx, run_id, metrics=[MetricPoint("new", 1.0, 1, 1)]),
    "param": lambda tx, run_id: tracking.log_batch(tx, run_id, params={"depth": "3"}),
    "tag": lambda tx, run_id: tracking.log_batch(tx, run_id, tags={"t": "2"}),
    "tag that goes": lambda tx, run_id: tracking.untag_run(tx, run_id, "t"),
    "name": lambda tx, run_id: tracking.update_run(tx, run_id, name="two"),
    "input": lambda tx, run_id: tracking.log_inputs(
        tx, run_id, datasets=[msgspec.structs.replace(DATASET, digest="d2")], model_ids=[]
    ),
    "output": lambda tx, run_id: tracking.log_outputs(tx, run_id, [ModelOutput(model_id=a_model(tx), step=3)]),
    "model of an older client": lambda tx, run_id: tracking.record_model(
        tx, run_id, {"artifact_path": "m", "flavors": {}, "utc_time_created": "x", "run_id": run_id}
    ),
    "status": lambda tx, run_id: tracking.update_run(tx, run_id, status="RUNNING"),
}


def a_model(tx) -> str:
    return tracking.create_logged_model(tx, "0", name="m").model_id


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_nobody_is_told_what_was(store, run_id, change):
    (before,) = searched(store)
    store.write(lambda tx: CHANGES[change](tx, run_id))
    assert summaries(store) == []
    (run,) = searched(store)
    assert run != before
    assert msgspec.json.encode(run) == msgspec.json.encode(from_rows(store, run_id))
    assert summaries(store) == ([] if change == "status" else [run_id])


def test_a_model_that_is_purged_leaves_the_runs_that_made_it(store, run_id):
    model_id = store.write(a_model)
    store.write(lambda tx: tracking.log_outputs(tx, run_id, [ModelOutput(model_id=model_id, step=0)]))
    assert searched(store)[0].model_outputs == (ModelOutput(model_id=model_id, step=0),)
    store.write(lambda tx: trash_rows.remove_model(tx, model_id))
    assert searched(store)[0].model_outputs == ()


def test_a_run_that_is_purged_takes_its_summary_along(store, run_id):
    store.write(lambda tx: trash_rows.remove_run(tx, run_id))
    assert (searched(store), summaries(store)) == ([], [])


def test_a_change_that_is_undone_keeps_the_summary(store, run_id):
    def unit(tx):
        tracking.log_batch(tx, run_id, tags={"t": "3"})
        raise Undone

    with pytest.raises(Undone):
        store.write(unit)
    assert summaries(store) == [run_id]
    assert searched(store)[0].tags["t"] == "1"


def test_a_run_under_way_has_no_summary(store):
    store.write(lambda tx: tracking.create_run(tx, "0"))
    searched(store)
    assert summaries(store) == []


def test_a_run_that_changed_since_it_was_missed_gets_the_summary_of_now(store):
    """The unit that makes a summary reads the rows itself: what the view saw may be over."""
    run_id = finished(store, tags={"t": "1"})
    handed = []

    def view(tx):
        page = tracking.search_runs(tx, ["0"])
        handed.extend(tx.background_writes)
        tx.background_writes.clear()
        return page

    store.read(view)
    store.write(lambda tx: tracking.log_batch(tx, run_id, tags={"t": "2"}))
    for make, item in handed:
        store.gather(make, item).result()
    assert summaries(store) == [run_id]
    assert searched(store)[0].tags["t"] == "2"


def test_of_a_huge_page_only_some_summaries_are_made_at_once(store, monkeypatch):
    monkeypatch.setattr(run_summary, "MAX_BYTES", 250)
    for at in range(5):
        finished(store, params={f"p{number}": str(at) for number in range(2)})
    assert len(searched(store)) == 5
    count = len(summaries(store))
    assert 0 < count < 5
    for _ in range(5):
        searched(store)
    assert len(summaries(store)) == 5


def test_a_run_too_long_for_a_summary_does_not_stand_in_the_way(store, monkeypatch):
    monkeypatch.setattr(run_summary, "MAX_BYTES", 250)
    small = finished(store)
    finished(store, params={"long": "x" * 300})
    assert [run.params.get("long", "") for run in searched(store)] == ["x" * 300, ""]
    assert summaries(store) == [small]


def test_a_dataset_that_runs_share_is_kept_once(store):
    schema = "x" * 100_000
    run_ids = [finished(store) for _ in range(3)]
    for run_id in run_ids:
        long = msgspec.structs.replace(DATASET, schema=schema)
        store.write(lambda tx, run_id=run_id, long=long: tracking.log_inputs(tx, run_id, datasets=[long], model_ids=[]))
    searched(store)
    assert summaries(store) == sorted(run_ids)
    assert {run.inputs[0].schema for run in searched(store)} == {schema}
    bodies = store.read(lambda tx: [row.body for row in tx.execute(sa.select(run_summary.RUN_SUMMARY))])
    assert max(map(len, bodies)) < 1000


def test_a_summary_that_cannot_be_read_is_made_anew(store, run_id, caplog):
    store.write(lambda tx: tx.execute(run_summary.RUN_SUMMARY.update().values(body=b"\xc1")))
    assert searched(store)[0].params == {"lr": "0.1"}
    assert "cannot be read" in caplog.text
    caplog.clear()
    assert searched(store)[0].params == {"lr": "0.1"}
    assert caplog.text == ""


def test_summaries_lie_in_the_form_that_this_release_reads():
    """Whoever changes the form empties the table in a migration: servers find summaries of the release before."""
    logged = run_summary.RunSummary(
        (("loss", 0.5, 1000, 1),), {"lr": "0.1"}, {"t": "1"}, ("m-1",), (ModelOutput(model_id="m-2"),)
    )
    body = (
        "9591 94a46c6f7373cb3fe0000000000000cd03e801 81a26c72a3302e31 81a174a131 91a36d2d31"
        " 9182a86d6f64656c5f6964a36d2d32a47374657000"
    )
    assert run_summary.encoded(logged).hex() == body.replace(" ", "")


def test_a_maker_that_fails_fails_nobody_and_rests(store, monkeypatch, caplog):
    run_id = finished(store)
    tries = []

    def fail(tx, items):
        tries.append(items)
        raise RuntimeError("no room")

    monkeypatch.setattr(run_summary, "save", fail)
    for _ in range(5):
        assert [run.run_id for run in searched(store)] == [run_id]
    settled(store)
    assert caplog.text.count("no room") >= 1
    assert len(tries) <= 2  # on PostgreSQL what fails among others is tried once more alone


@pytest.mark.parametrize("holds", ["bare", "held"])
def test_nobody_is_told_what_was_however_views_and_changes_meet(store, holds):
    """Views that have summaries made and units that change the runs at the same time, round after round."""
    run_ids = [finished(store, params={f"p{at}": "x" for at in range(5)}) for _ in range(20)]

    def change(part, number):
        for run_id in part:
            if holds == "bare":
                store.write(lambda tx, run_id=run_id: tracking.log_batch(tx, run_id, tags={"t": str(number)}))
            else:
                batch = (run_id, [MetricPoint("loss", float(number), 1000 + number, number)])
                store.gather(tracking.log_metrics, batch).result()

    for number in range(12):
        store.write(lambda tx: tx.execute(run_summary.RUN_SUMMARY.delete()))
        with ThreadPoolExecutor(5) as pool:
            acts = [pool.submit(searched, store) for _ in range(2)]
            acts += [pool.submit(change, run_ids[at::3], number) for at in range(3)]
            for act in acts:
                act.result()
        settled(store)
        for run in searched(store):
            value = run.tags.get("t") if holds == "bare" else run.metrics[0].value
            assert value == (str(number) if holds == "bare" else float(number))
