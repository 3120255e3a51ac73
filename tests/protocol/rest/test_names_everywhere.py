"""Every place where a user's name meets SQL, a path, a header or a shell, with every nasty name, through the real API.

A name is refused in words, or it is taken and comes back as it was; it never does anything else.
"""

import json
import posixpath
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from helicline.serving.prediction_log import harvest
from helicline.serving.prediction_log import read as predictions
from helicline.serving.prediction_log.segment import Schema
from support.live_server import make_context, running_server
from support.prediction_log import Log, call, id_of, label, packed
from support.records import NOW, loop_spec

NASTY = {
    "a quote": "a'b",
    "two quotes": "a''b",
    "a double quote": 'a"b',
    "a backtick": "a`touch PWNED`b",
    "a statement": "x'; DROP TABLE event; --",
    "a statement in double quotes": 'x"; DROP TABLE event; --',
    "a file for DuckDB": "x') UNION ALL SELECT content FROM read_text('/etc/passwd') --",
    "a column for DuckDB": "x\", (SELECT content FROM read_text('/etc/passwd')) AS \"y",
    "a command": "$(touch PWNED); touch PWNED | touch PWNED",
    "an option": "--help",
    "a parent": "../../../../PWNED",
    "a parent in the middle": "a/../../../PWNED",
    "an absolute path": "/tmp/PWNED",
    "another system's path": "..\\..\\PWNED",
    "an encoded path": "%2e%2e%2fPWNED",
    "NUL": "a\0b",
    "a header": "a\r\nX-Injected: 1\r\n\r\n",
    "wildcards of LIKE": "a%b_c",
    "wildcards of a shell": "*?[a-z]{b,c}",
    "a template": "{{7*7}}${7*7}",
    "a mark": "a\u202e\ufeffb",
    "letters": "Größe 💥",
    "a space at the end": "a ",
    "a dot": ".",
    "nothing": "",
    "many": "x" * 5000,
}


def mlflow(client, method, path, **content):
    return client.request(method, f"/api/2.0/mlflow/{path}", **content)


def run_of(client, name="run"):
    answer = mlflow(client, "POST", "runs/create", json={"experiment_id": "0", "run_name": name, "start_time": 1})
    return answer.json()["run"]["info"]["run_id"] if answer.status_code == 200 else answer


def info(client, run_id):
    return mlflow(client, "GET", "runs/get", params={"run_id": run_id}).json()["run"]


def dataset(client, name):
    digest = client.put("/api/v1/blobs", content=b"rows").json()["hash"]
    files = [["rows.csv", 4, digest]]
    answer = client.post(f"/api/v1/datasets/{quote(name, safe='')}/versions", json={"files": files})
    return answer, lambda: [row["dataset"]["name"] for row in client.get("/api/v1/datasets").json()["items"]]


def file_of_a_dataset(client, name):
    digest = client.put("/api/v1/blobs", content=b"rows").json()["hash"]
    files = [[name, 4, digest]]
    answer = client.post("/api/v1/datasets/files/versions", json={"files": files})
    file_list = "/api/v1/datasets/files/versions/main/files"
    return answer, lambda: [path for path, *_ in client.get(file_list).json()["items"]]


def model(client, name):
    answer = mlflow(client, "POST", "registered-models/create", json={"name": name})
    find = {"filter": "name ILIKE '%'"}

    def models():
        answer = mlflow(client, "GET", "registered-models/search", params=find)
        return [row["name"] for row in answer.json()["registered_models"]]

    return answer, models


def alias(client, name):
    if mlflow(client, "GET", "registered-models/get", params={"name": "pointed"}).status_code != 200:
        mlflow(client, "POST", "registered-models/create", json={"name": "pointed"})
        source = f"runs:/{run_of(client)}/m"
        mlflow(client, "POST", "model-versions/create", json={"name": "pointed", "source": source})
    answer = mlflow(client, "POST", "registered-models/alias", json={"name": "pointed", "alias": name, "version": "1"})
    version = {"name": "pointed", "version": "1"}
    return (
        answer,
        lambda: mlflow(client, "GET", "model-versions/get", params=version).json()["model_version"].get("aliases", []),
    )


def loop(client, name):
    answer = client.post("/api/v1/loops", content=msgspec.json.encode(loop_spec(name=name)))
    return answer, lambda: [row["loop"]["name"] for row in client.get("/api/v1/loops").json()["items"]]


def deployment_of_a_loop(client, name):
    answer = client.post("/api/v1/loops", content=msgspec.json.encode(loop_spec(name="d", deployment=name)))
    return answer, lambda: [row["loop"]["spec"]["deployment"] for row in client.get("/api/v1/loops").json()["items"]]


def deployment(client, name):
    alias(client, "any")
    body = {"model": "pointed", "number": 1}
    answer = client.post(f"/api/v1/deployments/{quote(name, safe='')}/rollouts", json=body)
    return answer, lambda: [row["deployment"]["name"] for row in client.get("/api/v1/deployments").json()["items"]]


def metric(client, name):
    run_id = run_of(client)
    body = {"run_id": run_id, "key": name, "value": 0.5, "timestamp": 1, "step": 0}
    answer = mlflow(client, "POST", "runs/log-metric", json=body)
    client.get("/api/v1/runs/series", params={"run": run_id, "key": name})
    mlflow(client, "GET", "metrics/get-history", params={"run_id": run_id, "metric_key": name})
    return answer, lambda: [row["key"] for row in info(client, run_id)["data"].get("metrics", [])]


def parameter(client, name):
    run_id = run_of(client)
    answer = mlflow(client, "POST", "runs/log-parameter", json={"run_id": run_id, "key": name, "value": name})
    return answer, lambda: [row["key"] for row in info(client, run_id)["data"].get("params", [])]


def tag(client, name):
    run_id = run_of(client)
    answer = mlflow(client, "POST", "runs/set-tag", json={"run_id": run_id, "key": name, "value": name})
    return answer, lambda: [row["key"] for row in info(client, run_id)["data"].get("tags", [])]


def run_name(client, name):
    run_id = run_of(client, name)
    if not isinstance(run_id, str):
        return run_id, list
    answer = mlflow(client, "GET", "runs/get", params={"run_id": run_id})
    client.get("/api/v1/runs", params={"filter": f"attributes.run_name = '{name}'"})
    return answer, lambda: [info(client, run_id)["info"]["run_name"]] if name else [""]


def experiment(client, name):
    answer = mlflow(client, "POST", "experiments/create", json={"name": name})
    find = {"max_results": 1000, "filter": "name ILIKE '%'"}

    def experiments():
        answer = mlflow(client, "POST", "experiments/search", json=find)
        return [row["name"] for row in answer.json()["experiments"]]

    return answer, experiments


def artifact(client, name):
    run_id = run_of(client)
    root = f"0/{run_id}/artifacts"
    path = quote(name).replace(".", "%2E")  # the client would resolve dots by itself
    answer = client.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}", content=b"bytes")
    listed = client.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": root})
    download = client.get(f"/api/v1/runs/{run_id}/artifacts/download", params={"path": name})
    assert "x-injected" not in download.headers
    contents = [name] if download.status_code == 200 and download.content == b"bytes" else []
    return answer, lambda: contents if listed.status_code == 200 else []


def token(client, name):
    answer = client.post("/api/v1/tokens", json={"name": name, "role": "viewer"})
    return answer, lambda: [row["name"] for row in client.get("/api/v1/tokens").json()["items"]]


def webhook(client, name):
    body = {"name": name, "url": "https://example.com/x", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}
    answer = mlflow(client, "POST", "webhooks", json=body)
    hooks = mlflow(client, "GET", "webhooks")
    return answer, lambda: [row["name"] for row in hooks.json().get("webhooks", [])]


PLACES = [
    dataset, file_of_a_dataset, model, alias, loop, deployment_of_a_loop, deployment, metric, parameter, tag, run_name,
    experiment, artifact, token, webhook,
]  # fmt: skip


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    home = tmp_path_factory.mktemp("outside") / "deep" / "home"
    home.mkdir(parents=True)
    return make_context(home)


@pytest.fixture(scope="module")
def client(context):
    with running_server(context) as client:
        mlflow(client, "POST", "registered-models/create", json={"name": "first"})
        yield client


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_name_is_refused_in_words_or_comes_back_as_it_was(client, context, place, name):
    answer, read_back = place(client, name)
    assert answer.status_code < 500, answer.text[:300]
    assert "x-injected" not in answer.headers
    if answer.is_success:
        spellings = {posixpath.normpath(name)} | {name}
        assert spellings & set(read_back()), (name, read_back())
    else:
        assert answer.text.strip()
    outside = context.home.parents[1]
    assert not list(outside.rglob("PWNED"))
    assert not any(path.exists() for path in (Path("/tmp/PWNED"), Path("PWNED")))
    assert [path.name for path in outside.iterdir()] == ["deep"]
    assert client.get("/api/v1/events", params={"limit": 1}).json()["items"]  # the table is still there


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_a_search_for_a_name_finds_nothing_or_the_run_that_has_it(client, name):
    for quoted in (f'"{name}"', f"`{name}`"):
        for noun in ("metrics", "params", "tags"):
            value = "= 0.5" if noun == "metrics" else f"= '{name}'"
            body = {"experiment_ids": ["0"], "filter": f"{noun}.{quoted} {value}", "max_results": 1}
            answer = mlflow(client, "POST", "runs/search", json=body)
            assert answer.status_code in (200, 400), answer.text[:300]


@pytest.mark.parametrize(
    "name", [name for name in NASTY.values() if name], ids=[key for key, name in NASTY.items() if name]
)
def test_a_signature_input_and_a_feedback_key_are_names_of_columns_and_nothing_else(tmp_path, name):
    schema = Schema("churn", 1, ((f"f_{name}", "double"),))
    row = call(NOW, number=3)
    log = Log(tmp_path)
    log.add(schema, msgspec.structs.replace(row, packed=packed([[3.0]], [1])))
    received = int(NOW.timestamp() * 1e6)
    log.add(msgspec.structs.replace(label(row.prediction_id, "1", name=name), received_us=received), kind="labels")
    (prediction,) = predictions.find(tmp_path, id_of(NOW, 3))
    assert list(prediction.features.values()) == [3.0]
    assert json.dumps(prediction.labels) == json.dumps({name: "1"})
    assert len(predictions.labelled(tmp_path, "churn", since=NOW, label=name)["label"]) == 1
    written = harvest.write(tmp_path, "churn", tmp_path / "rows.parquet", label=name)
    assert written.rows == 1


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_the_gateway_takes_a_name_as_text(shared_harness, name):
    client = shared_harness.client
    body = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})
    prediction_id = client.post("/endpoints/sums/invocations", content=body).headers["x-prediction-id"]
    for field in ("name", "prediction_id", "deployment", "source", "value"):
        feedback = {"prediction_id": prediction_id, "name": "label", "value": "1", field: name}
        answer = client.post("/v1/feedback", json=feedback)
        assert answer.status_code in (202, 400)
        assert "x-injected" not in answer.headers
    for path in ("/endpoints/{}/invocations", "/v2/models/{}/infer", "/v1/models/{}:predict"):
        answer = client.post(path.format(quote(name, safe="")), content=body)
        assert 400 <= answer.status_code < 500
        assert "x-injected" not in answer.headers
    columns = json.dumps({"dataframe_split": {"columns": ["a", name], "data": [[1.0, 2.0]]}})
    assert 400 <= client.post("/endpoints/sums/invocations", content=columns).status_code < 500
