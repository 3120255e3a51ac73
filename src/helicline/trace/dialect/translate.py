"""Translation of a span's attributes and events to the attributes of MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from helicline.trace.attribute import RESERVED_PREFIX, document_of, otlp_value, plain_value, text_of
from helicline.trace.dialect import table
from helicline.trace.dialect.messages import (
    choices_of,
    input_messages,
    output_messages,
    tools_of,
    without_finish,
)
from helicline.trace.dialect.values import first_of, items_of, numbers_of, tree_of
from helicline.trace.preview import messages_in

Pair = dict[str, Any]  # an attribute in OTLP JSON: key and value
Values = Mapping[str, Any]
SPAN_TYPE, INPUTS, OUTPUTS = "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs"
USAGE, COST = "mlflow.chat.tokenUsage", "mlflow.llm.cost"
MODEL, PROVIDER = "mlflow.llm.model", "mlflow.llm.provider"
MESSAGES, TOOLS, FORMAT = "mlflow.chat.messages", "mlflow.chat.tools", "mlflow.message.format"
UNSET = (None, "", "null", '""', "UNKNOWN", '"UNKNOWN"')  # MLflow's tracer gives spans of others such a type
# attributes that tell of tokens or cost
USAGE_KEYS = frozenset({USAGE, COST}).union(*table.COUNTS.values(), *table.COSTS.values())


def translated(pairs: list[Pair], events: Sequence[dict[str, Any]]) -> list[Pair]:
    """Return the attributes with those of MLflow that the span lacks and its dialect tells."""
    if not any(pair["key"].startswith(table.PREFIXES) for pair in pairs) and not any(
        event.get("name", "").startswith(table.EVENT_PREFIX) for event in events
    ):
        return pairs
    values = {pair["key"]: plain_value(pair["value"]) for pair in pairs}
    added = {name: value for name, value in _meaning(values, events).items() if values.get(name) in UNSET}
    return [pair for pair in pairs if pair["key"] not in added] + [
        {"key": name, "value": otlp_value(value)} for name, value in added.items()
    ]


def decoded(pair: Pair) -> Pair:
    """Return an attribute of MLflow as its client sets it; where OpenTelemetry's exporter sends it, it is JSON."""
    if not pair["key"].startswith(RESERVED_PREFIX):
        return pair
    text = pair["value"].get("string_value")
    document = document_of(text)
    return pair if document is text else {"key": pair["key"], "value": otlp_value(document)}


def _meaning(values: Values, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the attributes and events say, as attributes of MLflow."""
    messages = _events(events)
    prompt, answer = input_messages(values, messages), output_messages(values, messages)
    plain = {name: value for name, read in READERS.items() if (value := read(values)) not in (None, "", [], {})}
    chat = _chat(prompt, answer)
    plain = {name: value for name, value in plain.items() if name not in chat or _is_readable(value)}
    meaning = chat | plain
    if INPUTS in plain or OUTPUTS in plain:  # the format is that of both
        meaning.pop(FORMAT, None)
    return meaning


def _events(events: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (event.get("name", ""), {pair["key"]: plain_value(pair["value"]) for pair in event.get("attributes", ())})
        for event in events
    ]


def _is_readable(value: Any) -> bool:
    """Return whether viewers understand inputs or outputs; a library's own objects in JSON give way to messages."""
    return not isinstance(value, dict | list) or bool(messages_in(value))


def _chat(prompt: list[dict[str, Any]], answer: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the messages, and inputs and outputs that consist of them."""
    chat: dict[str, Any] = {}
    if prompt or answer:
        chat[MESSAGES] = [*prompt, *(without_finish(message) for message in answer)]
    if prompt:
        chat |= {INPUTS: {"messages": prompt}, FORMAT: "openai"}
    if answer:
        chat |= {OUTPUTS: {"choices": choices_of(answer)}, FORMAT: "openai"}
    return chat


def _type(values: Values) -> str | None:
    for key, types in table.TYPES:
        if span_type := types.get(text_of(values.get(key)).lower()):
            return span_type
    return next((span_type for key, span_type in table.TYPES_BY_ATTRIBUTE if values.get(key)), None)


def _inputs(values: Values) -> Any:
    plain = document_of(first_of(values, table.INPUTS))
    return plain if plain is not None else _texts_to_embed(values) or _documents(values, "reranker.input_documents.")


def _outputs(values: Values) -> Any:
    """Return the outputs; documents that were retrieved count more than a text that repeats them."""
    documents = _documents(values, "retrieval.documents.") or _documents(values, "reranker.output_documents.")
    return documents or document_of(first_of(values, table.OUTPUTS))


def _texts_to_embed(values: Values) -> list[str]:
    embeddings = items_of(tree_of(values, "embedding.embeddings."), "embedding")
    return [text for embedding in embeddings if (text := text_of(embedding.get("text")))]


def _documents(values: Values, prefix: str) -> list[dict[str, Any]]:
    """Return documents as MLflow has them: content, metadata and id."""
    documents = []
    for item in items_of(tree_of(values, prefix), "document"):
        metadata = document_of(item.get("metadata"))
        metadata = dict(metadata) if isinstance(metadata, dict) else {}
        if item.get("score") is not None:
            metadata.setdefault("score", item["score"])
        document = {"page_content": text_of(item.get("content")), "metadata": metadata}
        documents.append(document | ({"id": text_of(item["id"])} if text_of(item.get("id")) else {}))
    return documents


def _usage(values: Values) -> dict[str, float]:
    counts = {name: int(count) for name, count in numbers_of(values, table.COUNTS).items()}
    if counts and "total_tokens" not in counts:
        counts["total_tokens"] = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
    return dict(counts)


def _cost(values: Values) -> dict[str, float]:
    costs = numbers_of(values, table.COSTS)
    if costs and "total_cost" not in costs:
        costs["total_cost"] = costs.get("input_cost", 0) + costs.get("output_cost", 0)
    return costs


READERS: dict[str, Callable[[Values], Any]] = {
    SPAN_TYPE: _type,
    INPUTS: _inputs,
    OUTPUTS: _outputs,
    USAGE: _usage,
    COST: _cost,
    MODEL: lambda values: text_of(first_of(values, table.MODELS)),
    PROVIDER: lambda values: text_of(first_of(values, table.PROVIDERS)),
    TOOLS: tools_of,
}
