"""Parameters of a turn over HTTP: checked before it begins, recorded with it, and passed to its pipeline run."""

import msgspec
import pytest

from helicline.loop import loops, turns
from helicline.records.pipeline import Parameter
from helicline.store import nouns
from support.live_server import make_context, running_server
from support.records import commit, loop_spec


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    context = make_context(tmp_path_factory.mktemp("home"))
    spec = loop_spec()
    split, train = spec.pipeline.steps
    train = msgspec.structs.replace(train, params={"lr": 0.1}, param_types={"lr": Parameter(type="float")})
    pipeline = msgspec.structs.replace(
        spec.pipeline, steps=(split, train), params={"lr": 0.1}, param_targets={"lr": ("train.lr",)}
    )
    spec = msgspec.structs.replace(spec, pipeline=pipeline)
    with running_server(context) as client:
        commit(context.store, context.blobs, b"rows")
        context.store.write(lambda tx: loops.apply(tx, spec), actor="ada")
        yield context, client


@pytest.mark.parametrize("params", [{"lr": "fast"}, {"train.rate": 1}, {"train.lr": None}])
def test_a_turn_does_not_begin_with_a_wrong_parameter(server, params):
    context, client = server
    answer = client.post("/api/v1/loops/churn/turns", json={"params": params})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert context.store.read(lambda tx: nouns.LOOPS.get(tx, "churn").last_turn) == 0


def test_what_is_set_is_recorded_and_reaches_the_run(server):
    context, client = server
    turn = client.post("/api/v1/loops/churn/turns", json={"params": {"lr": "0.3"}}).raise_for_status().json()
    assert turn["params"] == {"lr": 0.3}
    context.store.write(lambda tx: turns.advance(tx, turns.find(tx, "churn~1")), actor="reconciler")
    turn = client.get("/api/v1/turns/churn~1").json()
    run = client.get(f"/api/v1/pipeline-runs/{turn['pipeline_run']}").json()["run"]
    assert (run["params"], run["spec"]["params"]) == ({"lr": 0.3}, {"lr": 0.3})
    assert run["spec"]["steps"][1]["params"] == {"lr": 0.3}
    logged = client.get("/api/2.0/mlflow/runs/get", params={"run_id": run["run_id"]}).json()["run"]["data"]["params"]
    assert logged == [{"key": "lr", "value": "0.3"}]
    client.post("/api/v1/turns/churn~1/cancel", json={})


def test_a_pipeline_is_run_by_itself_with_parameters(server):
    _, client = server
    run = client.post("/api/v1/pipelines/churn/runs", json={"params": {"train.lr": 2}, "use_cache": False})
    assert (run.status_code, run.json()["params"], run.json()["turn"]) == (201, {"train.lr": 2.0}, 0)
    assert client.post("/api/v1/pipelines/churn/runs", json={"params": {"x": 2}}).status_code == 400
    assert client.post("/api/v1/pipelines/nowhere/runs", json={}).status_code == 404


def test_a_turn_that_is_tried_again_has_the_same_parameters(server):
    context, client = server
    client.post("/api/v1/loops/churn/turns", json={"params": {"train.lr": 0.7}}).raise_for_status()
    context.store.write(lambda tx: turns.fail(tx, turns.find(tx, "churn"), "the disk was full"), actor="reconciler")
    number = client.get("/api/v1/turns/churn").json()["number"]
    assert client.post(f"/api/v1/turns/churn~{number}/retry").json()["params"] == {"train.lr": 0.7}
