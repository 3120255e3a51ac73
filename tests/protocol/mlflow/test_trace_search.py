"""Which traces a filter finds, and in which order."""

from __future__ import annotations

import json

import pytest

SEARCH = "/api/3.0/mlflow/traces/search"
TOKENS = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}


def span(trace: str, number: int, name: str, attributes: dict, *, parent: int = 0, code: int = 1) -> dict:
    values = {"mlflow.traceRequestId": trace, **attributes}
    return {
        "traceId": trace[3:],
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000250000000",
        "status": {"code": code},
        "attributes": [{"key": key, "value": {"stringValue": json.dumps(value)}} for key, value in values.items()],
    }


def send(http, experiment: str, *spans: dict):
    body = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}
    return http.post("/v1/traces", json=body, headers={"x-mlflow-experiment-id": experiment})


@pytest.fixture
def world(http, experiment) -> tuple[str, dict[str, str]]:
    """Three traces: an agent that calls a model, one that fails, one that is only announced."""
    names = {name: f"tr-{experiment:>08}{number:024x}" for number, name in enumerate(("agent", "broken", "bare"), 1)}
    agent, broken, bare = names.values()
    llm = {"mlflow.spanType": "LLM", "model": "small", "n": 3, "mlflow.chat.tokenUsage": TOKENS}
    assert send(http, experiment, span(agent, 1, "outer", {}), span(agent, 2, "call", llm, parent=1)).text == "{}"
    assert send(http, experiment, span(broken, 1, "outer", {"mlflow.spanType": "TOOL"}, code=2)).status_code == 200
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": bare, "trace_location": location, "state": "OK", "request_time": "2026-01-05T09:00:00Z"}
    info |= {"execution_duration": "2.5s", "tags": {"team": "red"}, "trace_metadata": {"k": "v"}}
    http.post("/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}})
    for name, value in (("good", True), ("score", 0.75), ("word", "yes"), ("stars", 3.0)):
        assessment = {"assessment_name": name, "feedback": {"value": value}, "source": {"source_type": "HUMAN"}}
        http.post(f"/api/3.0/mlflow/traces/{agent}/assessments", json={"assessment": assessment})
    assessment = {"assessment_name": "answer", "expectation": {"value": 42}, "source": {"source_type": "HUMAN"}}
    http.post(f"/api/3.0/mlflow/traces/{broken}/assessments", json={"assessment": assessment})
    return experiment, names


def search(http, world, **fields):
    experiment, names = world
    place = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}]
    answer = http.post(SEARCH, json={"locations": place} | fields)
    assert answer.status_code == 200, answer.text
    names_by_id = {trace_id: name for name, trace_id in names.items()}
    return [names_by_id[trace["trace_id"]] for trace in answer.json().get("traces", [])]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("span.name = 'call'", "agent"),
        ("span.name LIKE 'out%'", "agent broken"),
        ("span.type = 'LLM'", "agent"),
        ("span.type IN ('LLM', 'TOOL')", "agent broken"),
        ("span.status = 'ERROR'", "broken"),
        ("span.type = 'LLM' AND span.name = 'outer'", ""),
        ("span.type = 'LLM' AND span.name = 'call'", "agent"),
        ("span.attributes.model = 'small'", "agent"),
        ("span.attributes.n = '3'", "agent"),
        ("span.attributes.model RLIKE '^sm.l+$'", "agent"),
        ("span.content LIKE '%small%'", "agent"),
        ("trace.text ILIKE '%SMALL%'", "agent"),
        ("feedback.good = 'true'", "agent"),
        ("feedback.score > 0.5", "agent"),
        ("feedback.score >= 0.8", ""),
        ("feedback.stars = 3", "agent"),
        ("feedback.stars = '3'", "agent"),
        ("feedback.stars = '3.0'", "agent"),
        ("feedback.stars != 3", ""),
        ("feedback.stars = 'x'", ""),
        ("feedback.stars LIKE '3%'", "agent"),
        ("feedback.word = 'yes'", "agent"),
        ("feedback.word RLIKE 'y.s'", "agent"),
        ("feedback.good IS NULL", "broken bare"),
        ("expectation.answer = '42'", "broken"),
        ("expectation.answer IS NOT NULL", "broken"),
        ("feedback.answer IS NOT NULL", ""),
        ("tag.team = 'red'", "bare"),
        ("tags.team IS NULL", "agent broken"),
        ("metadata.k RLIKE '^v$'", "bare"),
        ("status = 'ERROR'", "broken"),
        ("name = 'outer'", "agent broken"),
        ("execution_time > 1000", "bare"),
        ("trace.end_time_ms >= 1700000000250 AND execution_time_ms = 250", "agent broken"),
        ("timestamp_ms > 1700000000000", "bare"),
        ("name RLIKE '(a+)+$' AND span.name RLIKE '(x+x+)+y'", ""),
        ("issue.id = 'x'", ""),
    ],
)
def test_a_filter_finds_the_traces_of_which_it_holds(http, world, filter: str, expected: str):
    assert sorted(search(http, world, filter=filter)) == sorted(expected.split())


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (["execution_time DESC", "name", "request_id"], "bare agent broken"),
        (["request_id"], "agent broken bare"),
        (["status", "request_id DESC"], "broken bare agent"),
        (["tag.team", "request_id"], "bare agent broken"),
        ([], "bare agent broken"),
    ],
)
def test_traces_come_in_the_order_that_is_asked_for(http, world, order: list[str], expected: str):
    assert search(http, world, order_by=order) == expected.split()


@pytest.mark.parametrize(
    "filter",
    ["span.nope = 'x'", "span.attributes. = 'x'", "span.content = 'x'", "span.name > 'x'", "name RLIKE '('",
     "feedback.score > 'x'", "issue.nope = 'x'", "issue.id LIKE 'x'", "text = 'x'", "prompt LIKE 'x'",
     "span.name IS NULL", "name RLIKE 5"],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(http, world, filter: str):
    place = [{"mlflow_experiment": {"experiment_id": world[0]}}]
    answer = http.post(SEARCH, json={"locations": place, "filter": filter})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_tokens_are_summed_from_the_topmost_spans_that_tell_them(http, world):
    info = http.get(f"/api/3.0/mlflow/traces/{world[1]['agent']}").json()["trace"]["trace_info"]
    assert json.loads(info["trace_metadata"]["mlflow.trace.tokenUsage"]) == TOKENS


def test_a_parents_count_stands_for_its_childrens(http, world):
    experiment, names = world
    parent_usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 1, "session.id": "s1"}
    trace = names["agent"][:-1] + "9"
    first = span(trace, 2, "call", {"mlflow.chat.tokenUsage": TOKENS}, parent=1)
    send(http, experiment, first)
    send(http, experiment, span(trace, 1, "outer", parent_usage))
    metadata = http.get(f"/api/3.0/mlflow/traces/{trace}").json()["trace"]["trace_info"]["trace_metadata"]
    assert json.loads(metadata["mlflow.trace.tokenUsage"])["total_tokens"] == 101
    assert metadata["mlflow.trace.session"] == "s1"


def test_a_trace_linked_to_runs_is_found_by_each_of_them(http, world):
    for run in ("r1", "r2"):
        body = {"trace_ids": [world[1]["agent"]], "run_id": run}
        assert http.post("/api/2.0/mlflow/traces/link-to-run", json=body).status_code == 200
    assert (
        search(http, world, filter="run_id = 'r1'")
        == search(http, world, filter="attributes.run_id = 'r2'")
        == ["agent"]
    )


def test_a_trace_linked_to_a_prompt_is_found_by_it(http, world):
    body = {"trace_id": world[1]["bare"], "prompt_versions": [{"name": "greet", "version": "2"}]}
    http.post("/api/2.0/mlflow/traces/link-prompts", json=body)
    assert search(http, world, filter="prompt = 'greet/2'") == ["bare"]
    assert search(http, world, filter="prompt = 'greet/3'") == []


@pytest.mark.parametrize(
    "broken",
    [{"traceId": "xx"}, {"spanId": ""}, {"spanId": "0" * 16}, {"name": 3}, {"startTimeUnixNano": "-1"},
     {"kind": "NOPE"}, {"attributes": {}}, {"attributes": [3]}, {"attributes": [{"key": "a",
      "value": {"intValue": "x"}}]},
     {"attributes": [{"key": "a", "value": {"doubleValue": {}}}]}, {"status": []}, {"links": [{"traceId": 5}]},
     {"endTimeUnixNano": str(2**63)}, {"attributes": [{"key": "a", "value": {"bytesValue": "!"}}]}],
)  # fmt: skip
def test_a_span_in_json_that_is_none_is_rejected_alone(http, world, broken):
    experiment, names = world
    fine, trace = names["agent"][:-1] + "8", names["agent"][:-1] + "9"
    answer = send(http, experiment, span(fine, 1, "fine", {}), span(trace, 2, "not", {}) | broken)
    assert (answer.status_code, answer.json()["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert http.get(f"/api/3.0/mlflow/traces/{fine}").status_code == 200
    assert http.get(f"/api/3.0/mlflow/traces/{trace}").status_code == 404
    answer = send(http, experiment, span(trace, 2, "not", {}) | broken)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("packing", ["gzip", "deflate", "zstd"])
def test_packed_spans_are_unpacked(http, world, packing: str):
    import gzip
    import zlib

    import zstandard

    experiment, names = world
    trace = names["agent"][:-1] + "7"
    plain = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span(trace, 1, packing, {})]}]}]}).encode()
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[packing]
    headers = {"x-mlflow-experiment-id": experiment, "content-encoding": packing, "content-type": "application/json"}
    assert http.post("/v1/traces", content=pack(plain), headers=headers).status_code == 200
    assert http.post("/v1/traces", content=pack(plain)[:-4], headers=headers).status_code == 400
    assert http.post("/v1/traces", content=pack(b"\0" * 50_000_000), headers=headers).status_code == 413
