"""Searches for traces by their own values and those of their spans and assessments."""

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
from helicline.trace import pattern
from helicline.trace.attribute import as_text, attributes, content_of, value_of
from helicline.trace.derived import LINKED_KEY, NAME_TAG, RUN_KEY
from helicline.trace.trace import trace_spans
from helicline.tracking import grammar
from helicline.tracking.experiment import experiment_number
from helicline.tracking.grammar import LISTED, NULLABLE, NUMERIC, TEXT, Grammar, Kind, attribute
from helicline.tracking.page_token import decode_token, encode_token, paginate
from helicline.tracking.search import checked_page, sort_items

PROMPTS_TAG = "mlflow.linkedPrompts"
SPAN_TYPE = "mlflow.spanType"
SPAN_KEYS = ("name", "type", "status", "content")
STATUS_CODES = {0: "UNSET", 1: "OK", 2: "ERROR"}
REGEX = frozenset({"RLIKE"})
TRACES = Grammar(
    aliases={alias: "tag" for alias in ("tag", "tags")}
    | {alias: "metadata" for alias in ("metadata", "request_metadata")}
    | {alias: "attribute" for alias in ("attribute", "attributes", "attr", "trace")}
    | {alias: alias for alias in ("span", "feedback", "expectation", "issue")},
    kinds={
        "tag": Kind(ops=NULLABLE | REGEX),
        "metadata": Kind(ops=NULLABLE | REGEX),
        "span": Kind(ops=LISTED | REGEX),
        "feedback": Kind(ops=NULLABLE | REGEX | NUMERIC, is_number_or_text=True),
        "expectation": Kind(ops=NULLABLE | REGEX | NUMERIC, is_number_or_text=True),
        "issue": Kind(ops=frozenset({"="}), keys=attribute(frozenset({"="}), "id")),
        "attribute": Kind(
            ops=LISTED,
            keys=attribute(LISTED | REGEX, "request_id", "trace_id", "id")
            | attribute(LISTED | REGEX, "status", "state")
            | attribute(LISTED | REGEX, "name")
            | attribute(LISTED | REGEX, "run_id")
            | attribute(LISTED | REGEX, "client_request_id")
            | attribute(frozenset({"="}), "prompt")
            | attribute(TEXT - {"=", "!="}, "text")
            | attribute(NUMERIC, "timestamp_ms", "timestamp", is_number=True)
            | attribute(NUMERIC, "execution_time_ms", "execution_time", is_number=True)
            | attribute(NUMERIC, "end_time_ms", "end_time", is_number=True),
        ),
    },
)
MIN_BATCH, MAX_BATCH = 64, 1000
SORT_KEYS = ("timestamp_ms", "execution_time_ms", "end_time_ms", "status", "request_id", "name", "run_id")


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
        is_sortable = sort.key in SORT_KEYS if sort.entity == "attribute" else sort.entity in ("tag", "metadata")
        if not is_sortable:
            raise Invalid("order_by", sort.key, f"one of {', '.join(SORT_KEYS)}, tags and metadata")
    reader = _TraceReader(tx, [experiment_number(number) for number in experiment_ids], clauses)
    if all((sort.entity, sort.key) == ("attribute", "timestamp_ms") for sort in order):
        return reader.page(newest_first=not (order and order[0].ascending), size=max_results, token=page_token)
    ordered = sort_items(list(reader.read()), order, _trace_value)
    return paginate(ordered, limit=max_results, token=page_token, id_of=lambda trace: trace.trace_id)


class _Position(NamedTuple):
    """A position: the last trace of a page."""

    timestamp_ms: int
    trace_id: str


class _TraceReader:
    """Reads the matching traces of experiments in batches by time, only as many as the caller consumes."""

    def __init__(self, tx: Reader, experiments: Sequence[int], clauses: Sequence[Clause]) -> None:
        self.tx, self.experiments = tx, experiments
        self.limits = [clause for clause in clauses if rows.is_limit(clause)]
        self.clauses = [clause for clause in clauses if clause not in self.limits]

    def page(self, *, newest_first: bool, size: int, token: str) -> tuple[list[TraceRecord], str]:
        after = decode_token(token, _Position) if token else None
        traces = list(
            itertools.islice(self.read(newest_first=newest_first, after=after, batch_size=size + 1), size + 1)
        )
        if len(traces) <= size:
            return traces, ""
        last = traces[size - 1]
        return traces[:size], encode_token(_Position(last.timestamp_ms, last.trace_id))

    def read(
        self, *, newest_first: bool = True, after: _Position | None = None, batch_size: int = MAX_BATCH
    ) -> Iterator[TraceRecord]:
        batch_size = max(batch_size, MIN_BATCH)
        while True:
            traces = rows.by_time(
                self.tx, self.experiments, self.limits, newest_first=newest_first, after=after, max_count=batch_size
            )
            yield from matching(self.tx, traces, self.clauses)
            if len(traces) < batch_size:
                return
            after, batch_size = _Position(traces[-1].timestamp_ms, traces[-1].trace_id), min(2 * batch_size, MAX_BATCH)


def matching(tx: Reader, traces: list[TraceRecord], clauses: Sequence[Clause]) -> list[TraceRecord]:
    """Return the traces that satisfy every clause; spans are read last, for the remaining traces."""
    trace_clauses, span_clauses = [], []
    for clause in clauses:
        if clause.entity == "attribute" and clause.key == "text":
            span_clauses.append(msgspec.structs.replace(clause, entity="span", key="content"))
        elif clause.entity == "span":
            span_clauses.append(_checked_span_clause(clause))
        else:
            trace_clauses.append(clause)
    for clause in trace_clauses:
        traces = [trace for trace, satisfies in zip(traces, _matches(traces, clause), strict=True) if satisfies]
    if not span_clauses or not traces:
        return traces
    spans = trace_spans(tx, [trace.trace_id for trace in traces])
    return [trace for trace in traces if _any_span_matches(spans.get(trace.trace_id, ()), span_clauses)]


def _checked_span_clause(clause: Clause) -> Clause:
    """Return the clause. Raises Invalid for a key or operator that spans do not have."""
    if clause.key == "content" and clause.op not in ("LIKE", "ILIKE"):
        raise Invalid("filter", clause.op, "LIKE or ILIKE for span.content")
    if clause.key not in SPAN_KEYS and not re.fullmatch(r"attributes\..+", clause.key, re.DOTALL):
        raise Invalid("filter", clause.key, "Invalid span attribute: name, type, status, content or attributes.<name>")
    return clause


def _matches(traces: list[TraceRecord], clause: Clause) -> list[bool]:
    if clause.entity in ("feedback", "expectation"):
        return [_assessment_matches(trace, clause) for trace in traces]
    if clause.op == "RLIKE":
        return pattern.matching([_trace_value(trace, clause) for trace in traces], str(clause.value))
    if clause.entity == "issue":
        return [_names_issue(trace, str(clause.value)) for trace in traces]
    if clause.key == "prompt" and clause.entity == "attribute":
        return [clause.value in _prompts(trace) for trace in traces]
    if clause.key == "run_id" and clause.entity == "attribute" and clause.op in ("=", "IN"):
        references = {str(clause.value)} if clause.op == "=" else set(_texts(clause.value))
        return [
            bool(references & {_trace_value(trace, clause), *(trace.info.get(LINKED_KEY) or ())}) for trace in traces
        ]
    return [grammar.satisfies(clause, _trace_value(trace, clause)) for trace in traces]


def _texts(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


def _prompts(trace: TraceRecord) -> set[str]:
    try:
        prompts = msgspec.json.decode((trace.info.get("tags") or {}).get(PROMPTS_TAG, "[]"), type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        return set()
    return {f"{prompt.get('name')}/{prompt.get('version')}" for prompt in prompts}


def _names_issue(trace: TraceRecord, issue_id: str) -> bool:
    """Return whether an assessment refers to the issue: its name is then the id of the issue."""
    return any(
        item.get("assessment_name") == issue_id and "issue" in item and item.get("valid", True)
        for item in trace.info.get("assessments") or ()
    )


def _assessment_matches(trace: TraceRecord, clause: Clause) -> bool:
    values = [
        _assessment_value(item, clause.entity)
        for item in trace.info.get("assessments") or ()
        if item.get("assessment_name") == clause.key and clause.entity in item and item.get("valid", True)
    ]
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return bool(values) == (clause.op == "IS NOT NULL")
    return any(_value_matches(value, clause) for value in values)


def _value_matches(value: Any, clause: Clause) -> bool:
    if clause.op in ("<", "<=", ">", ">="):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        try:
            return grammar.satisfies(msgspec.structs.replace(clause, value=float(str(clause.value))), value)
        except ValueError:
            raise Invalid("filter", clause.value, f"a number for {clause.entity}.{clause.key}") from None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # numbers travel as doubles: a 3 that was logged is found as 3
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if clause.op in ("=", "!=") and not isinstance(value, str | bool) and _is_number(clause.value):
        is_equal = bool(float(str(clause.value)) == value)
        return is_equal if clause.op == "=" else not is_equal
    as_text = msgspec.structs.replace(clause, value=str(clause.value))
    if clause.op == "RLIKE":
        return pattern.matching([text], str(clause.value))[0]
    return grammar.satisfies(as_text, text)


def _is_number(value: Any) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _assessment_value(item: dict[str, Any], kind: str) -> Any:
    part = item.get(kind)
    if not isinstance(part, dict):
        return None
    serialized = part.get("serialized_value")
    if "value" not in part and isinstance(serialized, dict):
        return serialized.get("value")
    return part.get("value")


def _any_span_matches(spans: Sequence[SpanRecord], clauses: Sequence[Clause]) -> bool:
    """Return whether one span satisfies all clauses together."""
    for clause in clauses:
        values = [_span_value(span, clause.key) for span in spans]
        if clause.op == "RLIKE":
            results = pattern.matching(values, str(clause.value))
        else:
            results = [grammar.satisfies(clause, value) for value in values]
        spans = [span for span, satisfies in zip(spans, results, strict=True) if satisfies]
        if not spans:
            return False
    return True


def _span_value(span: SpanRecord, key: str) -> str | None:
    if key == "content":
        return content_of(span)
    if key == "name":
        return str(span.body.get("name", ""))
    if key == "status":
        return STATUS_CODES.get((span.body.get("status") or {}).get("code", 0), "UNSET")
    values = attributes(span)
    name = SPAN_TYPE if key == "type" else key.removeprefix("attributes.")
    if name not in values:
        return None
    return as_text(value_of(values[name]))


def _trace_value(trace: TraceRecord, term: Clause | Sort) -> Any:
    info = trace.info
    tags, metadata = info.get("tags") or {}, info.get("trace_metadata") or {}
    if term.entity in ("tag", "metadata"):
        return (tags if term.entity == "tag" else metadata).get(term.key)
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
    return values[term.key]
