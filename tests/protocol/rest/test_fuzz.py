"""Requests made from our own OpenAPI document, operation by operation: no error of ours, and answers as it says."""

import os

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance

from helicline.loop import turns
from helicline.records.loop import Cause
from helicline.server.permissions import API, PERMISSIONS
from helicline.store import nouns
from helicline.store.blobs import LocalBlobs
from support.live_server import running_server
from support.records import commit
from support.simulated_loop import SPEC, SimulatedLoop

REQUESTS = int(os.environ.get("HELICLINE_FUZZ", "20"))
ENDLESS = ("GET", "/stream")  # server-sent events, for as long as somebody listens
ITSELF = ("GET", "/openapi.json")  # the document does not describe itself
LONG_POLLS = ("/gateway/desired", "/attempts/lease")  # asked for an answer at once: waiting is tested elsewhere
CHECKS = [not_a_server_error, content_type_conformance]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A server that has turned twice and waits for an approval of its third: something of every noun is there."""
    home = tmp_path_factory.mktemp("home")
    world = SimulatedLoop(f"sqlite:///{home / 'meta.db'}", home, LocalBlobs(home / "blobs"))
    world.two_turns()
    begin_a_third(world)
    with running_server(world.context) as opened:
        yield opened


def begin_a_third(world):
    cause = Cause(kind="person", subject="ada", sentence="ada ran it")
    commit(world.store, world.blobs, b"third rows")
    world.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), cause))
    while not any(request.state == "OPEN" for request in world.store.read(nouns.REQUESTS.select)):
        world.reconciler.tick()
        world.work()
        world.clock.advance(1)


@pytest.fixture(scope="module")
def document(client):
    return schemathesis.openapi.from_url(f"{client.base_url}{API}/openapi.json")


@pytest.fixture(scope="module")
def existing_values(client):
    """Values that lead to what is there, by the name of the parameter or field that asks for them."""

    def first(path):
        return client.get(f"{API}/{path}").json()["items"][0]

    run, pipeline_run = first("runs"), first("pipeline-runs")["id"]
    place = run["artifact_uri"].removeprefix("mlflow-artifacts:")
    client.put(f"/api/2.0/mlflow-artifacts/artifacts{place}/notes.txt", content=b"a note").raise_for_status()
    digest = client.put(f"{API}/blobs", content=b"a blob").json()["hash"]
    return msgspec.to_builtins(SPEC) | {
        "loop": "churn", "number": 2, "alias": "champion", "turn_id": "churn~3", "alert_id": "churn!1",
        "run_id": run["run_id"], "run": [run["run_id"]] * 2, "run_ids": [run["run_id"]], "id": run["run_id"],
        "experiment": run["experiment_id"], "path": "notes.txt", "key": "tags.x", "by": "params.x", "noun": "run",
        "point": "main", "ref": "main", "digest": digest, "files": [["rows.csv", 6, digest]], "expected": None,
        "target": first("datasets/customers/versions")["id"], "decision": "approve", "person": "Ada", "role": "risk",
        "token_id": client.post(f"{API}/tokens", json={"name": "known", "role": "viewer"}).json()["id"],
        "attempt_id": client.get(f"{API}/pipeline-runs/{pipeline_run}").json()["attempts"][0]["id"],
        "request_id": first("promotion-requests")["id"],
        "/datasets": {"name": "customers", "before": "main", "after": "main"},
        "/models": {"before": "1", "after": "2", "path": "model.bin"},
        "/runs": {"before": run["run_id"], "after": run["run_id"]},
        "/pipeline-runs": {"run_id": pipeline_run},
        "/tokens": {"role": "viewer", "days": 3},
    }  # fmt: skip


@pytest.mark.parametrize("route", sorted(PERMISSIONS.keys() - {ENDLESS, ITSELF}), ids=" ".join)
def test_an_operation_answers_as_its_document_says(document, existing_values, route):
    method, path = route
    values = existing_values | existing_values.get("/" + path.split("/")[1], {})

    @settings(
        max_examples=REQUESTS, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    @given(case=document[API + path][method].as_strategy(), of_known=st.sampled_from((False, True, True)))
    def answered(case, of_known):
        parts = [part for part in (case.path_parameters, case.query, case.body) if isinstance(part, dict)]
        for part in parts if of_known else ():
            part.update({name: values[name] for name in part if name in values})
        if path in LONG_POLLS:
            parts[-1]["wait_s"] = 0
        check_form(document.raw_schema, route, case.call_and_validate(checks=CHECKS, timeout=20))

    answered()


def check_form(raw, route, answer):
    """Raise where the body is not of the form that the document gives for its status."""
    responses = raw["paths"][API + route[1]][route[0].lower()]["responses"]
    content = responses.get(str(answer.status_code), responses["default"]).get("content", {})
    for kind, body in content.items():
        if kind.endswith("json"):
            form = {**body["schema"], "components": raw["components"]}
            jsonschema_rs.validator_for(form).validate(answer.json())
