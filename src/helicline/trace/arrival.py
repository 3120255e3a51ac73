"""Spans of a request grouped by trace, with a summary, so that storing reads the spans only once."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from helicline.errors import Invalid
from helicline.records.run import SpanRecord
from helicline.trace.span import pack_spans, read_span
from helicline.trace.usage import USAGE_KEYS

REQUEST_ID = "mlflow.traceRequestId"
TRACE_ID = re.compile(r"[\w.:/-]{1,250}")


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one trace in one request: their pack, and the values for the record of the trace."""

    trace_id: str
    pack: bytes
    start_ns: int
    root: SpanRecord | None
    has_usage: bool
    run_id: str = ""

    def with_later(self, later: Arrival) -> Arrival:
        """Return both as one new arrival; neither is changed, because a repeated unit of work needs the original."""
        return Arrival(
            trace_id=self.trace_id,
            pack=self.pack + later.pack,
            start_ns=min(self.start_ns, later.start_ns),
            root=later.root or self.root,
            has_usage=self.has_usage or later.has_usage,
            run_id=later.run_id or self.run_id,
        )


def checked_trace_id(trace_id: str) -> str:
    if not TRACE_ID.fullmatch(trace_id):
        raise Invalid("trace_id", trace_id, "letters, digits and '_.:/-', at most 250")
    return trace_id


def arrivals(spans: Iterable[Span], *, run_id: str = "") -> list[Arrival]:
    """Return the spans by trace; span ids must be checked. Raises Invalid for an invalid trace id."""
    groups: dict[str, list[Span]] = {}
    with_usage: set[str] = set()
    for span in spans:
        trace_id, has_usage = _summary(span)
        groups.setdefault(trace_id, []).append(span)
        if has_usage:
            with_usage.add(trace_id)
    return [
        Arrival(
            trace_id=checked_trace_id(trace_id),
            pack=pack_spans(group),
            start_ns=min(span.start_time_unix_nano for span in group),
            root=_root(trace_id, group),
            has_usage=trace_id in with_usage,
            run_id=run_id,
        )
        for trace_id, group in groups.items()
    ]


def _summary(span: Span) -> tuple[str, bool]:
    """Return the id of the span's trace, and whether its attributes have usage data."""
    run_text, has_usage = "", False
    for pair in span.attributes:
        key = pair.key
        if key == REQUEST_ID:
            run_text = run_text or pair.value.string_value
        elif key in USAGE_KEYS:
            has_usage = True
    return _decoded_id(run_text) or f"tr-{span.trace_id.hex()}", has_usage


def _decoded_id(text: str) -> str:
    """Return the id without the JSON string encoding of MLflow's client."""
    try:
        return msgspec.json.decode(text, type=str) if text else ""
    except msgspec.MsgspecError:
        return text


def _root(trace_id: str, group: list[Span]) -> SpanRecord | None:
    roots = [span for span in group if not span.parent_span_id]
    first = min(roots, key=lambda span: (span.start_time_unix_nano, span.span_id), default=None)
    return None if first is None else read_span(trace_id, first)
