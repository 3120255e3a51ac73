"""Spans of an OTLP request as records; their body is OTLP JSON in snake_case with base64 ids, as clients read it."""

from __future__ import annotations

import base64
import math
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from helicline.records.run import SpanRecord

REQUEST_ID = "mlflow.traceRequestId"
SPECIAL = {math.inf: "Infinity", -math.inf: "-Infinity"}
MAX_NS = 2**63
MAX_DEPTH = 32


class Malformed(ValueError):
    """The bytes are no request of spans."""


def spans_of(body: bytes) -> list[SpanRecord]:
    """Return every span of an ExportTraceServiceRequest. Raises Malformed; all or nothing."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise Malformed(str(error)) from None
    return [
        _span(span) for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]


def _span(span: Span) -> SpanRecord:
    body: dict[str, Any] = {"trace_id": span.trace_id, "span_id": span.span_id}
    told = (
        ("parent_span_id", span.parent_span_id),
        ("trace_state", span.trace_state),
        ("name", span.name),
        ("kind", span.kind),
        ("start_time_unix_nano", span.start_time_unix_nano),
        ("end_time_unix_nano", span.end_time_unix_nano),
        ("flags", span.flags),
    )
    body |= {key: value for key, value in told if value}
    if span.HasField("status"):
        status = (("message", span.status.message), ("code", span.status.code))
        body["status"] = {key: value for key, value in status if value}
    return checked_span(
        body,
        attributes=[_pair(pair, 0) for pair in span.attributes],
        events=[_event(event) for event in span.events],
        links=[_link(link) for link in span.links],
    )


def checked_span(
    body: dict[str, Any], *, attributes: list[dict[str, Any]], events: list[dict[str, Any]], links: list[dict[str, Any]]
) -> SpanRecord:
    """Return the span whose ids are still bytes in `body`. Raises Malformed where they are none."""
    _check(body)
    hex_id, span_id = body["trace_id"].hex(), body["span_id"].hex()
    for key in ("trace_id", "span_id", "parent_span_id"):
        if key in body:
            body[key] = _b64(body[key])
    body |= {key: value for key, value in (("attributes", attributes), ("events", events), ("links", links)) if value}
    start = int(body.get("start_time_unix_nano", 0))
    return SpanRecord(trace_id=_trace_id(attributes, hex_id), span_id=span_id, start_ns=start, body=body)


def _check(body: dict[str, Any]) -> None:
    for key, size in (("trace_id", 16), ("span_id", 8)):
        if len(body.get(key, b"")) != size or not any(body[key]):
            raise Malformed(f"{key} is not {size} bytes that are not all zero")
    if any(body.get(key, 0) >= MAX_NS for key in ("start_time_unix_nano", "end_time_unix_nano")):
        raise Malformed("a time beyond the year 2262")


def _trace_id(attributes: list[dict[str, Any]], hex_id: str) -> str:
    for pair in attributes:
        if pair["key"] == REQUEST_ID:
            told = pair["value"].get("string_value", "")
            try:
                return msgspec.json.decode(told, type=str)
            except msgspec.MsgspecError:
                return str(told) or f"tr-{hex_id}"
    return f"tr-{hex_id}"


def _event(event: Span.Event) -> dict[str, Any]:
    told: dict[str, Any] = {"time_unix_nano": event.time_unix_nano, "name": event.name}
    told["attributes"] = [_pair(pair, 0) for pair in event.attributes]
    return {key: value for key, value in told.items() if value}


def _link(link: Span.Link) -> dict[str, Any]:
    told: dict[str, Any] = {"trace_id": _b64(link.trace_id), "span_id": _b64(link.span_id)}
    told["attributes"] = [_pair(pair, 0) for pair in link.attributes]
    return {key: value for key, value in told.items() if value}


def _pair(pair: KeyValue, depth: int) -> dict[str, Any]:
    return {"key": pair.key, "value": _any(pair.value, depth + 1)}


def _any(value: AnyValue, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Malformed("attributes nested too deep")
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return {"string_value": value.string_value}
    if kind == "double_value":
        return {"double_value": _finite(value.double_value)}
    if kind == "array_value":
        return {"array_value": {"values": [_any(one, depth + 1) for one in value.array_value.values]}}
    if kind == "kvlist_value":
        return {"kvlist_value": {"values": [_pair(pair, depth + 1) for pair in value.kvlist_value.values]}}
    if kind == "bytes_value":
        return {"bytes_value": _b64(value.bytes_value)}
    return {kind: getattr(value, kind)} if kind in ("bool_value", "int_value") else {}


def _finite(value: float) -> float | str:
    return "NaN" if math.isnan(value) else SPECIAL.get(value, value)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
