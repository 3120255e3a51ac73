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
