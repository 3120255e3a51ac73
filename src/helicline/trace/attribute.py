"""Values of span attributes, from the OTLP JSON that `helicline.trace.span` makes of a span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from helicline.records.run import SpanRecord

# attributes that name an encoding or an id, and no content
NO_CONTENT = frozenset({"mlflow.traceRequestId", "mlflow.message.format"})
RESERVED_PREFIX = "mlflow."
MAX_DEPTH = 20  # clients parse about thirty levels of objects
MAX_DOUBLE = 1.7e308


def attributes(span: SpanRecord) -> dict[str, Any]:
    """Return the span's attributes; each value is OTLP JSON."""
    return {pair["key"]: pair["value"] for pair in span.body.get("attributes", ())}


def plain_value(value: dict[str, Any]) -> Any:
    """Return the value of an attribute as its sender set it; None where it is unset."""
    if "kvlist_value" in value:
        return {pair["key"]: plain_value(pair.get("value") or {}) for pair in value["kvlist_value"].get("values", ())}
    if "array_value" in value:
        return [plain_value(item) for item in value["array_value"].get("values", ())]
    return next(iter(value.values()), None)


def value_of(value: dict[str, Any]) -> Any:
    """Return an attribute's value, decoded where it is a JSON document in a string, as tracers of MLflow send them."""
    return document_of(plain_value(value))


def document_of(value: Any) -> Any:
    """Return the document in a text that holds an object, a list or a JSON string; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "[", '"'):
        return value
    document = decoded_json(value)
    # a tracer of MLflow encodes once more what an instrumentation has encoded
    is_nested = value[:1] == '"' and isinstance(document, str) and document[:1] in ("{", "[")
    return decoded_json(document) if is_nested else document


def text_of(value: Any) -> str:
    """Return the value as text: without the encoding as a JSON string, numbers in digits, "" for anything else."""
    if isinstance(value, str):
        document = decoded_json(value) if value[:1] == '"' else value
        return document if isinstance(document, str) else value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def as_text(value: Any) -> str:
    """Return a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else encoded_json(value) or ""


def otlp_value(value: Any, *, depth: int = 0) -> dict[str, Any]:
    """Return a JSON value as an attribute's value in OTLP JSON; what is nested too deep for clients stays JSON."""
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return {"int_value": value}
    if isinstance(value, int | float):
        return {"double_value": float(value)} if abs(value) <= MAX_DOUBLE else {"string_value": str(value)}
    if isinstance(value, str):
        return {"string_value": value}
    if value is None:
        return {}
    if depth > MAX_DEPTH:
        return {"string_value": encoded_json(value) or ""}
    if isinstance(value, dict):
        pairs = [{"key": key, "value": otlp_value(item, depth=depth + 1)} for key, item in value.items()]
        return {"kvlist_value": {"values": pairs}}
    return {"array_value": {"values": [otlp_value(item, depth=depth + 1) for item in value]}}


def decoded_json(text: str) -> Any:
    """Return the document in the text, or the text itself where it is no JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def encoded_json(value: Any) -> str | None:
    """Return the value as JSON, or None where it is nested too deep."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return None


def content_of(span: SpanRecord) -> str:
    """Return what the span says, a line for each text: its name, status, attributes, events and links.

    Field names of OTLP and names of MLflow's own attributes are no content; keys inside of values are.
    """
    body = span.body
    lines = [str(body.get("name", "")), str((body.get("status") or {}).get("message", ""))]
    lines += _pair_lines(body)
    for event in body.get("events", ()):
        lines += [event.get("name", ""), *_pair_lines(event)]
    for link in body.get("links", ()):
        lines += _pair_lines(link)
    return "\n".join(line for line in lines if line)


def _pair_lines(item: dict[str, Any]) -> Iterator[str]:
    for pair in item.get("attributes", ()):
        key = pair["key"]
        if key in NO_CONTENT:
            continue
        if not key.startswith(RESERVED_PREFIX):
            yield key
        yield from _lines(value_of(pair["value"]))


def _lines(content: Any) -> Iterator[str]:
    """Yield every text and number in the value. Values are nested as deep as a JSON decoder allows: no recursion."""
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            for key in reversed(item):
                waiting += (item[key], str(key))
        elif isinstance(item, list):
            waiting += reversed(item)
        else:
            yield item if isinstance(item, str) else msgspec.json.encode(item).decode()
