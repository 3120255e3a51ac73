"""Searches over traces: their own facts, and those of their spans and assessments."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from helicline.errors import Invalid
from helicline.records.run import Clause, Sort, SpanRecord, TraceRecord
from helicline.store.rows import trace as rows
from helicline.store.unit import Reader
from helicline.trace import pattern, usage
from helicline.trace.trace import LINKED_KEY, NAME_TAG, RUN_KEY, trace_spans
from helicline.tracking import grammar
from helicline.tracking.experiment import experiment_number
from helicline.tracking.grammar import LISTED, NULLABLE, NUMERIC, TEXT, Grammar, Kind, attribute
from helicline.tracking.page_token import decode_token, encode_token, paged
from helicline.tracking.search import checked_page, in_order

PROMPTS_TAG = "mlflow.linkedPrompts"
SPAN_TYPE = "mlflow.spanType"
SPAN_KEYS = ("name", "type", "status", "content")
CODES = {0: "UNSET", 1: "OK", 2: "ERROR"}
MATCHED = frozenset({"RLIKE"})
TRACES = Grammar(
    aliases={alias: "tag" for alias in ("tag", "tags")}
    | {alias: "metadata" for alias in ("metadata", "request_metadata")}
    | {alias: "attribute" for alias in ("attribute", "attributes", "attr", "trace")}
    | {alias: alias for alias in ("span", "feedback", "expectation", "issue")},
    kinds={
        "tag": Kind(ops=NULLABLE | MATCHED),
        "metadata": Kind(ops=NULLABLE | MATCHED),
        "span": Kind(ops=LISTED | MATCHED),
        "feedback": Kind(ops=NULLABLE | MATCHED | NUMERIC, is_either=True),
        "expectation": Kind(ops=NULLABLE | MATCHED | NUMERIC, is_either=True),
        "issue": Kind(ops=frozenset({"="}), keys=attribute(frozenset({"="}), "id")),
        "attribute": Kind(
            ops=LISTED,
            keys=attribute(LISTED | MATCHED, "request_id", "trace_id", "id")
            | attribute(LISTED | MATCHED, "status", "state")
            | attribute(LISTED | MATCHED, "name")
            | attribute(LISTED | MATCHED, "run_id")
            | attribute(LISTED | MATCHED, "client_request_id")
            | attribute(frozenset({"="}), "prompt")
            | attribute(TEXT - {"=", "!="}, "text")
            | attribute(NUMERIC, "timestamp_ms", "timestamp", is_number=True)
            | attribute(NUMERIC, "execution_time_ms", "execution_time", is_number=True)
            | attribute(NUMERIC, "end_time_ms", "end_time", is_number=True),
        ),
    },
)
LEAST_AT_ONCE, MOST_AT_ONCE = 64, 1000
ORDERS = ("timestamp_ms", "execution_time_ms", "end_time_ms", "status", "request_id", "name", "run_id")


def search_traces(
    tx: Reader,
    experiment_ids: Sequence[str],
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int = 100,
    page_token: str = "",
) -> tuple[list[TraceRecord], str]:
    """Return one page of traces and the token of the next; newest first by default."""
    checked_page("max_results", max_results, 500)
    clauses = grammar.parse_filter(filter, TRACES)
    order = grammar.parse_order(order_by, TRACES)
    for sort in order:
        is_sortable = sort.key in ORDERS if sort.entity == "attribute" else sort.entity in ("tag", "metadata")
        if not is_sortable:
            raise Invalid("order_by", sort.key, f"one of {', '.join(ORDERS)}, tags and metadata")
    walk = _Walk(tx, [experiment_number(number) for number in experiment_ids], clauses)
    if all((sort.entity, sort.key) == ("attribute", "timestamp_ms") for sort in order):
        return walk.page(newest_first=not (order and order[0].ascending), size=max_results, token=page_token)
    ordered = in_order(list(walk.all()), order, _of_trace)
    return paged(ordered, limit=max_results, token=page_token, id_of=lambda trace: trace.trace_id)


class _Place(NamedTuple):
    """The last trace of a page."""

    timestamp_ms: int
    trace_id: str


class _Walk:
    """The traces of experiments that a filter keeps, read by time, some at once: no more than the answer needs."""

    def __init__(self, tx: Reader, experiments: Sequence[int], clauses: Sequence[Clause]) -> None:
        self.tx, self.experiments = tx, experiments
        self.limits = [clause for clause in clauses if rows.is_limit(clause)]
        self.clauses = [clause for clause in clauses if clause not in self.limits]

    def page(self, *, newest_first: bool, size: int, token: str) -> tuple[list[TraceRecord], str]:
        after = decode_token(token, _Place) if token else None
        traces = list(itertools.islice(self.all(newest_first=newest_first, after=after, at_once=size + 1), size + 1))
        if len(traces) <= size:
            return traces, ""
        last = traces[size - 1]
        return traces[:size], encode_token(_Place(last.timestamp_ms, last.trace_id))

    def all(
        self, *, newest_first: bool = True, after: _Place | None = None, at_once: int = MOST_AT_ONCE
    ) -> Iterator[TraceRecord]:
        at_once = max(at_once, LEAST_AT_ONCE)
        while True:
            read = rows.by_time(
                self.tx, self.experiments, self.limits, newest_first=newest_first, after=after, most=at_once
            )
            yield from matching(self.tx, read, self.clauses)
            if len(read) < at_once:
                return
            after, at_once = _Place(read[-1].timestamp_ms, read[-1].trace_id), min(2 * at_once, MOST_AT_ONCE)


def matching(tx: Reader, traces: list[TraceRecord], clauses: Sequence[Clause]) -> list[TraceRecord]:
    """Return the traces of which every clause holds; spans are read last, of the traces that are left."""
    own, of_spans = [], []
    for clause in clauses:
        if clause.entity == "attribute" and clause.key == "text":
            of_spans.append(msgspec.structs.replace(clause, entity="span", key="content"))
        elif clause.entity == "span":
            of_spans.append(_checked(clause))
        else:
            own.append(clause)
    for clause in own:
        traces = [trace for trace, holds in zip(traces, _holding(traces, clause), strict=True) if holds]
    if not of_spans or not traces:
        return traces
    spans = trace_spans(tx, [trace.trace_id for trace in traces])
    return [trace for trace in traces if _some_span(spans.get(trace.trace_id, ()), of_spans)]


def _checked(clause: Clause) -> Clause:
    """Refuse a key or operator that spans have not."""
    if clause.key == "content" and clause.op not in ("LIKE", "ILIKE"):
        raise Invalid("filter", clause.op, "LIKE or ILIKE for span.content")
    if clause.key not in SPAN_KEYS and not re.fullmatch(r"attributes\..+", clause.key, re.DOTALL):
        raise Invalid("filter", clause.key, "Invalid span attribute: name, type, status, content or attributes.<name>")
    return clause


def _holding(traces: list[TraceRecord], clause: Clause) -> list[bool]:
    if clause.entity in ("feedback", "expectation"):
        return [_assessed(trace, clause) for trace in traces]
    if clause.op == "RLIKE":
        return pattern.matching([_of_trace(trace, clause) for trace in traces], str(clause.value))
    if clause.entity == "issue":
        return [False for _ in traces]
    if clause.key == "prompt" and clause.entity == "attribute":
        return [clause.value in _prompts(trace) for trace in traces]
    if clause.key == "run_id" and clause.entity == "attribute" and clause.op in ("=", "IN"):
        references = {str(clause.value)} if clause.op == "=" else set(_texts(clause.value))
        return [bool(references & {_of_trace(trace, clause), *(trace.info.get(LINKED_KEY) or ())}) for trace in traces]
    return [grammar.holds(clause, _of_trace(trace, clause)) for trace in traces]


def _texts(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _prompts(trace: TraceRecord) -> set[str]:
    try:
        named = msgspec.json.decode((trace.info.get("tags") or {}).get(PROMPTS_TAG, "[]"), type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        return set()
    return {f"{prompt.get('name')}/{prompt.get('version')}" for prompt in named}


def _assessed(trace: TraceRecord, clause: Clause) -> bool:
    values = [
        _assessment_value(item, clause.entity)
        for item in trace.info.get("assessments") or ()
        if item.get("assessment_name") == clause.key and clause.entity in item and item.get("valid", True)
    ]
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return bool(values) == (clause.op == "IS NOT NULL")
    return any(_value_holds(value, clause) for value in values)


def _value_holds(value: Any, clause: Clause) -> bool:
    if clause.op in ("<", "<=", ">", ">="):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        try:
            return grammar.holds(msgspec.structs.replace(clause, value=float(str(clause.value))), value)
        except ValueError:
            raise Invalid("filter", clause.value, f"a number for {clause.entity}.{clause.key}") from None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    as_text = msgspec.structs.replace(clause, value=str(clause.value))
    if clause.op == "RLIKE":
        return pattern.matching([text], str(clause.value))[0]
    return grammar.holds(as_text, text)


def _assessment_value(item: dict[str, Any], kind: str) -> Any:
    part = item.get(kind)
    if not isinstance(part, dict):
        return None
    serialized = part.get("serialized_value")
    if "value" not in part and isinstance(serialized, dict):
        return serialized.get("value")
    return part.get("value")


def _some_span(spans: Sequence[SpanRecord], clauses: Sequence[Clause]) -> bool:
    """Tell whether one span satisfies all clauses together."""
    for clause in clauses:
        values = [_of_span(span, clause.key) for span in spans]
        if clause.op == "RLIKE":
            holding = pattern.matching(values, str(clause.value))
        else:
            holding = [grammar.holds(clause, value) for value in values]
        spans = [span for span, holds in zip(spans, holding, strict=True) if holds]
        if not spans:
            return False
    return True


def _of_span(span: SpanRecord, key: str) -> str | None:
    if key == "content":
        return msgspec.json.encode(span.body).decode()
    if key == "name":
        return str(span.body.get("name", ""))
    if key == "status":
        return CODES.get((span.body.get("status") or {}).get("code", 0), "UNSET")
    attributes = usage.attributes(span)
    name = SPAN_TYPE if key == "type" else key.removeprefix("attributes.")
    if name not in attributes:
        return None
    value = usage.plain(attributes[name])
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _of_trace(trace: TraceRecord, about: Clause | Sort) -> Any:
    info = trace.info
    tags, metadata = info.get("tags") or {}, info.get("trace_metadata") or {}
    if about.entity in ("tag", "metadata"):
        return (tags if about.entity == "tag" else metadata).get(about.key)
    values = {
        "request_id": trace.trace_id,
        "status": trace.state,
        "name": tags.get(NAME_TAG),
        "run_id": metadata.get(RUN_KEY),
        "client_request_id": info.get("client_request_id"),
        "timestamp_ms": trace.timestamp_ms,
        "execution_time_ms": trace.duration_ms,
        "end_time_ms": trace.timestamp_ms + (trace.duration_ms or 0),
    }
    return values[about.key]
