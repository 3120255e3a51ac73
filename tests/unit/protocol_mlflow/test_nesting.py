"""Attributes may be nested equally deep in protobuf and in JSON, and can be read again wherever they were taken."""

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from helicline.protocol.mlflow.trace import otlp, otlp_json
from helicline.trace.span import groups_of, pack_spans, unpack_spans


def as_protobuf(kind, depth):
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"1" * 16, span_id=b"2" * 8)
    value = span.attributes.add(key="a").value
    for _ in range(depth):
        value = value.kvlist_value.values.add(key="k").value if kind == "pairs" else value.array_value.values.add()
    value.string_value = "x"
    return request.SerializeToString()


def as_json(kind, depth):
    value = {"stringValue": "x"}
    for _ in range(depth):
        inner = {"kvlistValue": {"values": [{"key": "k", "value": value}]}}
        value = inner if kind == "pairs" else {"arrayValue": {"values": [value]}}
    span = {"traceId": "31" * 16, "spanId": "32" * 8, "attributes": [{"key": "a", "value": value}]}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


ENCODINGS = [(otlp.read, as_protobuf), (otlp_json.read, as_json)]


@pytest.mark.parametrize(("read", "build"), ENCODINGS, ids=["protobuf", "json"])
@pytest.mark.parametrize(("kind", "deepest"), [("lists", 47), ("pairs", 31)])
def test_the_deepest_is_the_same_in_both_encodings(read, build, kind, deepest):
    export = read(build(kind, deepest))
    (record,) = unpack_spans("tr-1", [pack_spans(groups_of(export.resource_spans))])
    assert json.dumps(record.body).count("values") == deepest
    too_deep = read(build(kind, deepest + 1))
    assert (too_deep.span_count, len(too_deep.rejections)) == (0, 1)
