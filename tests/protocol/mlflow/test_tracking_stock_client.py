"""Experiments, runs and artifacts, as users of the stock client meet them."""

from __future__ import annotations

import math
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_experiment_lives_dies_and_returns(client, experiment):
    client.set_experiment_tag(experiment, "team", "red")
    client.rename_experiment(experiment, f"renamed-{experiment}")
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    hits = client.search_experiments(filter_string=f"name = 'renamed-{experiment}' AND tags.team = 'red'")
    assert [hit.experiment_id for hit in hits] == [experiment]
    assert client.get_experiment_by_name("no such") is None


def test_what_is_logged_comes_back(client, experiment):
    with mlflow.start_run(experiment_id=experiment, run_name="first", tags={"a": "b"}) as active:
        mlflow.log_params({"lr": 0.1, "depth": 3})
        mlflow.log_metrics({"auc": 0.5, "nan": math.nan}, step=1)
        mlflow.log_metric("auc", 0.75, step=2)
        mlflow.set_tag("c", "d")
    run = client.get_run(active.info.run_id)
    assert (run.info.run_name, run.info.status, run.data.params) == ("first", "FINISHED", {"lr": "0.1", "depth": "3"})
    assert run.data.metrics["auc"] == 0.75
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.tags.items() >= {"a": "b", "c": "d", "mlflow.runName": "first"}.items()
    assert [metric.value for metric in client.get_metric_history(run.info.run_id, "auc")] == [0.5, 0.75]


def test_a_batch_may_be_repeated(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    for _ in range(2):
        client.log_batch(run_id, [Metric("m", 1.0, 5, 0)], [Param("p", "1")], [RunTag("t", "v")])
    assert len(client.get_metric_history(run_id, "m")) == 1


def test_a_deleted_run_is_found_only_when_asked_for(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.delete_run(run_id)
    client.delete_run(run_id)
    assert len(client.search_runs([experiment])) == 0
    assert len(client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(run_id)
    assert len(client.search_runs([experiment])) == 1


def test_search_pages_through_many_runs(client, experiment):
    for number in range(5):
        run_id = client.create_run(experiment).info.run_id
        client.log_metric(run_id, "m", number)
    first = client.search_runs([experiment], "metrics.m >= 1", max_results=3, order_by=["metrics.m DESC"])
    second = client.search_runs(
        [experiment], "metrics.m >= 1", max_results=3, order_by=["metrics.m DESC"], page_token=first.token
    )
    assert [run.data.metrics["m"] for run in (*first, *second)] == [4, 3, 2, 1]
    assert not second.token


def test_a_long_history_comes_whole(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    for start in range(0, 3000, 1000):
        client.log_batch(run_id, [Metric("m", float(n), n, n) for n in range(start, start + 1000)])
    assert [metric.step for metric in client.get_metric_history(run_id, "m")] == list(range(3000))


def test_a_dataset_that_a_run_used_is_told_with_it(client, experiment):
    with mlflow.start_run(experiment_id=experiment) as active:
        mlflow.log_input(mlflow.data.from_numpy(__import__("numpy").arange(4), name="four"), context="training")
    (used,) = client.get_run(active.info.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.tags[0].value) == ("four", "training")
    assert len(client.search_runs([experiment], "datasets.name = 'four'")) == 1


def test_files_and_folders_come_back_byte_by_byte(client, experiment, tmp_path: Path):
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "big.bin").write_bytes(bytes(range(256)) * 20_000)
    (folder / "ünï code.txt").write_text("text")
    (folder / "empty").write_bytes(b"")
    run_id = client.create_run(experiment).info.run_id
    client.log_artifacts(run_id, str(folder), "out")
    client.log_text(run_id, "hello", "note.txt")
    listed = {(entry.path, entry.is_dir) for entry in client.list_artifacts(run_id)}
    assert listed == {("out", True), ("note.txt", False)}
    assert client.list_artifacts(run_id, "note.txt") == []
    local = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    assert (local / "out/deep/big.bin").read_bytes() == (folder / "deep/big.bin").read_bytes()
    assert (local / "out/ünï code.txt").read_text() == "text"
    assert (local / "out/empty").read_bytes() == b""
    assert (local / "note.txt").read_text() == "hello"


def test_deleted_artifacts_are_gone(client, http, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "hello", "a/note.txt")
    root = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts"
    assert http.delete(f"{root}/a").status_code == 200
    assert client.list_artifacts(run_id) == []
    assert http.get(f"{root}/a/note.txt").status_code == 404


def test_a_page_among_the_artifacts_cannot_run_in_a_browser(client, http, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "<script>alert(1)</script>", "x.html")
    answer = http.get(f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/x.html")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_parameter_is_written_once(client, experiment):
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "lr", 1)
    client.log_param(run_id, "lr", 1)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(run_id, "lr", 2)


def test_renaming_a_run_and_its_tag_are_one(client, experiment):
    run_id = client.create_run(experiment, run_name="one").info.run_id
    client.set_tag(run_id, "mlflow.runName", "two")
    assert client.get_run(run_id).info.run_name == "two"
    client.update_run(run_id, name="three")
    assert client.get_run(run_id).data.tags["mlflow.runName"] == "three"
