"""Spans of a request grouped by trace, with a summary, so that storing reads the spans only once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from helicline.errors import Invalid
from helicline.records.run import SpanRecord
from helicline.trace.attribute import decoded_json
from helicline.trace.span import Origin, SpanGroup, groups_of, origin_pairs, pack_spans, read_span
from helicline.trace.usage import USAGE_KEYS

REQUEST_ID = "mlflow.traceRequestId"
TRACE_ID = re.compile(r"[\w.:/-]{1,250}")
MAX_ORIGIN_BYTES = 2**26  # of resources in all packs of a request: each trace has a copy of the resource


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one trace in one request: their pack, and the values for the record of the trace.

    `lead` is the root, or the earliest span where the root is elsewhere.
    """

    trace_id: str
    pack: bytes
    span_count: int
    start_ns: int
    lead: SpanRecord
    has_usage: bool
    run_id: str = ""

    @property
    def root(self) -> SpanRecord | None:
        return self.lead if is_root(self.lead) else None

    def with_later(self, later: Arrival) -> Arrival:
        """Return both as one new arrival; neither is changed, because a repeated unit of work needs the original."""
        is_lead_later = later.root is not None or (self.root is None and later.start_ns < self.start_ns)
        return Arrival(
            trace_id=self.trace_id,
            pack=self.pack + later.pack,
            span_count=self.span_count + later.span_count,
            start_ns=min(self.start_ns, later.start_ns),
            lead=later.lead if is_lead_later else self.lead,
            has_usage=self.has_usage or later.has_usage,
            run_id=later.run_id or self.run_id,
        )


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Spans that are not stored, with the reason."""

    span_count: int
    reason: str


def is_root(span: SpanRecord) -> bool:
    return not span.body.get("parent_span_id")


def checked_trace_id(trace_id: str) -> str:
    if not TRACE_ID.fullmatch(trace_id):
        raise Invalid("trace_id", trace_id, "letters, digits and '_.:/-', at most 250")
    return trace_id


def arrivals(
    resource_spans: Iterable[ResourceSpans], *, run_id: str = ""
) -> tuple[list[Arrival], tuple[Rejection, ...]]:
    """Return the spans by trace, and what is rejected: invalid trace ids and resources that are too large.

    Span ids must be checked.
    """
    groups: dict[str, list[tuple[Origin, list[Span]]]] = {}
    with_usage: set[str] = set()
    rejections, origin_bytes = [], 0
    for origin, spans in groups_of(resource_spans):
        by_trace: dict[str, list[Span]] = {}
        for span in spans:
            trace_id, has_usage = _summary(span)
            by_trace.setdefault(trace_id, []).append(span)
            if has_usage:
                with_usage.add(trace_id)
        origin_bytes += _size(origin) * len(by_trace)
        if origin_bytes > MAX_ORIGIN_BYTES:
            reason = f"a resource of {_size(origin)} bytes is too large for {len(by_trace)} traces in one request"
            rejections.append(Rejection(span_count=len(spans), reason=reason))
            continue
        for trace_id, group in by_trace.items():
            groups.setdefault(trace_id, []).append((origin, group))
    accepted = []
    for trace_id, parts in groups.items():
        try:
            checked_trace_id(trace_id)
        except Invalid as error:
            rejections.append(Rejection(span_count=sum(len(spans) for _, spans in parts), reason=str(error)))
            continue
        accepted.append(_arrival(trace_id, parts, has_usage=trace_id in with_usage, run_id=run_id))
    return accepted, tuple(rejections)


def _size(origin: Origin) -> int:
    return sum(part.ByteSize() for part in (origin.resource, origin.scope) if part is not None)


def _arrival(trace_id: str, parts: Sequence[tuple[Origin, list[Span]]], *, has_usage: bool, run_id: str) -> Arrival:
    members = [(span, origin) for origin, spans in parts for span in spans]
    roots = [member for member in members if not member[0].parent_span_id]
    span, origin = min(roots or members, key=_order)
    return Arrival(
        trace_id=trace_id,
        pack=pack_spans(SpanGroup(origin, spans) for origin, spans in parts),
        span_count=len(members),
        start_ns=min(span.start_time_unix_nano for span, _ in members),
        lead=read_span(trace_id, span, origin_pairs(origin)),
        has_usage=has_usage,
        run_id=run_id,
    )


def _order(member: tuple[Span, Origin]) -> tuple[int, bytes]:
    return member[0].start_time_unix_nano, member[0].span_id


def _summary(span: Span) -> tuple[str, bool]:
    """Return the id of the span's trace, and whether its attributes have usage data."""
    own_id, has_usage = "", False
    for pair in span.attributes:
        key = pair.key
        if key == REQUEST_ID:
            own_id = own_id or pair.value.string_value
        elif key in USAGE_KEYS:
            has_usage = True
    return _decoded_id(own_id) or f"tr-{span.trace_id.hex()}", has_usage


def _decoded_id(text: str) -> str:
    """Return the id without the JSON string encoding of MLflow's client."""
    decoded = decoded_json(text) if text else ""
    return decoded if isinstance(decoded, str) else text
