"""Usage data of a trace: tokens, cost, session and user, from the attributes of its spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from helicline.records.run import SpanRecord
from helicline.trace import dialect
from helicline.trace.attribute import attributes, plain_value, text_of, value_of

TOKENS_KEY, COST_KEY = "mlflow.trace.tokenUsage", "mlflow.trace.cost"
SESSION_KEY, USER_KEY = "mlflow.trace.session", "mlflow.trace.user"
KEYS = (TOKENS_KEY, COST_KEY, SESSION_KEY, USER_KEY)
TOKENS, CACHE_TOKENS = (
    ("input_tokens", "output_tokens", "total_tokens"),
    ("cache_read_input_tokens", "cache_creation_input_tokens"),
)
COSTS = ("input_cost", "output_cost", "total_cost")
SESSION_KEYS = (
    SESSION_KEY,
    "session.id",
    "gen_ai.conversation.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
)
USER_KEYS = (USER_KEY, "user.id", "enduser.id", "langfuse.user.id", "traceloop.association.properties.user_id")
USAGE_KEYS = dialect.USAGE_KEYS | {*SESSION_KEYS, *USER_KEYS}
Counts = dict[str, float]


def metadata_of(spans: Sequence[SpanRecord]) -> dict[str, str]:
    """Return the usage data of the spans as metadata; a parent's count includes the counts of its descendants."""
    totals: dict[str, str] = {}
    for key, counts_of, names in ((TOKENS_KEY, _tokens, TOKENS), (COST_KEY, _cost, COSTS)):
        if total := _total(spans, counts_of):
            totals[key] = msgspec.json.encode(dict.fromkeys(names, 0) | total).decode()
    for key, keys in ((SESSION_KEY, SESSION_KEYS), (USER_KEY, USER_KEYS)):
        if text := next(_texts(spans, keys), ""):
            totals[key] = text
    return totals


def _texts(spans: Sequence[SpanRecord], keys: Sequence[str]) -> Iterator[str]:
    for span in spans:
        values = attributes(span)
        for name in keys:
            if name in values and (text := text_of(plain_value(values[name]))):
                yield text


def _total(spans: Sequence[SpanRecord], counts_of: Callable[[dict[str, Any]], Counts]) -> Counts:
    """Return the sums over the topmost spans with counts; a cycle of parents is followed once."""
    by_span = {span.body.get("span_id"): counts for span in spans if (counts := counts_of(attributes(span)))}
    parents = {span.body.get("span_id"): span.body.get("parent_span_id") for span in spans}
    total: Counts = {}
    for span_id, counts in by_span.items():
        visited_ids, ancestor = {span_id}, parents.get(span_id)
        while ancestor is not None and ancestor not in visited_ids and ancestor not in by_span:
            visited_ids.add(ancestor)
            ancestor = parents.get(ancestor)
        if ancestor is not None and ancestor in by_span and ancestor not in visited_ids:
            continue
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return total


def _tokens(attributes: dict[str, Any]) -> Counts:
    counts = _numbers(attributes, "mlflow.chat.tokenUsage", (*TOKENS, *CACHE_TOKENS))
    if counts and "total_tokens" not in counts:
        counts["total_tokens"] = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
    return counts


def _cost(attributes: dict[str, Any]) -> Counts:
    return _numbers(attributes, "mlflow.llm.cost", COSTS)


def _numbers(attributes: dict[str, Any], key: str, names: Sequence[str]) -> Counts:
    document = value_of(attributes[key]) if key in attributes else None
    if not isinstance(document, dict):
        return {}
    return {
        name: document[name]
        for name in names
        if isinstance(document.get(name), int | float)
        and not isinstance(document[name], bool)
        and 0 <= document[name] < 1e15
    }
