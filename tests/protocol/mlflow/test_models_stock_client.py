"""Autologging, logged models and the registry, as users of the stock client meet them."""

from __future__ import annotations

import uuid

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore")
DATA = np.array([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.9, 0.3], [0.1, 0.7], [0.8, 0.1]] * 4)
LABELS = np.array([0, 1, 0, 1, 0, 1] * 4)


@pytest.fixture
def autologging(client, experiment):
    mlflow.set_experiment(experiment_id=experiment)
    mlflow.sklearn.autolog(silent=True)
    yield
    mlflow.sklearn.autolog(disable=True, silent=True)


def test_an_autologged_model_predicts_the_same_when_loaded_by_its_alias(client, autologging):
    with mlflow.start_run() as run:
        model = LogisticRegression(C=0.5).fit(DATA, LABELS)
    logged = client.get_run(run.info.run_id)
    name = f"digits-{uuid.uuid4().hex[:8]}"
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", name)
    client.set_registered_model_alias(name, "champion", version.version)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    assert logged.data.params["C"] == "0.5"
    assert logged.data.metrics["training_accuracy_score"] == model.score(DATA, LABELS)
    assert logged.outputs.model_outputs
    assert loaded.predict(DATA).tolist() == model.predict(DATA).tolist()


def test_a_grid_search_has_child_runs(client, autologging, experiment):
    with mlflow.start_run() as run:
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(DATA, LABELS)
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    assert {child.data.params["C"] for child in children} == {"0.1", "1.0"}


@pytest.fixture
def logged(client, experiment):
    mlflow.set_experiment(experiment_id=experiment)
    model = LogisticRegression().fit(DATA, LABELS)
    name = f"logged-{uuid.uuid4().hex[:8]}"
    with mlflow.start_run():
        return mlflow.sklearn.log_model(
            model, name="clf", input_example=DATA[:2], registered_model_name=name, params={"depth": 3}, tags={"a": "b"}
        )


def test_a_logged_model_is_ready_found_and_loadable_by_its_id(client, experiment, logged):
    client.set_logged_model_tags(logged.model_id, {"c": "d"})
    client.delete_logged_model_tag(logged.model_id, "a")
    model = client.get_logged_model(logged.model_id)
    assert (model.status.value, model.params["depth"], model.tags["c"]) == ("READY", "3", "d")
    assert "a" not in model.tags
    assert len(mlflow.pyfunc.load_model(f"models:/{logged.model_id}").predict(DATA)) == len(DATA)
    filter = "params.depth = '3' AND tags.c LIKE 'd%' AND name = 'clf'"
    assert [hit.model_id for hit in client.search_logged_models([experiment], filter)] == [logged.model_id]
    assert client.search_logged_models([experiment], "params.depth = '4'") == []


def test_a_model_is_loaded_by_its_stage(client, logged):
    name = client.search_model_versions(f"run_id = '{logged.run_id}'")[0].name
    with pytest.raises(mlflow.exceptions.MlflowException, match="Production"):
        mlflow.pyfunc.load_model(f"models:/{name}/Production")
    client.transition_model_version_stage(name, "1", "Production", archive_existing_versions=True)
    assert len(mlflow.pyfunc.load_model(f"models:/{name}/Production").predict(DATA)) == len(DATA)
    assert len(mlflow.pyfunc.load_model(f"models:/{name}@production").predict(DATA)) == len(DATA)


def test_a_metric_of_a_model_is_kept_with_the_model_and_the_run(client, experiment, logged):
    mlflow.log_metric("auc", 0.9, model_id=logged.model_id, run_id=logged.run_id)
    (metric,) = client.get_logged_model(logged.model_id).metrics
    assert (metric.key, metric.value, metric.run_id) == ("auc", 0.9, logged.run_id)
    assert client.get_run(logged.run_id).data.metrics["auc"] == 0.9
    order = [{"field_name": "metrics.auc", "ascending": False}]
    hits = client.search_logged_models([experiment], "metrics.auc > 0.5", order_by=order)
    assert [model.model_id for model in hits] == [logged.model_id]


def test_the_files_of_a_runs_model_are_found_under_the_run(client, logged, tmp_path):
    folder = mlflow.artifacts.download_artifacts(f"runs:/{logged.run_id}/clf", dst_path=str(tmp_path))
    assert "MLmodel" in {path.name for path in __import__("pathlib").Path(folder).iterdir()}


def test_a_deleted_logged_model_is_gone(client, experiment, logged):
    client.delete_logged_model(logged.model_id)
    assert client.search_logged_models([experiment]) == []
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
        client.get_logged_model(logged.model_id)
