"""Previews of a trace: the text that went in and the text that came out, from the inputs and outputs of its root."""

from __future__ import annotations

from typing import Any

from helicline.records.run import SpanRecord
from helicline.trace.attribute import as_text, attributes, value_of

MAX_PREVIEW = 1000
# the field of the info, the attribute of the root, and who speaks in it
PREVIEWS = (
    ("request_preview", "mlflow.spanInputs", "user"),
    ("response_preview", "mlflow.spanOutputs", "assistant"),
)


def previews_of(root: SpanRecord) -> dict[str, str]:
    """Return the previews by their names in the info; none where the root has no inputs or outputs."""
    values = attributes(root)
    texts = {name: preview(value_of(values[key]), role) for name, key, role in PREVIEWS if key in values}
    return {name: text for name, text in texts.items() if text}


def preview(value: Any, role: str) -> str:
    """Return the last message of the role where the value has messages, and the value itself otherwise."""
    messages = messages_in(value)
    message = next((item for item in reversed(messages) if item.get("role") == role), messages[-1] if messages else {})
    text = _text(message.get("content")) or ("" if value is None else as_text(value))
    return text if len(text) <= MAX_PREVIEW else f"{text[: MAX_PREVIEW - 3]}..."


def messages_in(value: Any) -> list[dict[str, Any]]:
    """Return the messages in the forms of OpenAI's chat and responses APIs, or in a list."""
    if isinstance(value, dict):
        inner = value.get("request")
        fields = inner if isinstance(inner, dict) else value
        lists = (
            fields[name] for name in ("messages", "choices", "input", "output") if isinstance(fields.get(name), list)
        )
        value = next(lists, [fields])
    if not isinstance(value, list):
        return []
    items = [item.get("message", item) for item in value if isinstance(item, dict)]
    return [item for item in items if isinstance(item, dict) and "role" in item and "content" in item]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            return part
        if isinstance(part, dict) and part.get("type") in ("text", "output_text", "input_text"):
            return str(part.get("text", ""))
    return ""
