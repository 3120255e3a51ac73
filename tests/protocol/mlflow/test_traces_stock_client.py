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
    found = client.search_traces(locations=[experiment], filter_string="attributes.name = 'outer'")
    none = client.search_traces(locations=[experiment], filter_string="attributes.name = 'other'")
    assert [trace.info.trace_id for trace in found] == [traced]
    assert len(found[0].data.spans) == 2
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


@pytest.mark.parametrize("body", [b"\xff\xff", b"", b"\x0a\x05abc", b"{}", b"\x0a\x80"])
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
