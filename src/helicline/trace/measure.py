"""Statistics of traces, spans or assessments: counts, sums and percentiles, grouped by name, state and time."""

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
from helicline.trace.attribute import attributes, value_of
from helicline.trace.derived import LINKED_KEY, NAME_TAG, RUN_KEY
from helicline.trace.search import SPAN_TYPE, STATUS_CODES
from helicline.trace.trace import trace_spans
from helicline.tracking.experiment import experiment_number

COUNT_ONLY, NUMBER_AGGREGATIONS = frozenset({"COUNT"}), frozenset({"AVG", "MIN", "MAX", "PERCENTILE"})
SUM_AGGREGATIONS = NUMBER_AGGREGATIONS | {"SUM"}
COSTS = ("input_cost", "output_cost", "total_cost")
TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
# view -> metric -> its aggregations and dimensions
METRICS: dict[str, dict[str, tuple[frozenset[str], tuple[str, ...]]]] = {
    "TRACES": {
        "trace_count": (COUNT_ONLY, ("trace_name", "trace_status")),
        "session_count": (COUNT_ONLY, ()),
        "latency": (NUMBER_AGGREGATIONS, ("trace_name",)),
    }
    | {name: (SUM_AGGREGATIONS, ("trace_name",)) for name in TOKENS},
    "SPANS": {
        "span_count": (COUNT_ONLY, ("span_name", "span_type", "span_status", "span_model_name", "span_model_provider")),
        "latency": (NUMBER_AGGREGATIONS, ("span_name", "span_status")),
    }
    | {name: (SUM_AGGREGATIONS, ("span_model_name", "span_model_provider")) for name in COSTS},
    "ASSESSMENTS": {
        "assessment_count": (COUNT_ONLY, ("assessment_name", "assessment_value")),
        "assessment_value": (NUMBER_AGGREGATIONS, ("assessment_name",)),
    },
}
FILTER = re.compile(
    r"""\s*(trace|span|assessment)\.(\w+)(?:\.(`[^`]+`|"[^"]+"|'[^']+'|[^\s=]+))?\s*=\s*('[^']*'|"[^"]*")\s*"""
)
FILTER_KEYS = {
    "trace": {"status": False, "tag": True, "metadata": True},
    "span": {"name": False, "status": False, "type": False},
    "assessment": {"name": False, "type": False},
}
BATCH_SIZE, MAX_RESULTS = 500, 50_000


class Aggregation(msgspec.Struct, frozen=True):
    """An aggregation of values; `percentile`, for PERCENTILE, is 0 to 100."""

    kind: str
    percentile: float | None = None

    @property
    def label(self) -> str:
        return self.kind if self.percentile is None else f"P{self.percentile}"


class MeasureQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query: one metric of a view in a period of time, by groups."""

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
    """The aggregated metric of one group."""

    metric_name: str
    dimensions: dict[str, str]
    values: dict[str, float]


class _Filter(NamedTuple):
    view: str
    entity: str
    key: str
    value: str


class _Row(NamedTuple):
    """One trace, span or assessment: its time, the value of the metric, and its dimensions."""

    at_ms: int
    value: Any
    names: dict[str, str | None]


def measure(tx: Reader, query: MeasureQuery) -> list[Point]:
    """Return the metric of each group, by time and name. Raises Invalid for a metric that the view does not have."""
    filters = [_parse_filter(text, query.view) for text in query.filters]
    _check(query)
    groups: dict[tuple[Any, ...], list[Any]] = {} if query.interval_s or query.dimensions else {(): []}
    for row in _rows(tx, query, filters):
        names = tuple(row.names[dimension] for dimension in query.dimensions)
        if row.value is None or None in names:
            continue
        width = query.interval_s * 1000
        groups.setdefault((row.at_ms // width * width, *names) if width else names, []).append(row.value)
    points = (_point(query, group, groups[group]) for group in sorted(groups)[: query.max_results])
    return [point for point in points if point.values]


def _check(query: MeasureQuery) -> None:
    if query.view not in METRICS:
        raise Invalid("view_type", query.view, f"one of {', '.join(METRICS)}")
    if query.metric not in METRICS[query.view]:
        raise Invalid("metric_name", query.metric, f"one of {', '.join(METRICS[query.view])}")
    kinds, dimensions = METRICS[query.view][query.metric]
    for aggregation in query.aggregations:
        if aggregation.kind not in kinds:
            raise Invalid("aggregations", aggregation.kind, f"of {', '.join(sorted(kinds))}")
        if (aggregation.kind == "PERCENTILE") != (aggregation.percentile is not None):
            raise Invalid("percentile_value", aggregation.percentile, "a number with PERCENTILE, and none with others")
        if aggregation.percentile is not None and not 0 <= aggregation.percentile <= 100:
            raise Invalid("percentile_value", aggregation.percentile, "0 to 100")
    for name in query.dimensions:
        if name not in dimensions:
            raise Invalid("dimensions", name, f"of {', '.join(dimensions) or 'none'}")
    if query.interval_s < 0 or (query.interval_s and (query.start_ms is None or query.end_ms is None)):
        raise Invalid(
            "time_interval_seconds", query.interval_s, "a positive number, with start_time_ms and end_time_ms"
        )
    if not 0 <= query.max_results <= MAX_RESULTS:
        raise Invalid("max_results", query.max_results, f"0 to {MAX_RESULTS}")


def _parse_filter(text: str, view: str) -> _Filter:
    match = FILTER.fullmatch(text)
    if match is None:
        raise Invalid("filters", text, "one clause each, like trace.status = 'OK' or trace.tag.key = 'value'")
    subject, entity, key, value = match.groups()
    if FILTER_KEYS[subject].get(entity) is not bool(key):
        raise Invalid(
            "filters", text, f"{subject}. with {', '.join(FILTER_KEYS[subject])}; tag and metadata with a key"
        )
    if subject != "trace" and f"{subject.upper()}S" != view:
        raise Invalid("filters", text, f"filters of {subject}s only with the view {subject.upper()}S")
    key = key or ""
    return _Filter(subject, entity, key[1:-1] if key[:1] in ("`", '"', "'") else key, value[1:-1])


def _rows(tx: Reader, query: MeasureQuery, filters: Sequence[_Filter]) -> Iterator[_Row]:
    trace_filters = [condition for condition in filters if condition.view == "trace"]
    row_filters = [condition for condition in filters if condition.view != "trace"]
    # a cost is selected by the time of its span, everything else by the time of its trace
    by_span = query.view == "SPANS" and query.metric in COSTS
    for batch in _batches(tx, query, any_time=by_span):
        matching = [trace for trace in batch if all(_trace_matches(trace, condition) for condition in trace_filters)]
        for row in VIEWS[query.view](tx, query.metric, matching, row_filters):
            if not by_span or _in_period(row.at_ms, query):
                yield row


def _in_period(at_ms: int, query: MeasureQuery) -> bool:
    after = query.start_ms is None or at_ms >= query.start_ms
    return after and (query.end_ms is None or at_ms <= query.end_ms)


def _batches(tx: Reader, query: MeasureQuery, *, any_time: bool) -> Iterator[list[TraceRecord]]:
    bounds = {} if any_time else {">=": query.start_ms, "<=": query.end_ms}
    limits = [
        Clause(entity="attribute", key="timestamp_ms", op=op, value=value)
        for op, value in bounds.items()
        if value is not None
    ]
    experiments = [experiment_number(experiment_id) for experiment_id in query.experiment_ids]
    after: tuple[int, str] | None = None
    while True:
        traces = rows.by_time(tx, experiments, limits, newest_first=False, after=after, max_count=BATCH_SIZE)
        yield traces
        if len(traces) < BATCH_SIZE:
            return
        after = (traces[-1].timestamp_ms, traces[-1].trace_id)


def _trace_matches(trace: TraceRecord, condition: _Filter) -> bool:
    metadata = trace.info.get("trace_metadata") or {}
    if condition.entity == "status":
        return trace.state == condition.value
    if condition.entity == "tag":
        return (trace.info.get("tags") or {}).get(condition.key) == condition.value
    linked = trace.info.get(LINKED_KEY) or () if condition.key == RUN_KEY else ()
    return metadata.get(condition.key) == condition.value or condition.value in linked


def _traces(tx: Reader, metric: str, traces: Sequence[TraceRecord], _: Sequence[_Filter]) -> Iterator[_Row]:
    for trace in traces:
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


def _spans(tx: Reader, metric: str, traces: Sequence[TraceRecord], filters: Sequence[_Filter]) -> Iterator[_Row]:
    spans = trace_spans(tx, [trace.trace_id for trace in traces])
    for trace in traces:
        for span in spans.get(trace.trace_id, ()):
            values = {key: value_of(value) for key, value in attributes(span).items()}
            names = {
                "span_name": str(span.body.get("name", "")),
                "span_type": _text(values.get(SPAN_TYPE)),
                "span_status": STATUS_CODES.get((span.body.get("status") or {}).get("code", 0), "UNSET"),
                "span_model_name": _text(values.get("mlflow.llm.model")),
                "span_model_provider": _text(values.get("mlflow.llm.provider")),
            }
            if all(names[f"span_{condition.entity}"] == condition.value for condition in filters):
                yield _Row(span.start_ns // 1_000_000, _span_value(span, metric, values), names)


def _span_value(span: SpanRecord, metric: str, values: dict[str, Any]) -> Any:
    if metric == "span_count":
        return span.span_id
    if metric == "latency":
        return (int(span.body.get("end_time_unix_nano", 0)) - span.start_ns) // 1_000_000
    return _number(_document(values.get("mlflow.llm.cost")).get(metric))


def _assessments(tx: Reader, metric: str, traces: Sequence[TraceRecord], filters: Sequence[_Filter]) -> Iterator[_Row]:
    for trace in traces:
        for item in trace.info.get("assessments") or ():
            kind = next((kind for kind in ("expectation", "issue") if kind in item), "feedback")
            trace_filters = {"name": item.get("assessment_name"), "type": kind}
            if not item.get("valid", True) or any(
                trace_filters[condition.entity] != condition.value for condition in filters
            ):
                continue
            assessed = _value_of(item, kind)
            names = {"assessment_name": trace_filters["name"], "assessment_value": json.dumps(_doubles(assessed))}
            value = item.get("assessment_id") if metric == "assessment_count" else _score(assessed)
            yield _Row(trace.timestamp_ms, value, names)


VIEWS: dict[str, Callable[[Reader, str, Sequence[TraceRecord], Sequence[_Filter]], Iterator[_Row]]] = {
    "TRACES": _traces,
    "SPANS": _spans,
    "ASSESSMENTS": _assessments,
}


def _value_of(item: dict[str, Any], kind: str) -> Any:
    part = item.get(kind) or {}
    if kind == "issue":
        return part.get("issue_name")
    if "value" not in part and isinstance(part.get("serialized_value"), dict):
        return _document(part["serialized_value"].get("value"), else_as_is=True)
    return part.get("value")


def _doubles(value: Any) -> Any:
    """Return the value as MLflow stores it, with every number as a double."""
    if isinstance(value, dict):
        return {key: _doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _score(value: Any) -> float | None:
    """Return an assessment as a number: yes and no are 1 and 0."""
    if isinstance(value, str):
        return {"yes": 1.0, "no": 0.0}.get(value.strip().lower())
    return float(value) if isinstance(value, bool) else _number(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _document(value: Any, *, else_as_is: bool = False) -> Any:
    """Return the JSON object in a text, or an empty one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value if else_as_is else {}
    return value if isinstance(value, dict) or else_as_is else {}


def _point(query: MeasureQuery, group: tuple[Any, ...], values: Sequence[Any]) -> Point:
    names = group[1:] if query.interval_s else group
    dimensions = dict(zip(query.dimensions, names, strict=True))
    if query.interval_s:
        start = datetime.fromtimestamp(group[0] / 1000, tz=UTC).isoformat()
        dimensions = {"time_bucket": start} | dimensions
    if query.metric == "session_count":
        values = list(set(values))
    results = {aggregation.label: _aggregated(aggregation, values) for aggregation in query.aggregations}
    finite = {label: value for label, value in results.items() if value is not None}
    return Point(metric_name=query.metric, dimensions=dimensions, values=finite)


def _aggregated(aggregation: Aggregation, values: Sequence[Any]) -> float | None:
    if aggregation.kind == "COUNT":
        return float(len(values))
    if not values:
        return None
    if aggregation.kind == "PERCENTILE":
        return _percentile(sorted(values), (aggregation.percentile or 0.0) / 100)
    if aggregation.kind in ("MIN", "MAX"):
        return float(min(values) if aggregation.kind == "MIN" else max(values))
    total = math.fsum(values)
    return total / len(values) if aggregation.kind == "AVG" else total


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Return the linear interpolation between the two nearest values, as PERCENTILE_CONT does."""
    position = share * (len(ordered) - 1)
    lower = math.floor(position)
    upper = min(lower + 1, len(ordered) - 1)
    return float(ordered[lower] + (ordered[upper] - ordered[lower]) * (position - lower))
