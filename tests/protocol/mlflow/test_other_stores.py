"""Files that lie elsewhere: in stores of others, in local folders, and with another tracking server."""

from __future__ import annotations

import uuid
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from support.mlflow_wire_server import MlflowWireServer

TWO = "/api/2.0/mlflow"
ABSENT_RUN, ABSENT_MODEL = "0123456789abcdef" * 2, "m-" + "0123456789abcdef" * 2


def new_name() -> str:
    return f"elsewhere-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def name(client) -> str:
    return client.create_registered_model(new_name()).name


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """Another server, which records the runs while `server` is the registry."""
    running = MlflowWireServer(tmp_path_factory.mktemp("tracking"))
    yield running
    running.close()


@pytest.fixture
def two_servers(client, tracking, server):
    """The stock client with its runs on one server and its registry on the other."""
    mlflow.set_tracking_uri(tracking.url)
    yield mlflow.MlflowClient(tracking.url, server.url)
    mlflow.set_tracking_uri(server.url)


@pytest.mark.parametrize("location", ["dbfs:/experiments/x", "s3a://bucket/x", "adl://lake/x"])
def test_an_experiment_may_lie_in_any_store_of_the_stock_server(client, location):
    experiment = client.get_experiment(client.create_experiment(new_name(), location))
    assert experiment.artifact_location == location
    run = client.create_run(experiment.experiment_id)
    assert run.info.artifact_uri == f"{location}/{run.info.run_id}/artifacts"


@pytest.mark.parametrize(
    ("location", "absolute"),
    [("rel/path", "{here}/rel/path"), ("./rel", "{here}/rel"), ("file:rel", "file://{here}/rel"),
     ("/abs/a:b", "/abs/a:b"), ("file:///abs", "file:///abs")],
)  # fmt: skip
def test_a_relative_location_begins_where_the_server_runs(client, location, absolute):
    experiment = client.get_experiment(client.create_experiment(new_name(), location))
    assert experiment.artifact_location == absolute.format(here=Path.cwd())


@pytest.mark.parametrize("location", ["../up", "rel/../../x", "file:../x", "foo://bar/x", "C:/x"])
def test_a_location_that_leads_out_or_nowhere_is_refused(client, location):
    with pytest.raises(MlflowException, match="Invalid"):
        client.create_experiment(new_name(), location)


@pytest.mark.parametrize("source", ["dbfs:/databricks/m", "dbfs://profile@databricks/m", "s3a://bucket/m", "adl://l/m"])
def test_a_version_may_lie_in_any_store_of_the_stock_server(client, name, source):
    assert client.create_model_version(name, source).source == source
    assert client.get_model_version_download_uri(name, "1") == source


def test_a_version_of_a_run_elsewhere_is_registered_and_loads(two_servers, name, tracking):
    run_id = two_servers.create_run("0").info.run_id
    two_servers.log_text(run_id, "flavors: {}", "model/MLmodel")
    version = mlflow.register_model(f"runs:/{run_id}/model", name)
    assert (version.run_id, version.source) == (run_id, f"mlflow-artifacts:/0/{run_id}/artifacts/model")
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1"))
    assert (folder / "MLmodel").read_text() == "flavors: {}"


def test_a_version_of_a_logged_model_elsewhere_is_registered_and_loads(two_servers, name, tmp_path):
    model = two_servers.create_logged_model("0", name="m")
    (tmp_path / "MLmodel").write_text("flavors: {}")
    two_servers.log_model_artifacts(model.model_id, str(tmp_path))
    two_servers.finalize_logged_model(model.model_id, "READY")
    assert mlflow.register_model(f"models:/{model.model_id}", name).source == f"models:/{model.model_id}"
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1"))
    assert (folder / "MLmodel").read_text() == "flavors: {}"


@pytest.mark.parametrize(
    "claim",
    [{"source": f"runs:/{ABSENT_RUN}/model", "run_id": ABSENT_RUN},
     {"source": f"mlflow-artifacts:/0/{ABSENT_RUN}/artifacts/m", "run_id": ABSENT_RUN},
     {"source": f"models:/{ABSENT_MODEL}", "model_id": ABSENT_MODEL},
     {"source": f"s3://b/{ABSENT_MODEL}", "model_id": ABSENT_MODEL, "run_id": ABSENT_RUN}],
)  # fmt: skip
def test_a_version_from_elsewhere_keeps_its_source(http, name, claim):
    created = http.post(f"{TWO}/model-versions/create", json={"name": name} | claim).json()["model_version"]
    assert {key: created[key] for key in claim} == claim
    about = {"name": name, "version": "1"}
    assert http.get(f"{TWO}/model-versions/get-download-uri", params=about).json() == {"artifact_uri": claim["source"]}


def test_a_version_from_elsewhere_names_no_file_of_this_server(http, client, experiment, name):
    """Who claims a run that is not here must not get at the files of one that is."""
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "secret", "model/note.txt")
    source = f"mlflow-artifacts:/{experiment}/{run_id}/artifacts/model"
    http.post(
        f"{TWO}/model-versions/create", json={"name": name, "source": source, "run_id": ABSENT_RUN}
    ).raise_for_status()
    answer = http.get("/model-versions/get-artifact", params={"name": name, "version": "1", "path": "note.txt"})
    assert (answer.status_code, "which clients read by themselves" in answer.text) == (400, True)
    client.log_text(run_id, "changed", "model/note.txt")  # nothing of that run is frozen by it


def test_a_run_that_nobody_claims_is_looked_for_here(http, name):
    body = {"name": name, "source": f"runs:/{ABSENT_RUN}/model"}
    assert http.post(f"{TWO}/model-versions/create", json=body).status_code == 400
