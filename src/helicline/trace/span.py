"""Span packs: the stored form of spans, and their form for readers (note 0013).

A pack is the protobuf of OTLP's ScopeSpans: the spans of one trace in one request, unchanged. The concatenation of
packs is a pack too. Readers get OTLP JSON in snake_case with base64 ids, which MLflow's clients expect.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from helicline.records.run import SpanRecord

SPECIAL_FLOATS = {math.inf: "Infinity", -math.inf: "-Infinity"}


def pack_spans(spans: Iterable[Span]) -> bytes:
    pack: bytes = ScopeSpans(spans=spans).SerializeToString()
    return pack


def unpack_spans(trace_id: str, packs: Iterable[bytes]) -> list[SpanRecord]:
    """Return the spans sorted by start time; of several with one id, the one that was stored last."""
    by_id: dict[bytes, Span] = {}
    for pack in packs:
        for span in ScopeSpans.FromString(pack).spans:
            by_id[span.span_id] = span
    spans = [read_span(trace_id, span) for span in by_id.values()]
    return sorted(spans, key=lambda span: (span.start_ns, span.span_id))


def read_span(trace_id: str, span: Span) -> SpanRecord:
    """Return the span in the form for readers, without unset fields."""
    fields: tuple[tuple[str, Any], ...] = (
        ("trace_id", _b64(span.trace_id)),
        ("span_id", _b64(span.span_id)),
        ("parent_span_id", _b64(span.parent_span_id)),
        ("trace_state", span.trace_state),
        ("name", span.name),
        ("kind", span.kind),
        ("start_time_unix_nano", span.start_time_unix_nano),
        ("end_time_unix_nano", span.end_time_unix_nano),
        ("flags", span.flags),
        ("attributes", [_pair(pair) for pair in span.attributes]),
        ("events", [_event(event) for event in span.events]),
        ("links", [_link(link) for link in span.links]),
    )
    body = {key: value for key, value in fields if value}
    if span.HasField("status"):
        status = (("message", span.status.message), ("code", span.status.code))
        body["status"] = {key: value for key, value in status if value}
    return SpanRecord(trace_id=trace_id, span_id=span.span_id.hex(), start_ns=span.start_time_unix_nano, body=body)


def _event(event: Span.Event) -> dict[str, Any]:
    fields = (("time_unix_nano", event.time_unix_nano), ("name", event.name))
    return {key: value for key, value in (*fields, ("attributes", [_pair(pair) for pair in event.attributes])) if value}


def _link(link: Span.Link) -> dict[str, Any]:
    fields = (("trace_id", _b64(link.trace_id)), ("span_id", _b64(link.span_id)))
    return {key: value for key, value in (*fields, ("attributes", [_pair(pair) for pair in link.attributes])) if value}


def _pair(pair: KeyValue) -> dict[str, Any]:
    return {"key": pair.key, "value": _any_value(pair.value)}


def _any_value(value: AnyValue) -> dict[str, Any]:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return {"string_value": value.string_value}
    if kind == "double_value":
        return {"double_value": _finite(value.double_value)}
    if kind == "array_value":
        return {"array_value": {"values": [_any_value(item) for item in value.array_value.values]}}
    if kind == "kvlist_value":
        return {"kvlist_value": {"values": [_pair(pair) for pair in value.kvlist_value.values]}}
    if kind == "bytes_value":
        return {"bytes_value": _b64(value.bytes_value)}
    return {kind: getattr(value, kind)} if kind in ("bool_value", "int_value") else {}


def _finite(value: float) -> float | str:
    return "NaN" if math.isnan(value) else SPECIAL_FLOATS.get(value, value)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
