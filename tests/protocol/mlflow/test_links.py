"""Links to single files: what the stock server answers to them, and nothing that a browser would run."""

from __future__ import annotations

import uuid

import mlflow
import pytest

PAGE = "<script>alert(1)</script>"


@pytest.fixture
def run(client, experiment):
    created = client.create_run(experiment)
    client.log_text(created.info.run_id, PAGE, "report/page.html")
    client.log_text(created.info.run_id, "flavors: {}", "model/MLmodel")
    return created.info


@pytest.mark.parametrize("name", ["run_id", "run_uuid"])
def test_a_link_to_a_file_of_a_run_sends_it_as_an_attachment(http, run, name):
    answer = http.get("/get-artifact", params={name: run.run_id, "path": "report/page.html"})
    assert answer.text == PAGE
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "page.html" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_link_to_a_file_of_a_version_sends_it(http, client, run):
    name = f"m-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{run.run_id}/model", run.run_id)
    query = {"name": name, "version": version.version, "path": "MLmodel"}
    assert http.get("/model-versions/get-artifact", params=query).text == "flavors: {}"
    assert http.get("/model-versions/get-artifact", params=query | {"version": "7"}).status_code == 404


def test_a_link_to_a_file_of_a_logged_model_sends_it(http, client, experiment):
    model = client.create_logged_model(experiment, name="m")
    artifacts = mlflow.store.artifact.artifact_repository_registry.get_artifact_repository(model.artifact_location)
    place = artifacts.artifact_uri.partition("/api/")[2]
    assert http.put(f"/api/{place}/note.txt", content=b"hello").status_code == 200
    query = {"artifact_file_path": "note.txt"}
    answer = http.get(f"/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts/files", params=query)
    assert (answer.text, answer.headers["content-disposition"][:10]) == ("hello", "attachment")


@pytest.mark.parametrize(("params", "status"), [({"path": "nope.txt"}, 404), ({"path": "report"}, 400), ({}, 400),
                                                ({"path": "../x"}, 400), ({"path": "/etc/passwd"}, 400)])  # fmt: skip
def test_a_link_that_leads_to_no_file_says_so(http, run, params, status):
    answer = http.get("/get-artifact", params={"run_id": run.run_id} | params)
    assert answer.status_code == status, answer.text
    assert answer.json()["error_code"] in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def test_a_link_to_a_run_that_is_not_there_is_not_found(http):
    assert http.get("/get-artifact", params={"run_id": "0" * 32, "path": "x"}).status_code == 404


def test_whoever_may_not_read_gets_no_file(http, server, run, monkeypatch):
    monkeypatch.setattr(server, "role", "")
    assert http.get("/get-artifact", params={"run_id": run.run_id, "path": "model/MLmodel"}).status_code == 401
