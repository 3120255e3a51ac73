"""Numbers over many traces, their spans or their assessments: counts, sums and percentiles, by name, state and time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from helicline.errors import Invalid
from helicline.records.run import Clause, SpanRecord, TraceRecord
from helicline.store.rows import trace as rows
from helicline.store.unit import Reader
from helicline.trace import usage
from helicline.trace.search import CODES, SPAN_TYPE
from helicline.trace.trace import LINKED_KEY, NAME_TAG, RUN_KEY, trace_spans
from helicline.tracking.experiment import experiment_number

COUNT, NUMBERS = frozenset({"COUNT"}), frozenset({"AVG", "MIN", "MAX", "PERCENTILE"})
SUMS = NUMBERS | {"SUM"}
COSTS = ("input_cost", "output_cost", "total_cost")
TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
# of each view: its metrics, with the aggregations and the dimensions that each of them takes
METRICS: dict[str, dict[str, tuple[frozenset[str], tuple[str, ...]]]] = {
    "TRACES": {
        "trace_count": (COUNT, ("trace_name", "trace_status")),
        "session_count": (COUNT, ()),
        "latency": (NUMBERS, ("trace_name",)),
    }
    | {name: (SUMS, ("trace_name",)) for name in TOKENS},
    "SPANS": {
        "span_count": (COUNT, ("span_name", "span_type", "span_status", "span_model_name", "span_model_provider")),
        "latency": (NUMBERS, ("span_name", "span_status")),
    }
    | {name: (SUMS, ("span_model_name", "span_model_provider")) for name in COSTS},
    "ASSESSMENTS": {
        "assessment_count": (COUNT, ("assessment_name", "assessment_value")),
        "assessment_value": (NUMBERS, ("assessment_name",)),
    },
}
FILTER = re.compile(
    r"""\s*(trace|span|assessment)\.(\w+)(?:\.(`[^`]+`|"[^"]+"|'[^']+'|[^\s=]+))?\s*=\s*('[^']*'|"[^"]*")\s*"""
)
FILTERED = {
    "trace": {"status": False, "tag": True, "metadata": True},
    "span": {"name": False, "status": False, "type": False},
    "assessment": {"name": False, "type": False},
}
AT_ONCE, MOST = 500, 50_000


class Aggregation(msgspec.Struct, frozen=True):
    """How values become one; `percentile` of PERCENTILE is 0 to 100."""

    kind: str
    percentile: float | None = None

    @property
    def label(self) -> str:
        return self.kind if self.percentile is None else f"P{self.percentile}"


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: one metric of a view, over a span of time, in groups."""

    experiment_ids: Sequence[str]
    view: str
    metric: str
    aggregations: Sequence[Aggregation]
    dimensions: Sequence[str] = ()
    filters: Sequence[str] = ()
    interval_s: int = 0
    start_ms: int | None = None
    end_ms: int | None = None
    max_results: int = 1000


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The metric of one group."""

    metric_name: str
    dimensions: dict[str, str]
    values: dict[str, float]


class _Filter(NamedTuple):
    view: str
    entity: str
    key: str
    value: str


class _Row(NamedTuple):
    """One trace, span or assessment: when it was, what it counts, and the names it goes by."""

    at_ms: int
    value: Any
    names: dict[str, str | None]


def measure(tx: Reader, asked: Measure) -> list[Point]:
    """Return the metric of each group, by time and name. Raises Invalid for what the view does not have."""
    filters = [_parsed(text, asked.view) for text in asked.filters]
    _check(asked)
    groups: dict[tuple[Any, ...], list[Any]] = {} if asked.interval_s or asked.dimensions else {(): []}
    for row in _rows(tx, asked, filters):
        names = tuple(row.names[dimension] for dimension in asked.dimensions)
        if row.value is None or None in names:
            continue
        width = asked.interval_s * 1000
        groups.setdefault((row.at_ms // width * width, *names) if width else names, []).append(row.value)
    points = (_point(asked, group, groups[group]) for group in sorted(groups)[: asked.max_results])
    return [point for point in points if point.values]


def _check(asked: Measure) -> None:
    if asked.view not in METRICS:
        raise Invalid("view_type", asked.view, f"one of {', '.join(METRICS)}")
    if asked.metric not in METRICS[asked.view]:
        raise Invalid("metric_name", asked.metric, f"one of {', '.join(METRICS[asked.view])}")
    kinds, dimensions = METRICS[asked.view][asked.metric]
    for one in asked.aggregations:
        if one.kind not in kinds:
            raise Invalid("aggregations", one.kind, f"of {', '.join(sorted(kinds))}")
        if (one.kind == "PERCENTILE") != (one.percentile is not None):
            raise Invalid("percentile_value", one.percentile, "a number with PERCENTILE, and none with others")
        if one.percentile is not None and not 0 <= one.percentile <= 100:
            raise Invalid("percentile_value", one.percentile, "0 to 100")
    for name in asked.dimensions:
        if name not in dimensions:
            raise Invalid("dimensions", name, f"of {', '.join(dimensions) or 'none'}")
    if asked.interval_s < 0 or (asked.interval_s and (asked.start_ms is None or asked.end_ms is None)):
        raise Invalid(
            "time_interval_seconds", asked.interval_s, "a positive number, with start_time_ms and end_time_ms"
        )
    if not 0 <= asked.max_results <= MOST:
        raise Invalid("max_results", asked.max_results, f"0 to {MOST}")


def _parsed(text: str, view: str) -> _Filter:
    matched = FILTER.fullmatch(text)
    if matched is None:
        raise Invalid("filters", text, "one clause each, like trace.status = 'OK' or trace.tag.key = 'value'")
    of, entity, key, value = matched.groups()
    if FILTERED[of].get(entity) is not bool(key):
        raise Invalid("filters", text, f"{of}. with {', '.join(FILTERED[of])}; tag and metadata with a key")
    if of != "trace" and f"{of.upper()}S" != view:
        raise Invalid("filters", text, f"filters of {of}s only with the view {of.upper()}S")
    key = key or ""
    return _Filter(of, entity, key[1:-1] if key[:1] in ("`", '"', "'") else key, value[1:-1])


def _rows(tx: Reader, asked: Measure, filters: Sequence[_Filter]) -> Iterator[_Row]:
    own = [one for one in filters if one.view == "trace"]
    inner = [one for one in filters if one.view != "trace"]
    # a span's cost belongs to the time of the span, everything else to that of its trace
    by_span = asked.view == "SPANS" and asked.metric in COSTS
    for batch in _batches(tx, asked, any_time=by_span):
        found = [trace for trace in batch if all(_of_trace(trace, one) for one in own)]
        for row in VIEWS[asked.view](tx, asked.metric, found, inner):
            if not by_span or _within(row.at_ms, asked):
                yield row


def _within(at_ms: int, asked: Measure) -> bool:
    after = asked.start_ms is None or at_ms >= asked.start_ms
    return after and (asked.end_ms is None or at_ms <= asked.end_ms)


def _batches(tx: Reader, asked: Measure, *, any_time: bool) -> Iterator[list[TraceRecord]]:
    bounds = {} if any_time else {">=": asked.start_ms, "<=": asked.end_ms}
    limits = [
        Clause(entity="attribute", key="timestamp_ms", op=op, value=value)
        for op, value in bounds.items()
        if value is not None
    ]
    experiments = [experiment_number(one) for one in asked.experiment_ids]
    after: tuple[int, str] | None = None
    while True:
        found = rows.by_time(tx, experiments, limits, newest_first=False, after=after, most=AT_ONCE)
        yield found
        if len(found) < AT_ONCE:
            return
        after = (found[-1].timestamp_ms, found[-1].trace_id)


def _of_trace(trace: TraceRecord, one: _Filter) -> bool:
    metadata = trace.info.get("trace_metadata") or {}
    if one.entity == "status":
        return trace.state == one.value
    if one.entity == "tag":
        return (trace.info.get("tags") or {}).get(one.key) == one.value
    linked = trace.info.get(LINKED_KEY) or () if one.key == RUN_KEY else ()
    return metadata.get(one.key) == one.value or one.value in linked


def _traces(tx: Reader, metric: str, found: Sequence[TraceRecord], _: Sequence[_Filter]) -> Iterator[_Row]:
    for trace in found:
        metadata = trace.info.get("trace_metadata") or {}
        value: Any = trace.trace_id
        if metric == "session_count":
            value = metadata.get(usage.SESSION_KEY)
        elif metric == "latency":
            value = trace.duration_ms
        elif metric in TOKENS:
            value = _number(_document(metadata.get(usage.TOKENS_KEY)).get(metric))
        name = (trace.info.get("tags") or {}).get(NAME_TAG)
        yield _Row(trace.timestamp_ms, value, {"trace_name": name, "trace_status": trace.state})


def _spans(tx: Reader, metric: str, found: Sequence[TraceRecord], filters: Sequence[_Filter]) -> Iterator[_Row]:
    held = trace_spans(tx, [trace.trace_id for trace in found])
    for trace in found:
        for span in held.get(trace.trace_id, ()):
            known = {key: usage.plain(value) for key, value in usage.attributes(span).items()}
            names = {
                "span_name": str(span.body.get("name", "")),
                "span_type": _text(known.get(SPAN_TYPE)),
                "span_status": CODES.get((span.body.get("status") or {}).get("code", 0), "UNSET"),
                "span_model_name": _text(known.get("mlflow.llm.model")),
                "span_model_provider": _text(known.get("mlflow.llm.provider")),
            }
            if all(names[f"span_{one.entity}"] == one.value for one in filters):
                yield _Row(span.start_ns // 1_000_000, _span_value(span, metric, known), names)


def _span_value(span: SpanRecord, metric: str, known: dict[str, Any]) -> Any:
    if metric == "span_count":
        return span.span_id
    if metric == "latency":
        return (int(span.body.get("end_time_unix_nano", 0)) - span.start_ns) // 1_000_000
    return _number(_document(known.get("mlflow.llm.cost")).get(metric))


def _assessments(tx: Reader, metric: str, found: Sequence[TraceRecord], filters: Sequence[_Filter]) -> Iterator[_Row]:
    for trace in found:
        for item in trace.info.get("assessments") or ():
            kind = "expectation" if "expectation" in item else "feedback"
            own = {"name": item.get("assessment_name"), "type": kind}
            if not item.get("valid", True) or any(own[one.entity] != one.value for one in filters):
                continue
            told = _told(item, kind)
            names = {"assessment_name": own["name"], "assessment_value": json.dumps(_doubles(told))}
            value = item.get("assessment_id") if metric == "assessment_count" else _score(told)
            yield _Row(trace.timestamp_ms, value, names)


VIEWS: dict[str, Callable[[Reader, str, Sequence[TraceRecord], Sequence[_Filter]], Iterator[_Row]]] = {
    "TRACES": _traces,
    "SPANS": _spans,
    "ASSESSMENTS": _assessments,
}


def _told(item: dict[str, Any], kind: str) -> Any:
    told = item.get(kind) or {}
    if "value" not in told and isinstance(told.get("serialized_value"), dict):
        return _document(told["serialized_value"].get("value"), else_as_is=True)
    return told.get("value")


def _doubles(told: Any) -> Any:
    """Return the value as the wire keeps it, where every number is a double."""
    if isinstance(told, dict):
        return {key: _doubles(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_doubles(value) for value in told]
    return float(told) if isinstance(told, int) and not isinstance(told, bool) else told


def _score(told: Any) -> float | None:
    """Return an assessment as a number: yes and no count as 1 and 0."""
    if isinstance(told, str):
        return {"yes": 1.0, "no": 0.0}.get(told.strip().lower())
    return float(told) if isinstance(told, bool) else _number(told)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _document(value: Any, *, else_as_is: bool = False) -> Any:
    """Return the JSON object that a text holds, an empty one where it holds none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value if else_as_is else {}
    return value if isinstance(value, dict) or else_as_is else {}


def _point(asked: Measure, group: tuple[Any, ...], values: Sequence[Any]) -> Point:
    names = group[1:] if asked.interval_s else group
    dimensions = dict(zip(asked.dimensions, names, strict=True))
    if asked.interval_s:
        begun = datetime.fromtimestamp(group[0] / 1000, tz=UTC).isoformat()
        dimensions = {"time_bucket": begun} | dimensions
    if asked.metric == "session_count":
        values = list(set(values))
    told = {one.label: _aggregated(one, values) for one in asked.aggregations}
    kept = {label: value for label, value in told.items() if value is not None}
    return Point(metric_name=asked.metric, dimensions=dimensions, values=kept)


def _aggregated(one: Aggregation, values: Sequence[Any]) -> float | None:
    if one.kind == "COUNT":
        return float(len(values))
    if not values:
        return None
    if one.kind == "PERCENTILE":
        return _percentile(sorted(values), (one.percentile or 0.0) / 100)
    if one.kind in ("MIN", "MAX"):
        return float(min(values) if one.kind == "MIN" else max(values))
    total = math.fsum(values)
    return total / len(values) if one.kind == "AVG" else total


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Interpolate linearly between the two values around the place, as PERCENTILE_CONT does."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
