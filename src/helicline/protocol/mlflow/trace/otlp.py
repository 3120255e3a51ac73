"""Spans of an OTLP request in protobuf, and what must hold for spans of every encoding."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAX_NS = 2**63
MAX_DEPTH = 32
NESTED = {"array_value", "kvlist_value"}


class Malformed(ValueError):
    """The bytes are no request of spans."""


def spans_of(body: bytes) -> list[Span]:
    """Return every span of an ExportTraceServiceRequest. Raises Malformed; all or nothing."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise Malformed(str(error)) from None
    spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    for number, span in enumerate(spans):
        check(number, span)
    return spans


def check(number: int, span: Span) -> None:
    """Refuse a span that no reader could take. Raises Malformed."""
    for key, told, size in (("trace_id", span.trace_id, 16), ("span_id", span.span_id, 8)):
        if len(told) != size or not any(told):
            raise Malformed(f"{key} is not {size} bytes that are not all zero")
    if span.start_time_unix_nano >= MAX_NS or span.end_time_unix_nano >= MAX_NS:
        raise Malformed("a time beyond the year 2262")
    if "\0" in span.name or "\0" in span.trace_state:
        raise Malformed(f"spans[{number}] has a NUL character in its name or trace_state")
    _check_depth(span.attributes)
    for event in span.events:
        _check_depth(event.attributes)
    for link in span.links:
        _check_depth(link.attributes)


def _check_depth(pairs: Iterable[KeyValue], depth: int = 1) -> None:
    for pair in pairs:
        if pair.value.WhichOneof("value") in NESTED:
            _check_nested(pair.value, depth)


def _check_nested(value: AnyValue, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise Malformed("attributes nested too deep")
    _check_depth(value.kvlist_value.values, depth + 1)
    for one in value.array_value.values:
        if one.WhichOneof("value") in NESTED:
            _check_nested(one, depth + 1)
