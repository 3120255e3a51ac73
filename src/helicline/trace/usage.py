"""Usage data of a trace: tokens, cost, session and user, from the attributes of its spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from helicline.records.run import SpanRecord

TOKENS_KEY, COST_KEY = "mlflow.trace.tokenUsage", "mlflow.trace.cost"
SESSION_KEY, USER_KEY = "mlflow.trace.session", "mlflow.trace.user"
KEYS = (TOKENS_KEY, COST_KEY, SESSION_KEY, USER_KEY)
TAG_PREFIX = "mlflow.traceTag."
TOKENS = ("input_tokens", "output_tokens", "total_tokens")
COSTS = ("input_cost", "output_cost", "total_cost")
# the names of these counts in other instrumentations
COUNT_KEYS = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "llm.token_count.prompt": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "llm.token_count.completion": "output_tokens",
    "gen_ai.usage.total_tokens": "total_tokens",
    "llm.token_count.total": "total_tokens",
}
SESSION_KEYS = (SESSION_KEY, "session.id", "gen_ai.conversation.id", "langfuse.session.id")
USER_KEYS = (USER_KEY, "user.id", "enduser.id", "langfuse.user.id")
USAGE_KEYS = frozenset({"mlflow.chat.tokenUsage", "mlflow.llm.cost", *COUNT_KEYS, *SESSION_KEYS, *USER_KEYS})


def decoded_value(value: dict[str, Any]) -> Any:
    """Return an attribute's value, decoded where it is JSON in a string, as MLflow's client sends every value."""
    if "kvlist_value" in value:
        return {pair["key"]: decoded_value(pair.get("value") or {}) for pair in value["kvlist_value"].get("values", ())}
    if "array_value" in value:
        return [decoded_value(item) for item in value["array_value"].get("values", ())]
    for kind in ("string_value", "int_value", "double_value", "bool_value"):
        if kind in value:
            break
    else:
        return value
    content = value[kind]
    if not isinstance(content, str):
        return content
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        return content


def attributes(span: SpanRecord) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in span.body.get("attributes", ())}


def trace_tags(root: SpanRecord | None) -> dict[str, str]:
    """Return the tags that the root span sets on its trace."""
    if root is None:
        return {}
    return {
        key.removeprefix(TAG_PREFIX): str(decoded_value(value))
        for key, value in attributes(root).items()
        if key.startswith(TAG_PREFIX)
    }


def metadata_of(spans: Sequence[SpanRecord]) -> dict[str, str]:
    """Return the usage data of the spans as metadata; a parent's count includes the counts of its descendants."""
    totals: dict[str, str] = {}
    for key, counts_of, names in ((TOKENS_KEY, _tokens, TOKENS), (COST_KEY, _cost, COSTS)):
        total = _total(spans, counts_of)
        if total:
            totals[key] = msgspec.json.encode({name: total.get(name, 0) for name in names}).decode()
    for key, keys in ((SESSION_KEY, SESSION_KEYS), (USER_KEY, USER_KEYS)):
        if text := next(_texts(spans, keys), ""):
            totals[key] = text
    return totals


def _texts(spans: Sequence[SpanRecord], keys: Sequence[str]) -> Iterator[str]:
    for span in spans:
        values = attributes(span)
        for name in keys:
            if name in values and isinstance(value := decoded_value(values[name]), str | int):
                yield str(value)


def _total(spans: Sequence[SpanRecord], counts_of: Any) -> dict[str, float]:
    """Return the sums over the topmost spans with counts; a cycle of parents is followed once."""
    by_span = {span.body.get("span_id"): counts for span in spans if (counts := counts_of(attributes(span)))}
    parents = {span.body.get("span_id"): span.body.get("parent_span_id") for span in spans}
    total: dict[str, float] = {}
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


def _tokens(attributes: dict[str, Any]) -> dict[str, float]:
    counts = (
        _numbers(decoded_value(attributes["mlflow.chat.tokenUsage"]), TOKENS)
        if "mlflow.chat.tokenUsage" in attributes
        else {}
    )
    if not counts:
        raw = {name: decoded_value(attributes[key]) for key, name in COUNT_KEYS.items() if key in attributes}
        counts = _numbers(raw, TOKENS)
    if counts and "total_tokens" not in counts:
        counts["total_tokens"] = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
    return counts


def _cost(attributes: dict[str, Any]) -> dict[str, float]:
    return _numbers(decoded_value(attributes["mlflow.llm.cost"]), COSTS) if "mlflow.llm.cost" in attributes else {}


def _numbers(document: Any, names: Sequence[str]) -> dict[str, float]:
    if not isinstance(document, dict):
        return {}
    return {
        name: document[name]
        for name in names
        if isinstance(document.get(name), int | float)
        and not isinstance(document[name], bool)
        and 0 <= document[name] < 1e15
    }
