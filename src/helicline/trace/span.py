"""Span packs: the stored form of spans, and their form for readers (note 0013).

A pack is the protobuf of OTLP's TracesData: spans of one trace in one request, unchanged, with their resources and
scopes. The concatenation of packs is a pack too. Readers get OTLP JSON in snake_case with base64 ids, which MLflow's
clients expect; resource, scope and the attributes of MLflow (note 0031) are attributes there.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from helicline.records.run import SpanRecord
from helicline.trace.attribute import as_text, plain_value
from helicline.trace.dialect import decoded, translated

SPECIAL_FLOATS = {math.inf: "Infinity", -math.inf: "-Infinity"}
RESOURCE_PREFIX = "resource."
# the first byte of a pack of the older form, which is ScopeSpans with nothing but spans
SPANS_ALONE = b"\x12"
MAX_ORIGIN_PAIRS, MAX_ORIGIN_TEXT = 128, 1000
Pairs = Sequence[dict[str, Any]]


class Origin(NamedTuple):
    """Where spans come from: the process, and the library that made them."""

    resource: Resource | None = None
    scope: InstrumentationScope | None = None
    resource_schema: str = ""
    scope_schema: str = ""


NO_ORIGIN = Origin()


class SpanGroup(NamedTuple):
    """Spans of one origin."""

    origin: Origin
    spans: Sequence[Span]


def groups_of(resource_spans: Iterable[ResourceSpans]) -> Iterator[SpanGroup]:
    for item in resource_spans:
        resource = item.resource if item.HasField("resource") else None
        for part in item.scope_spans:
            scope = part.scope if part.HasField("scope") else None
            yield SpanGroup(Origin(resource, scope, item.schema_url, part.schema_url), part.spans)


def pack_spans(groups: Iterable[SpanGroup]) -> bytes:
    data = TracesData()
    for (resource, scope, resource_schema, scope_schema), spans in groups:
        item = data.resource_spans.add(resource=resource, schema_url=resource_schema)
        item.scope_spans.add(scope=scope, spans=spans, schema_url=scope_schema)
    pack: bytes = data.SerializeToString()
    return pack


def unpack_spans(trace_id: str, packs: Iterable[bytes]) -> list[SpanRecord]:
    """Return the spans sorted by start time; of several with one id, the one that was stored last."""
    by_id: dict[bytes, tuple[Span, Pairs]] = {}
    for pack in packs:
        for origin, spans in _groups_in(pack):
            pairs = origin_pairs(origin)
            for span in spans:
                by_id[span.span_id] = span, pairs
    records = [read_span(trace_id, span, pairs) for span, pairs in by_id.values()]
    for record in records:
        if "attributes" in record.body:
            record.body["attributes"] = [decoded(pair) for pair in record.body["attributes"]]
    return sorted(records, key=lambda record: (record.start_ns, record.span_id))


def _groups_in(pack: bytes) -> Iterator[SpanGroup]:
    if pack.startswith(SPANS_ALONE):
        yield SpanGroup(NO_ORIGIN, ScopeSpans.FromString(pack).spans)
    else:
        yield from groups_of(TracesData.FromString(pack).resource_spans)


def read_span(trace_id: str, span: Span, pairs: Pairs = ()) -> SpanRecord:
    """Return the span in the form for readers, without unset fields; `pairs` are the attributes of its origin."""
    events = [_event(event) for event in span.events]
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
        ("attributes", _attributes(span, pairs, events=events)),
        ("events", events),
        ("links", [_link(link) for link in span.links]),
    )
    body = {key: value for key, value in fields if value}
    if span.HasField("status"):
        status = (("message", span.status.message), ("code", span.status.code))
        body["status"] = {key: value for key, value in status if value}
    return SpanRecord(trace_id=trace_id, span_id=span.span_id.hex(), start_ns=span.start_time_unix_nano, body=body)


def _attributes(span: Span, pairs: Pairs, *, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the span's own attributes, those of MLflow that its dialect tells, and those of its origin."""
    own = translated([_pair(pair) for pair in span.attributes], events)
    if not pairs:
        return own
    names = {pair["key"] for pair in own}
    return own + [pair for pair in pairs if pair["key"] not in names]


def origin_pairs(origin: Origin) -> Pairs:
    """Return the attributes of the origin; those of the scope are named as OpenTelemetry names them for such ends.

    Every span repeats them to its readers: long texts are cut, and attributes over OpenTelemetry's own limit left out.
    """
    pairs: list[dict[str, Any]] = []
    if origin.scope is not None:
        names = ("otel.scope.name", origin.scope.name), ("otel.scope.version", origin.scope.version)
        pairs += [{"key": key, "value": {"string_value": _cut(text)}} for key, text in names if text]
    if origin.resource is not None:
        for pair in origin.resource.attributes[:MAX_ORIGIN_PAIRS]:
            value = _any_value(pair.value)
            if "string_value" in value or pair.value.ByteSize() > MAX_ORIGIN_TEXT:
                value = {"string_value": _cut(as_text(plain_value(value)))}
            pairs.append({"key": f"{RESOURCE_PREFIX}{pair.key}", "value": value})
    return pairs


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ORIGIN_TEXT else f"{text[:MAX_ORIGIN_TEXT]}..."


def _event(event: Span.Event) -> dict[str, Any]:
    fields = (("time_unix_nano", event.time_unix_nano), ("name", event.name))
    return {key: value for key, value in (*fields, ("attributes", [_pair(pair) for pair in event.attributes])) if value}


def _link(link: Span.Link) -> dict[str, Any]:
    fields = (("trace_id", _b64(link.trace_id)), ("span_id", _b64(link.span_id)))
    return {key: value for key, value in (*fields, ("attributes", [_pair(pair) for pair in link.attributes])) if value}


def _pair(pair: KeyValue) -> dict[str, Any]:
    return {"key": pair.key, "value": _any_value(pair.value)}


def _any_value(value: AnyValue) -> dict[str, Any]:
    """Return the value in OTLP JSON; bytes are text in base64, because clients cannot show bytes."""
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
        return {"string_value": _b64(value.bytes_value)}
    return {kind: getattr(value, kind)} if kind in ("bool_value", "int_value") else {}


def _finite(value: float) -> float | str:
    return "NaN" if math.isnan(value) else SPECIAL_FLOATS.get(value, value)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
