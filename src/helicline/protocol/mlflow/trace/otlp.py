"""Spans of an OTLP request in protobuf, and the checks for spans of both encodings (note 0012)."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAX_NS = 2**63
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class Malformed(ValueError):
    """The bytes are not a valid OTLP request."""


def spans_of(body: bytes) -> list[Span]:
    """Return every span of an ExportTraceServiceRequest. Raises Malformed where any of them is invalid.

    The protobuf parser rejects attributes that are nested deeper than about forty lists.
    """
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
    """Raise Malformed where an id is missing, a time exceeds 63 bits, or text holds NUL."""
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        raise Malformed("trace_id is not 16 bytes that are not all zero")
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        raise Malformed("span_id is not 8 bytes that are not all zero")
    if span.start_time_unix_nano >= MAX_NS or span.end_time_unix_nano >= MAX_NS:
        raise Malformed("a time beyond the year 2262")
    if "\0" in span.name or "\0" in span.trace_state:
        raise Malformed(f"spans[{number}] has a NUL character in its name or trace_state")
