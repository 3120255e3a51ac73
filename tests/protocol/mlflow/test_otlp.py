"""Spans from OpenTelemetry's own SDK, as users of the stock client find them."""

from __future__ import annotations

import base64
import json
import secrets

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

pytestmark = pytest.mark.filterwarnings("ignore")
PROTOBUF = "application/x-protobuf"


@pytest.fixture
def tracer_of(server, experiment):
    """Return a function that makes the tracer of a process, with the resource of that process."""

    def make(**resource: str):
        exporter = OTLPSpanExporter(
            endpoint=f"{server.url}/v1/traces", headers={"x-mlflow-experiment-id": experiment}, timeout=30
        )
        provider = TracerProvider(resource=Resource({key.replace("_", "."): text for key, text in resource.items()}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        return provider.get_tracer("shop", "1.2")

    return make


def only(client, experiment, filter: str = ""):
    (trace,) = client.search_traces(locations=[experiment], filter_string=filter)
    return trace


def span_of(trace, name: str):
    (span,) = [span for span in trace.data.spans if span.name == name]
    return span


def test_the_resource_is_in_the_tags_and_in_each_span(client, experiment, tracer_of):
    with tracer_of(service_name="checkout", host_name="a1").start_as_current_span("order"):
        pass
    trace = only(client, experiment, "tag.`service.name` = 'checkout' AND span.attributes.resource.host.name = 'a1'")
    assert trace.info.tags["host.name"] == "a1"
    attributes = trace.data.spans[0].attributes
    assert (attributes["resource.service.name"], attributes["otel.scope.name"]) == ("checkout", "shop")
    assert client.search_traces(locations=[experiment], filter_string="tag.`service.name` = 'other'") == []


def test_a_trace_of_two_processes_has_the_tags_of_its_root(client, experiment, tracer_of):
    front, back = tracer_of(service_name="front", team="red"), tracer_of(service_name="back", zone="b")
    with front.start_as_current_span("page"), back.start_as_current_span("query"):
        pass  # the span of `back` ends, and is sent, first
    trace = only(client, experiment)
    assert (trace.info.tags["service.name"], trace.info.tags.get("zone")) == ("front", None)
    services = {span.name: span.attributes["resource.service.name"] for span in trace.data.spans}
    assert services == {"page": "front", "query": "back"}


def test_a_tag_of_a_user_stays_when_the_root_arrives(client, experiment, tracer_of):
    front, back = tracer_of(service_name="front"), tracer_of(service_name="back")
    with front.start_as_current_span("page"):
        with back.start_as_current_span("query") as span:
            trace_id = f"tr-{span.get_span_context().trace_id:032x}"
        client.set_trace_tag(trace_id, "service.name", "mine")
    assert only(client, experiment).info.tags["service.name"] == "mine"


CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "m-small",
    "gen_ai.response.model": "m-small-2026",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 4,
    "gen_ai.usage.cost": 0.25,
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}], "finish_reason": "stop"}]
    ),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "lookup", "parameters": {"type": "object"}}]),
}


def test_a_chat_of_the_genai_conventions_reads_as_one_of_mlflow(client, experiment, tracer_of):
    with tracer_of().start_as_current_span("chat", attributes=CHAT):
        pass
    trace = only(client, experiment, "span.type = 'CHAT_MODEL'")
    span, info = trace.data.spans[0], trace.info
    assert span.inputs["messages"][-1] == {"role": "user", "content": "Weather?"}
    assert span.outputs["choices"][0]["message"]["content"] == "Rain."
    assert [message["role"] for message in span.attributes["mlflow.chat.messages"]] == ["system", "user", "assistant"]
    assert span.attributes["mlflow.chat.tools"][0]["function"]["name"] == "lookup"
    assert (span.model_name, span.attributes["mlflow.llm.provider"]) == ("m-small-2026", "openai")
    assert (info.request_preview, info.response_preview) == ("Weather?", "Rain.")
    assert info.token_usage == {
        "input_tokens": 12, "output_tokens": 5, "total_tokens": 17, "cache_read_input_tokens": 4,
    }  # fmt: skip
    assert info.cost["total_cost"] == 0.25


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "TOOL", "input.value": '{"city": "Rome"}', "output.value": "sunny"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"city": "Rome"}',
         "gen_ai.tool.call.result": "sunny"},
        {"traceloop.span.kind": "tool", "traceloop.entity.input": '{"city": "Rome"}',
         "traceloop.entity.output": "sunny"},
        # as MLflow's own tracer sends the spans of others
        {"mlflow.spanType": "null", "gen_ai.operation.name": '"execute_tool"',
         "gen_ai.tool.call.arguments": '"{\\"city\\": \\"Rome\\"}"', "gen_ai.tool.call.result": '"sunny"'},
    ],
    ids=["openinference", "genai", "traceloop", "through mlflow"],
)  # fmt: skip
def test_a_tool_is_found_by_its_type_in_every_dialect(client, experiment, tracer_of, attributes):
    tracer = tracer_of()
    with tracer.start_as_current_span("agent"), tracer.start_as_current_span("weather", attributes=attributes):
        pass
    span = span_of(only(client, experiment, "span.type = 'TOOL'"), "weather")
    assert (span.span_type, span.inputs, span.outputs) == ("TOOL", {"city": "Rome"}, "sunny")


def test_what_a_span_says_for_mlflow_itself_is_left_as_it_is(client, experiment, tracer_of):
    own = {"mlflow.spanType": '"PARSER"', "mlflow.spanInputs": '"mine"', "input.value": "other"}
    with tracer_of().start_as_current_span("parse", attributes={"openinference.span.kind": "CHAIN"} | own):
        pass
    span = only(client, experiment).data.spans[0]
    assert (span.span_type, span.inputs, span.attributes["input.value"]) == ("PARSER", "mine", "other")


def test_the_statistics_count_translated_spans(client, experiment, http, tracer_of):
    with tracer_of().start_as_current_span("chat", attributes=CHAT):
        pass
    body = {"experiment_ids": [experiment], "view_type": "SPANS", "metric_name": "total_cost"}
    body |= {"aggregations": [{"aggregation_type": "SUM"}], "dimensions": ["span_model_name"]}
    (point,) = http.post("/api/3.0/mlflow/traces/metrics", json=body).json()["data_points"]
    assert (point["dimensions"], point["values"]) == ({"span_model_name": "m-small-2026"}, {"SUM": 0.25})


def test_bytes_are_shown_in_base64(client, experiment, tracer_of):
    data = bytes(range(250, 256))
    with tracer_of().start_as_current_span("raw", attributes={"body": data}):
        pass
    text = base64.b64encode(data).decode()
    trace = only(client, experiment, f"span.attributes.body = '{text}'")
    assert trace.data.spans[0].attributes["body"] == text


@pytest.mark.parametrize(
    ("text", "is_content"),
    [("pepperoni", True), ("%customer.tier%gold", True), ("table", True), ("slow oven", True), ("string_value", False),
     ("start_time_unix_nano", False), ("mlflow.spanInputs", False), ("attributes", False), ("key", False)],
)  # fmt: skip
def test_a_search_for_text_finds_content_and_no_names_of_the_encoding(
    client, experiment, tracer_of, text: str, is_content: bool
):
    attributes = {"mlflow.spanInputs": json.dumps({"table": 7, "order": ['a "pepperoni" pizza']})}
    with tracer_of().start_as_current_span("bake", attributes=attributes | {"customer.tier": "gold"}) as span:
        span.add_event("warning", {"text": "slow oven"})
    for name in ("trace.text", "span.content"):
        hits = client.search_traces(locations=[experiment], filter_string=f"{name} ILIKE '%{text}%'")
        assert len(hits) == is_content, name


def request_of(*names: str, trace: bytes = b"") -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, name in enumerate(names, 1):
        span = spans.add(trace_id=trace or secrets.token_bytes(16), span_id=bytes([number] * 8), name=name)
        span.start_time_unix_nano = span.end_time_unix_nano = 1_700_000_000_000_000_000
    return request


def send(http, experiment: str, body: bytes, kind: str = PROTOBUF):
    return http.post("/v1/traces", content=body, headers={"content-type": kind, "x-mlflow-experiment-id": experiment})


def as_json(request: ExportTraceServiceRequest) -> dict:
    spans = [
        {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex(), "name": span.name}
        for span in request.resource_spans[0].scope_spans[0].spans
    ]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def names(client, experiment: str) -> set[str]:
    return {span.name for trace in client.search_traces(locations=[experiment]) for span in trace.data.spans}


def deep(request: ExportTraceServiceRequest) -> bytes:
    """Return the request with a second span whose attribute is nested deeper than the parser goes."""
    value = request.resource_spans[0].scope_spans[0].spans[1].attributes.add(key="a").value
    for _ in range(60):
        value = value.array_value.values.add()
    return request.SerializeToString()


def without_id(request: ExportTraceServiceRequest) -> bytes:
    request.resource_spans[0].scope_spans[0].spans[1].span_id = b""
    return request.SerializeToString()


def no_text(request: ExportTraceServiceRequest) -> bytes:
    return request.SerializeToString().replace(b"bad", b"b\xffd")


def in_no_trace(request: ExportTraceServiceRequest) -> bytes:
    request.resource_spans[0].scope_spans[0].spans[1].attributes.add(
        key="mlflow.traceRequestId"
    ).value.string_value = "no id"
    return request.SerializeToString()


@pytest.mark.parametrize("part", ["resource", "scope"])
def test_a_broken_part_of_protobuf_costs_its_own_spans_alone(http, client, experiment, part: str):
    request, bad = request_of("good"), request_of("bad", "worse").resource_spans[0]
    if part == "resource":
        bad.resource.attributes.add(key="spoil")
    else:
        bad.scope_spans[0].scope.name = "spoil"
    request.resource_spans.append(bad)
    answer = send(http, experiment, request.SerializeToString().replace(b"spoil", b"spo\xffl"))
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_spans, part in partial.error_message) == (2, True)
    assert names(client, experiment) == {"good"}


@pytest.mark.parametrize("spoil", [without_id, no_text, deep, in_no_trace])
def test_a_span_that_cannot_be_taken_costs_no_neighbour(http, client, experiment, spoil):
    answer = send(http, experiment, spoil(request_of("good", "bad", "better")))
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans, bool(partial.error_message)) == (200, 1, True)
    assert names(client, experiment) == {"good", "better"}


def test_the_answer_in_json_tells_what_was_rejected(http, client, experiment):
    document = as_json(request_of("good", "bad"))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["startTimeUnixNano"] = "soon"
    answer = send(http, experiment, json.dumps(document).encode(), "application/json")
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "1")
    assert "startTimeUnixNano" in partial["errorMessage"]
    assert names(client, experiment) == {"good"}


def test_a_broken_resource_costs_its_own_spans_alone(http, client, experiment):
    document = as_json(request_of("good"))
    document["resourceSpans"] += as_json(request_of("bad"))["resourceSpans"]
    document["resourceSpans"][1]["resource"] = {"attributes": {"not": "a list"}}
    answer = send(http, experiment, json.dumps(document).encode(), "application/json")
    assert "resource" in answer.json()["partialSuccess"]["errorMessage"]
    assert names(client, experiment) == {"good"}


def test_an_export_of_which_nothing_can_be_taken_is_refused(http, experiment):
    answer = send(http, experiment, no_text(request_of("bad")))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(("kind", "body"), [(PROTOBUF, b""), ("application/json", b"{}"), (PROTOBUF, b"\x0a\x00"),
                                            ("application/json", b'{"resourceSpans": []}')])  # fmt: skip
def test_an_empty_export_succeeds(http, experiment, kind: str, body: bytes):
    answer = send(http, experiment, body, kind)
    assert (answer.status_code, answer.content) == (200, b"{}" if kind == "application/json" else b"")


def put_info(http, trace: bytes, experiment: str, **more: str):
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": f"tr-{trace.hex()}", "trace_location": location, "state": "OK"} | more
    return http.post("/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}})


@pytest.mark.parametrize("order", ["info first", "spans first", "between"])
def test_the_info_decides_which_experiment_a_trace_is_in(http, client, experiment, order: str):
    home, trace = client.create_experiment(f"home-{secrets.token_hex(4)}"), secrets.token_bytes(16)
    bodies = [request_of("root", trace=trace), request_of("root", "leaf", trace=trace)]
    if order == "info first":
        assert put_info(http, trace, home).status_code == 200
    assert send(http, experiment, bodies[0].SerializeToString()).status_code == 200
    if order == "between":
        assert put_info(http, trace, home).status_code == 200
    assert send(http, experiment, bodies[1].SerializeToString()).status_code == 200
    if order == "spans first":
        assert put_info(http, trace, home).status_code == 200
    assert client.search_traces(locations=[experiment]) == []
    assert {span.name for span in only(client, home).data.spans} == {"root", "leaf"}


def test_an_info_does_not_take_a_trace_from_the_experiment_of_another_info(http, client, experiment):
    trace = secrets.token_bytes(16)
    put_info(http, trace, experiment)
    assert put_info(http, trace, client.create_experiment(f"home-{secrets.token_hex(4)}")).status_code == 400
    assert len(client.search_traces(locations=[experiment])) == 1


def test_spans_complete_the_info_that_came_first(http, client, experiment):
    trace, request = secrets.token_bytes(16), ExportTraceServiceRequest()
    put_info(http, trace, experiment, response_preview="its own")
    request = request_of("root", trace=trace)
    request.resource_spans[0].resource.attributes.add(key="service.name").value.string_value = "shop"
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for key, text in (("input.value", "hello"), ("output.value", "bye"), ("llm.token_count.total", "9")):
        span.attributes.add(key=key).value.string_value = text
    send(http, experiment, request.SerializeToString())
    info = only(client, experiment, "tag.`service.name` = 'shop'").info
    assert (info.request_preview, info.response_preview) == ("hello", "its own")
    assert info.token_usage["total_tokens"] == 9
