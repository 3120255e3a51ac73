"""Links to single files: what the stock server answers to them, and nothing that a browser would run."""

from __future__ import annotations

import json
import uuid

import mlflow
import pytest
from mlflow.entities import TraceData

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


@pytest.fixture
def traced(client, experiment):
    """The trace of a function with a span inside it."""
    mlflow.set_experiment(experiment_id=experiment)

    @mlflow.trace(attributes={"k": [1, "a"]})
    def answer(question):
        with mlflow.start_span("look up") as span:
            span.set_inputs({"q": question})
            span.add_event(mlflow.entities.SpanEvent("hit", attributes={"rank": 1}))
        return question + 1

    answer(3)
    mlflow.flush_trace_async_logging()
    return mlflow.get_last_active_trace_id()


@pytest.mark.filterwarnings("ignore")
def test_the_spans_of_a_trace_are_a_file_that_the_stock_client_reads(http, traced):
    answer = http.get("/ajax-api/2.0/mlflow/get-trace-artifact", params={"request_id": traced})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == "attachment; filename=traces.json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    root, inner = TraceData.from_dict(json.loads(answer.text)).spans
    assert (root.name, root.inputs, root.outputs, root.attributes["k"]) == ("answer", {"question": 3}, 4, [1, "a"])
    assert (inner.parent_id, inner.inputs, str(inner.status.status_code)) == (
        root.span_id,
        {"q": 3},
        "SpanStatusCode.OK",
    )
    assert [(event.name, event.attributes) for event in inner.events] == [("hit", {"rank": 1})]
    assert root.trace_id == inner.trace_id == traced


def test_a_trace_without_spans_has_an_empty_file_or_the_one_its_client_stored(http, experiment):
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": f"tr-{uuid.uuid4().hex}", "trace_location": place, "state": "IN_PROGRESS"}
    info["request_time"] = "2026-01-01T00:00:00Z"
    stored = http.post("/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}}).json()["trace"]["trace_info"]
    where, query = "/ajax-api/3.0/mlflow/get-trace-artifact", {"request_id": info["trace_id"]}
    assert http.get(where, params=query).json() == {"spans": []}
    root = stored["tags"]["mlflow.artifactLocation"].removeprefix("mlflow-artifacts:/")
    attachment = str(uuid.uuid4())
    for name in ("traces.json", f"attachments/{attachment}"):
        http.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{name}", content=name.encode()).raise_for_status()
    assert http.get(where, params=query).text == "traces.json"
    assert http.get(where, params=query | {"path": attachment}).text == f"attachments/{attachment}"


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [({}, 400, 'include the \\"request_id\\" query parameter'), ({"request_id": "tr-none"}, 404, "not found"),
     ({"request_id": "tr-none", "path": "../x"}, 400, "Invalid path"),
     ({"request_id": "tr-none", "path": "notes.txt"}, 400, "Attachment path must be a valid UUID"),
     ({"request_id": "tr-none", "path": "0" * 32}, 404, "not found")],
)  # fmt: skip
def test_a_file_of_a_trace_that_is_not_there_is_refused(http, query, status, text):
    answer = http.get("/ajax-api/3.0/mlflow/get-trace-artifact", params=query)
    assert (answer.status_code, text in answer.text) == (status, True)


UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/json", "text/html"])
def test_a_page_adds_a_file_to_a_run(http, client, run, kind):
    query = {"run_uuid": run.run_id, "path": "notes/a.json"}
    answer = http.post(UPLOAD, params=query, content=b'{"a": 1}', headers={"content-type": kind})
    assert (answer.status_code, answer.text) == (200, "")
    assert [(file.path, file.file_size) for file in client.list_artifacts(run.run_id, "notes")] == [("notes/a.json", 8)]
    assert http.get("/get-artifact", params={"run_id": run.run_id, "path": "notes/a.json"}).text == '{"a": 1}'


@pytest.mark.parametrize(
    ("query", "content", "message"),
    [({"path": "x"}, b"x", "Request must specify run_uuid."), ({"run_uuid": "RUN"}, b"x", "Request must specify path."),
     ({"run_uuid": "RUN", "path": "x"}, b"", "Request must specify data."),
     ({"run_uuid": "RUN", "path": "../x"}, b"x", "path"), ({"run_uuid": "RUN", "path": "model"}, b"x", "is a folder"),
     ({"run_uuid": "none", "path": "x"}, b"x", "not found")],
)  # fmt: skip
def test_an_upload_that_cannot_be_is_refused(http, run, query, content, message):
    query = query | ({"run_uuid": run.run_id} if query.get("run_uuid") == "RUN" else {})
    answer = http.post(UPLOAD, params=query, content=content)
    assert answer.status_code in (400, 404)
    assert message in answer.json()["message"]
