"""The files of a registered version are frozen: nobody changes them on the wire."""

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


@pytest.fixture
def version(client: MlflowClient, experiment, tmp_path):
    """A version registered from the files of a run."""
    run = client.create_run(experiment)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "MLmodel").write_text("flavors: {}")
    (tmp_path / "m" / "weights").write_text("good")
    client.log_artifacts(run.info.run_id, str(tmp_path / "m"), "m")
    name = f"frozen-{run.info.run_id[:8]}"
    client.create_registered_model(name)
    return client.create_model_version(name, f"runs:/{run.info.run_id}/m", run.info.run_id), tmp_path


def put(http, run_id, path):
    experiment_id = http.get("/api/2.0/mlflow/runs/get", params={"run_id": run_id}).json()["run"]["info"][
        "artifact_uri"
    ]
    root = experiment_id.removeprefix("mlflow-artifacts:/").strip("/")
    return http.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}", content=b"evil"), root


def test_a_file_of_a_registered_version_cannot_be_overwritten_or_added(http, version):
    registered, _ = version
    for path in ("m/weights", "m/extra"):
        answer, _ = put(http, registered.run_id, path)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
        assert "frozen" in answer.json()["message"]


def test_neither_a_file_nor_a_folder_above_can_be_deleted(http, version):
    registered, _ = version
    _, root = put(http, registered.run_id, "m/weights")
    for path in ("m/weights", "m", ""):
        answer = http.delete(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}".rstrip("/"))
        assert answer.status_code == 403, path


def test_other_files_of_its_run_are_free(client, http, version):
    registered, folder = version
    client.log_artifact(registered.run_id, str(folder / "m" / "weights"), "elsewhere")
    answer, _ = put(http, registered.run_id, "m2/weights")
    assert answer.status_code == 200


def test_the_stock_client_says_why(client, version):
    registered, folder = version
    (folder / "m" / "weights").write_text("evil")
    with pytest.raises((MlflowException, OSError), match=r"403|frozen"):
        client.log_artifact(registered.run_id, str(folder / "m" / "weights"), "m")
    assert mlflow.artifacts.load_text(f"models:/{registered.name}/1/weights") == "good"


def test_files_of_a_deleted_version_are_free_again(client, http, version):
    registered, _ = version
    client.delete_model_version(registered.name, registered.version)
    answer, _ = put(http, registered.run_id, "m/weights")
    assert answer.status_code == 200
