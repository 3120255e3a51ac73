"""Traces on 2.0, as clients before MLflow 3 write and read them."""

from __future__ import annotations

import pytest

TRACES = "/api/2.0/mlflow/traces"


def begun(http, experiment: str, **more) -> dict:
    pair = [{"key": "mlflow.source.name", "value": "a.py"}]
    body = {"experiment_id": experiment, "timestamp_ms": 1_700_000_000_000, "request_metadata": pair}
    return http.post(TRACES, json=body | {"tags": [{"key": "mlflow.traceName", "value": "old"}]} | more).json()[
        "trace_info"
    ]


def test_a_trace_begins_and_names_the_place_of_its_file(http, experiment):
    info = begun(http, experiment)
    tags = {tag["key"]: tag["value"] for tag in info["tags"]}
    assert (info["status"], info["experiment_id"]) == ("IN_PROGRESS", experiment)
    assert tags["mlflow.artifactLocation"] == f"mlflow-artifacts:/{experiment}/traces/{info['request_id']}/artifacts"
    assert "mlflow.trace.spansLocation" not in tags


def test_a_trace_ends_and_keeps_what_stood(http, experiment):
    info = begun(http, experiment)
    end = {"timestamp_ms": 1_700_000_000_250, "status": "OK", "request_metadata": [{"key": "k", "value": "v"}]}
    ended = http.patch(f"{TRACES}/{info['request_id']}", json=end | {"tags": [{"key": "t", "value": "u"}]}).json()
    assert ended["trace_info"]["execution_time_ms"] == 250
    stored = http.get(f"{TRACES}/{info['request_id']}/info").json()["trace_info"]
    assert stored == ended["trace_info"]
    assert {pair["key"] for pair in stored["request_metadata"]} == {"mlflow.source.name", "k"}


def test_a_search_pages_and_filters(http, experiment):
    ids = [begun(http, experiment, timestamp_ms=1_700_000_000_000 + n)["request_id"] for n in range(3)]
    first = http.get(TRACES, params={"experiment_ids": [experiment], "max_results": 2}).json()
    more = {"experiment_ids": [experiment], "max_results": 2, "page_token": first["next_page_token"]}
    second = http.get(TRACES, params=more).json()
    assert [trace["request_id"] for trace in first["traces"] + second["traces"]] == ids[::-1]
    named = {"experiment_ids": [experiment], "filter": "tags.`mlflow.traceName` = 'other'"}
    assert http.get(TRACES, params=named).json() == {}


def test_a_new_client_finds_the_trace_too(http, experiment):
    info = begun(http, experiment)
    stored = http.get(f"/api/3.0/mlflow/traces/{info['request_id']}").json()["trace"]["trace_info"]
    assert (stored["state"], stored["trace_metadata"]["mlflow.source.name"]) == ("IN_PROGRESS", "a.py")


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "", {"experiment_id": "987654"}, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "", {"experiment_id": "0", "timestamp_ms": -1}, "INVALID_PARAMETER_VALUE"),
        ("POST", "", {"experiment_id": "0", "tags": "x"}, "INVALID_PARAMETER_VALUE"),
        ("PATCH", "/tr-none", {"status": "OK"}, "RESOURCE_DOES_NOT_EXIST"),
        ("PATCH", "/tr-none", {"status": "FINE"}, "INVALID_PARAMETER_VALUE"),
        ("GET", "/tr-none/info", {}, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "", {}, "INVALID_PARAMETER_VALUE"),
        ("GET", "", {"experiment_ids": ["0"], "max_results": 501}, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_a_wrong_request_is_answered_in_words(http, method, path, body, code):
    how = {"params": body} if method == "GET" else {"json": body}
    answer = http.request(method, TRACES + path, **how)
    assert answer.json()["error_code"] == code
