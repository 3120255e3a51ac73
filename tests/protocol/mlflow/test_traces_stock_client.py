"""Traces, as users of the stock client meet them."""

from __future__ import annotations

import gzip

import mlflow
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def traced(client, experiment):
    mlflow.set_experiment(experiment_id=experiment)

    @mlflow.trace(name="outer", attributes={"depth": 1})
    def outer(question: str) -> str:
        with mlflow.start_span("inner") as span:
            span.set_inputs({"question": question})
        return question.upper()

    outer("why")
    mlflow.flush_trace_async_logging()
    return mlflow.get_last_active_trace_id()


def test_a_trace_comes_back_with_its_spans(client, traced):
    trace = client.get_trace(traced)
    assert {span.name for span in trace.data.spans} == {"outer", "inner"}
    assert trace.data.spans[0].outputs == "WHY"
    assert trace.info.state == "OK"


def test_a_trace_is_found_by_its_name_and_not_by_another(client, experiment, traced):
    hits = client.search_traces(locations=[experiment], filter_string="attributes.name = 'outer'")
    none = client.search_traces(locations=[experiment], filter_string="attributes.name = 'other'")
    assert [trace.info.trace_id for trace in hits] == [traced]
    assert len(hits[0].data.spans) == 2
    assert none == []


def test_tags_and_feedback_stay_with_the_trace(client, traced):
    client.set_trace_tag(traced, "team", "red")
    mlflow.log_feedback(trace_id=traced, name="good", value=True, rationale="it shouts")
    trace = client.get_trace(traced)
    assert trace.info.tags["team"] == "red"
    assert [(item.name, item.feedback.value) for item in trace.info.assessments] == [("good", True)]


def test_deleted_traces_are_gone(client, experiment, traced):
    assert client.delete_traces(experiment, trace_ids=[traced]) == 1
    assert client.search_traces(locations=[experiment]) == []


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\x05abc", b"{}", b"\x0a\x80"])
def test_spans_that_are_no_protobuf_are_refused(http, experiment, body: bytes):
    headers = {"content-type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
    assert http.post("/v1/traces", content=body, headers=headers).status_code == 400


def test_a_compressed_bomb_is_refused(http, experiment):
    headers = {
        "content-type": "application/x-protobuf",
        "x-mlflow-experiment-id": experiment,
        "content-encoding": "gzip",
    }
    assert http.post("/v1/traces", content=gzip.compress(b"\0" * 50_000_000), headers=headers).status_code == 413


def info(trace_id: str, experiment: str, /, **more: object) -> dict:
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    return {"trace": {"trace_info": {"trace_id": trace_id, "trace_location": location} | more}}


@pytest.mark.parametrize(
    "more",
    [{"tags": "x"}, {"tags": {"a": 1}}, {"state": "WRONG"}, {"state": 7}, {"request_time": "x"},
     {"trace_location": 3}, {"execution_duration": "1"},
     {"assessments": "x"}, {"client_request_id": 5},
     {"trace_id": "a b"}, {"trace_id": ""}],
)  # fmt: skip
def test_a_trace_info_of_the_wrong_shape_is_refused(http, experiment, more):
    answer = http.post("/api/3.0/mlflow/traces", json=info("tr-1", experiment, **more))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_text_that_is_sent_empty_is_answered_empty_and_a_missing_one_not_at_all(http, client, experiment):
    sent = info(f"tr-{experiment}", experiment, state="OK", client_request_id="", request_preview="")
    answer = http.post("/api/3.0/mlflow/traces", json=sent).json()["trace"]["trace_info"]
    assert (answer["client_request_id"], answer["request_preview"], "response_preview" in answer) == ("", "", False)
    (trace,) = client.search_traces(locations=[experiment])
    assert (trace.info.client_request_id, trace.info.response_preview) == ("", None)


def test_a_trace_told_twice_is_one_trace(http, experiment):
    body = info(f"tr-{experiment}", experiment, state="OK", request_time="2026-01-05T09:00:00Z")
    answers = [http.post("/api/3.0/mlflow/traces", json=body).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["trace"]["trace_info"]["tags"]["mlflow.trace.spansLocation"] == "TRACKING_STORE"


def test_spans_of_any_opentelemetry_sender_become_a_trace(http, client, experiment):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes([7] * 16), bytes([9] * 8), "foreign"
    span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_250_000_000
    span.attributes.add(key="n").value.int_value = -5
    span.attributes.add(key="list").value.array_value.values.add().double_value = 1.5
    headers = {"content-type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
    body = gzip.compress(request.SerializeToString())
    for _ in range(2):
        answer = http.post("/v1/traces", content=body, headers=headers | {"content-encoding": "gzip"})
        assert answer.status_code == 200
    (hit,) = client.search_traces(locations=[experiment])
    assert (hit.info.trace_id, hit.info.execution_duration) == (f"tr-{'07' * 16}", 250)
    assert [(span.name, span.attributes["n"], span.attributes["list"]) for span in hit.data.spans] == [
        ("foreign", -5, [1.5])
    ]
