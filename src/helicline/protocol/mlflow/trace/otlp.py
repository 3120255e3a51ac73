"""Spans of an OTLP request in protobuf, and the checks for spans of both encodings (note 0012)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from helicline.trace import Rejection

MAX_NS = 2**63
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# numbers of fields that hold messages: ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, and so on
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 1, 2, 2
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10


class Malformed(ValueError):
    """The bytes are not a valid OTLP request, or a part of it is not a valid span."""


class Export(NamedTuple):
    """What a request contains: the valid spans by resource and scope, and what is rejected."""

    resource_spans: list[ResourceSpans]
    rejections: list[Rejection]

    @property
    def span_count(self) -> int:
        return sum(len(scope.spans) for resource in self.resource_spans for scope in resource.scope_spans)


def read(body: bytes) -> Export:
    """Return the spans of an ExportTraceServiceRequest. Raises Malformed where the bytes are none.

    The protobuf parser rejects attributes that are nested deeper than about forty lists.
    """
    request = ExportTraceServiceRequest()
    rejections: list[Rejection] = []
    try:
        request.ParseFromString(body)
    except DecodeError:
        request, rejections = _valid_parts(body)
    return checked(list(request.resource_spans), rejections)


def checked(resource_spans: list[ResourceSpans], rejections: list[Rejection]) -> Export:
    """Remove the spans with missing ids or impossible values, and add them to the rejections."""
    for resource in resource_spans:
        for scope in resource.scope_spans:
            invalid = [(index, reason) for index, span in enumerate(scope.spans) if (reason := _fault(span))]
            for index, reason in reversed(invalid):
                rejections.append(Rejection(span_count=1, reason=f"span {scope.spans[index].name[:100]!r}: {reason}"))
                del scope.spans[index]
    return Export(resource_spans, rejections)


def _fault(span: Span) -> str:
    """Return why the span cannot be stored: a missing id, a time over 63 bits, NUL in text; "" if it can."""
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "trace_id is not 16 bytes that are not all zero"
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return "span_id is not 8 bytes that are not all zero"
    if span.start_time_unix_nano >= MAX_NS or span.end_time_unix_nano >= MAX_NS:
        return "a time beyond the year 2262"
    if "\0" in span.name or "\0" in span.trace_state:
        return "a NUL character in its name or trace_state"
    return ""


# The parser takes a request as a whole or not at all. One span with text that is no UTF-8 must not cost its neighbours:
# where it refuses a request, the request is taken apart and each span is parsed in an envelope of its own.


def _valid_parts(body: bytes) -> tuple[ExportTraceServiceRequest, list[Rejection]]:
    request, rejections = ExportTraceServiceRequest(), []
    for resource_spans in _messages(body, _RESOURCE_SPANS):
        head, scopes = _without(resource_spans, _SCOPE_SPANS), _messages(resource_spans, _SCOPE_SPANS)
        if fault := _parse_fault(_field(_RESOURCE_SPANS, head)):
            count = sum(len(_messages(scope, _SPANS)) for scope in scopes)
            rejections.append(Rejection(span_count=count, reason=f"the resource is no valid protobuf: {fault}"))
            continue
        valid = [_valid_scope(scope, rejections) for scope in scopes]
        request.MergeFromString(_field(_RESOURCE_SPANS, head + b"".join(valid)))
    return request, rejections


def _valid_scope(scope_spans: bytes, rejections: list[Rejection]) -> bytes:
    """Return the field of the scope with its valid spans, and add the others to the rejections."""
    head, spans = _without(scope_spans, _SPANS), _messages(scope_spans, _SPANS)
    if fault := _parse_fault(_in_resource(head)):
        rejections.append(Rejection(span_count=len(spans), reason=f"the scope is no valid protobuf: {fault}"))
        return b""
    fields = []
    for number, span in enumerate(spans):
        field = _field(_SPANS, span)
        # in an envelope, because the depth of nesting counts from the request
        if fault := _parse_fault(_in_resource(field)):
            rejections.append(Rejection(span_count=1, reason=f"span {number} is no valid protobuf: {fault}"))
        else:
            fields.append(field)
    return _field(_SCOPE_SPANS, head + b"".join(fields))


def _in_resource(scope_spans: bytes) -> bytes:
    return _field(_RESOURCE_SPANS, _field(_SCOPE_SPANS, scope_spans))


def _parse_fault(request: bytes) -> str:
    try:
        ExportTraceServiceRequest.FromString(request)
    except DecodeError as error:
        return str(error)
    return ""


def _messages(message: bytes, number: int) -> list[bytes]:
    return [content for field, content, _ in _fields(message) if field == number and content is not None]


def _without(message: bytes, number: int) -> bytes:
    return b"".join(field_bytes for field, _, field_bytes in _fields(message) if field != number)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Yield each field: its number, its content if it has a length, and all its bytes. Raises Malformed."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        content: bytes | None = None
        if tag & 7 == _VARINT:
            _, position = _varint(message, position)
        elif tag & 7 == _LENGTH:
            length, position = _varint(message, position)
            content = message[position : position + length]
            position += length
        elif tag & 7 in (_FIXED32, _FIXED64):
            position += 4 if tag & 7 == _FIXED32 else 8
        else:
            raise Malformed("it is no protobuf message")
        if position > len(message):
            raise Malformed("it is cut short")
        yield tag >> 3, content, message[start:position]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(message[position : position + MAX_VARINT_BYTES]):
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, position + index + 1
    raise Malformed("it is cut short")


def _field(number: int, content: bytes) -> bytes:
    length, size = len(content), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    size.append(length)
    return bytes([number << 3 | _LENGTH]) + bytes(size) + content
