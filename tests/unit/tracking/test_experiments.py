"""Experiments, soft deletion, and artifact paths."""

from __future__ import annotations

import pytest

from helicline import tracking
from helicline.errors import Conflict, Invalid, NotFound
from helicline.records.run import DatasetInput
from helicline.store.database import Store
from helicline.store.rows import event
from helicline.tracking.checks import checked_location, checked_path
from helicline.tracking.errors import NotActive


def test_the_default_experiment_is_there_from_the_start(store: Store):
    assert store.read(lambda tx: tracking.get_experiment(tx, "0")).name == "Default"


def test_ids_count_up_from_one_even_when_made_at_once(store: Store):
    futures = [store.submit(lambda tx, n=n: tracking.create_experiment(tx, f"e{n}")) for n in range(12)]
    assert {future.result(timeout=30).experiment_id for future in futures} == {str(n) for n in range(1, 13)}


def test_a_name_stays_taken_after_deletion(store: Store):
    experiment = store.write(lambda tx: tracking.create_experiment(tx, "churn"))
    store.write(lambda tx: tracking.delete_experiment(tx, experiment.experiment_id))
    with pytest.raises(Conflict):
        store.write(lambda tx: tracking.create_experiment(tx, "churn"))
    with pytest.raises(NotActive):
        store.write(lambda tx: tracking.ensure_experiment(tx, "churn"))


def test_deleting_an_experiment_hides_its_runs_until_it_is_restored(store: Store):
    experiment = store.write(lambda tx: tracking.ensure_experiment(tx, "churn"))
    run = store.write(lambda tx: tracking.create_run(tx, experiment.experiment_id))
    store.write(lambda tx: tracking.delete_experiment(tx, experiment.experiment_id))
    assert store.read(lambda tx: tracking.get_run(tx, run.run_id)).lifecycle == "deleted"
    store.write(lambda tx: tracking.restore_experiment(tx, experiment.experiment_id))
    assert store.read(lambda tx: tracking.get_run(tx, run.run_id)).lifecycle == "active"
    with pytest.raises(NotFound):
        store.write(lambda tx: tracking.restore_experiment(tx, experiment.experiment_id))


def test_every_change_is_an_event_but_no_metric_is(store: Store):
    experiment = store.write(lambda tx: tracking.create_experiment(tx, "churn"))
    run = store.write(lambda tx: tracking.create_run(tx, experiment.experiment_id))
    store.write(lambda tx: tracking.log_batch(tx, run.run_id, tags={"a": "b"}))
    for _ in range(2):
        store.write(lambda tx: tracking.update_run(tx, run.run_id, status="FINISHED"))
    changes = [(e.verb, e.noun) for e in store.read(lambda tx: event.after(tx, 0))]
    assert changes == [("created", "experiment"), ("created", "run"), ("finished", "run")]


def test_a_folder_lists_its_files_and_folders_and_no_neighbour(store: Store):
    def unit(tx) -> None:
        for path in ("1/r/artifacts/model/MLmodel", "1/r/artifacts/model/data/x", "1/r/artifacts/model2/y"):
            tracking.put_artifact(tx, path, hash="0" * 64, size=3)

    store.write(unit)
    entries = store.read(lambda tx: tracking.list_artifacts(tx, "1/r/artifacts/model"))
    assert [(entry.path, entry.is_dir, entry.size) for entry in entries] == [("MLmodel", False, 3), ("data", True, 0)]
    files = store.read(lambda tx: tracking.artifact_files(tx, "1/r/artifacts"))
    assert [file.path for file in files] == ["model/MLmodel", "model/data/x", "model2/y"]
    assert store.write(lambda tx: tracking.delete_artifacts(tx, "1/r/artifacts/model")) == 2


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../b", "a\\..\\b", "/etc/passwd", "C:/x", "//host/x", "a//b", "a/./b", "%2e%2e/x",
        "%252e%252e%252fx", "a/%2e%2e/b",
        "．．/x", "a／..／b", "x#y", "a\nb", "a\rb", "a\x1b[31mb", "a\u202eb", "x" * 256, "a/" * 1100 + "x",
        "", ".", "... /x", ".. /x",
    ],
)  # fmt: skip
def test_a_path_that_could_mean_another_is_refused(path: str):
    with pytest.raises(Invalid):
        checked_path("path", path)


@pytest.mark.parametrize(
    "path",
    ["a", "a b/c.txt", "0/r/artifacts/ünï.png", "x=1,y=2", "100%/x", "..a", "a;b", "aux.csv", "aux/con", "nul",
     "a/COM1", "im%step%0%timestamp%1700000000000%9a.png", "a%00b", "x.", "x ", "u\u0308.png", "x" * 255],
)  # fmt: skip
def test_an_ordinary_path_is_kept_as_it_is(path: str):
    assert checked_path("path", path) == path


@pytest.mark.parametrize(
    "location",
    ["runs:/x/y", "jar:x", "s3://../x", "S3://b/x", "//host/x", "relative/x", "s3://b/x?y", "s3://b/x#y", "s3://b/x;p",
     "file:relative", "file:///a/../b", "x" * 2049, "javascript:alert(1)"],
)  # fmt: skip
def test_an_artifact_location_of_no_known_store_is_refused(location: str):
    with pytest.raises(Invalid):
        checked_location("artifact_location", location)


@pytest.mark.parametrize("location", ["", "s3://bucket/prefix", "mlflow-artifacts:/x", "file:///srv/x", "/srv/x"])
def test_an_artifact_location_of_a_known_store_is_kept(location: str):
    assert checked_location("artifact_location", location) == location


def test_the_longest_names_that_are_allowed_can_be_kept(store: Store):
    long = "\U0001f600" * 60
    path = "/".join([long] * 8)
    store.write(lambda tx: tracking.put_artifact(tx, path, hash="0" * 64, size=1))
    assert store.read(lambda tx: tracking.get_artifact(tx, path)).size == 1
    assert store.write(lambda tx: tracking.create_experiment(tx, "\U0001f600" * 500)).experiment_id == "1"
    run = store.write(lambda tx: tracking.create_run(tx, "1"))
    wide = DatasetInput(name="\x01" * 500, digest="d")
    store.write(lambda tx: tracking.log_inputs(tx, run.run_id, datasets=[wide]))
    store.write(lambda tx: tracking.log_batch(tx, run.run_id, params={"\u00e9" * 250: "\u00e9" * 6000}))


def test_an_id_that_is_no_id_is_refused(store: Store):
    with pytest.raises(Invalid):
        store.write(lambda tx: tracking.create_logged_model(tx, "0", run_id="x" * 5000))
    with pytest.raises(Invalid):
        store.write(lambda tx: tracking.create_logged_model(tx, "0", facts=({"k" * 5000: ""}, {})))
