"""What a request brings of each trace, surveyed once, so that storing it needs no other look at its spans."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from helicline.errors import Invalid
from helicline.records.run import SpanRecord
from helicline.trace.span import packed, read_span
from helicline.trace.usage import TELLING

REQUEST_ID = "mlflow.traceRequestId"
TRACE_ID = re.compile(r"[\w.:/-]{1,250}")


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one trace that came together: their pack, and what the trace's summary needs of them."""

    trace_id: str
    pack: bytes
    start_ns: int
    root: SpanRecord | None
    tells: bool
    run_id: str = ""

    def with_later(self, later: Arrival) -> Arrival:
        """Return both as one. Neither changes: a unit that is tried again must find them as they came."""
        return Arrival(
            trace_id=self.trace_id,
            pack=self.pack + later.pack,
            start_ns=min(self.start_ns, later.start_ns),
            root=later.root or self.root,
            tells=self.tells or later.tells,
            run_id=later.run_id or self.run_id,
        )


def checked_trace_id(trace_id: str) -> str:
    if not TRACE_ID.fullmatch(trace_id):
        raise Invalid("trace_id", trace_id, "letters, digits and '_.:/-', at most 250")
    return trace_id


def arrivals(spans: Iterable[Span], *, run_id: str = "") -> list[Arrival]:
    """Return the spans by trace. The ids of spans have been checked; raises Invalid where that of a trace is none."""
    groups: dict[str, list[Span]] = {}
    telling: set[str] = set()
    for span in spans:
        trace_id, tells = _surveyed(span)
        groups.setdefault(trace_id, []).append(span)
        if tells:
            telling.add(trace_id)
    return [
        Arrival(
            trace_id=checked_trace_id(trace_id),
            pack=packed(group),
            start_ns=min(span.start_time_unix_nano for span in group),
            root=_root(trace_id, group),
            tells=trace_id in telling,
            run_id=run_id,
        )
        for trace_id, group in groups.items()
    ]


def _surveyed(span: Span) -> tuple[str, bool]:
    """Return the id of the span's trace, and whether it has anything to sum up."""
    run_text, tells = "", False
    for pair in span.attributes:
        key = pair.key
        if key == REQUEST_ID:
            run_text = run_text or pair.value.string_value
        elif key in TELLING:
            tells = True
    return _plain_id(run_text) or f"tr-{span.trace_id.hex()}", tells


def _plain_id(text: str) -> str:
    """Return the id that MLflow's client tells as JSON in a string."""
    try:
        return msgspec.json.decode(text, type=str) if text else ""
    except msgspec.MsgspecError:
        return text


def _root(trace_id: str, group: list[Span]) -> SpanRecord | None:
    roots = [span for span in group if not span.parent_span_id]
    first = min(roots, key=lambda span: (span.start_time_unix_nano, span.span_id), default=None)
    return None if first is None else read_span(trace_id, first)
