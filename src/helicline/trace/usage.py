"""What a trace's spans say of tokens, cost, session and user, summed up for the trace."""

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
COST = ("input_cost", "output_cost", "total_cost")
# what other instrumentations call the same counts
COUNTS = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "llm.token_count.prompt": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "llm.token_count.completion": "output_tokens",
    "gen_ai.usage.total_tokens": "total_tokens",
    "llm.token_count.total": "total_tokens",
}
SESSIONS = (SESSION_KEY, "session.id", "gen_ai.conversation.id", "langfuse.session.id")
USERS = (USER_KEY, "user.id", "enduser.id", "langfuse.user.id")
TELLING = frozenset({"mlflow.chat.tokenUsage", "mlflow.llm.cost", *COUNTS, *SESSIONS, *USERS})


def plain(value: dict[str, Any]) -> Any:
    """Return an attribute's value as it was meant; MLflow's client sends every value as JSON in a string."""
    if "kvlist_value" in value:
        return {pair["key"]: plain(pair.get("value") or {}) for pair in value["kvlist_value"].get("values", ())}
    if "array_value" in value:
        return [plain(item) for item in value["array_value"].get("values", ())]
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


def tells(span: SpanRecord) -> bool:
    """Tell whether the span has anything to sum up."""
    return any(pair["key"] in TELLING for pair in span.body.get("attributes", ()))


def trace_tags(root: SpanRecord | None) -> dict[str, str]:
    """Return the tags that the root span sets on its trace."""
    if root is None:
        return {}
    return {
        key.removeprefix(TAG_PREFIX): str(plain(value))
        for key, value in attributes(root).items()
        if key.startswith(TAG_PREFIX)
    }


def summed(spans: Sequence[SpanRecord]) -> dict[str, str]:
    """Return the metadata that the spans give their trace; a parent's count stands for its descendants' counts."""
    totals: dict[str, str] = {}
    for key, read, names in ((TOKENS_KEY, _tokens, TOKENS), (COST_KEY, _cost, COST)):
        total = _total(spans, read)
        if total:
            totals[key] = msgspec.json.encode({name: total.get(name, 0) for name in names}).decode()
    for key, spellings in ((SESSION_KEY, SESSIONS), (USER_KEY, USERS)):
        if text := next(_texts(spans, spellings), ""):
            totals[key] = text
    return totals


def _texts(spans: Sequence[SpanRecord], spellings: Sequence[str]) -> Iterator[str]:
    for span in spans:
        values = attributes(span)
        for name in spellings:
            if name in values and isinstance(value := plain(values[name]), str | int):
                yield str(value)


def _total(spans: Sequence[SpanRecord], read: Any) -> dict[str, float]:
    """Sum over the topmost spans that tell; loops among parents end where they were begun."""
    by_span = {span.body.get("span_id"): counts for span in spans if (counts := read(attributes(span)))}
    parents = {span.body.get("span_id"): span.body.get("parent_span_id") for span in spans}
    total: dict[str, float] = {}
    for span_id, counts in by_span.items():
        visited, above = {span_id}, parents.get(span_id)
        while above is not None and above not in visited and above not in by_span:
            visited.add(above)
            above = parents.get(above)
        if above is not None and above in by_span and above not in visited:
            continue
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return total


def _tokens(attributes: dict[str, Any]) -> dict[str, float]:
    counts = (
        _numbers(plain(attributes["mlflow.chat.tokenUsage"]), TOKENS) if "mlflow.chat.tokenUsage" in attributes else {}
    )
    if not counts:
        raw = {name: plain(attributes[key]) for key, name in COUNTS.items() if key in attributes}
        counts = _numbers(raw, TOKENS)
    if counts and "total_tokens" not in counts:
        counts["total_tokens"] = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
    return counts


def _cost(attributes: dict[str, Any]) -> dict[str, float]:
    return _numbers(plain(attributes["mlflow.llm.cost"]), COST) if "mlflow.llm.cost" in attributes else {}


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
