"""Chat messages and tools of other dialects, as the messages and functions of OpenAI's chat API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helicline.trace.attribute import as_text, document_of, encoded_json, text_of
from helicline.trace.dialect.values import items_of, tree_of

Message = dict[str, Any]
FINISH = "finish_reason"  # in a message of an answer, until it becomes a choice
EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
CHOICE_EVENT = "gen_ai.choice"
DETAILS_EVENT = "gen_ai.client.inference.operation.details"


def input_messages(values: Mapping[str, Any], events: Sequence[tuple[str, dict[str, Any]]]) -> list[Message]:
    """Return the messages that the model was sent, from the first source that has any."""
    return [without_finish(message) for message in _input_messages(values, events)]


def _input_messages(values: Mapping[str, Any], events: Sequence[tuple[str, dict[str, Any]]]) -> list[Message]:
    for attributes in (values, *(fields for name, fields in events if name == DETAILS_EVENT)):
        messages = _of_parts(attributes.get("gen_ai.input.messages"))
        if messages:
            return [*_instructions(attributes.get("gen_ai.system_instructions")), *messages]
    return (
        _openinference(values, "llm.input_messages.")
        or _traceloop(values, "gen_ai.prompt.")
        or [_of_event(EVENT_ROLES[name], fields) for name, fields in events if name in EVENT_ROLES]
        or _of_parts(values.get("ai.prompt.messages"))
        or _until_the_last_question(_of_parts(values.get("pydantic_ai.all_messages")))
    )


def _until_the_last_question(conversation: list[Message]) -> list[Message]:
    """Return what an agent was sent, of a conversation that goes on to its answer."""
    questions = [index for index, message in enumerate(conversation) if message.get("role") == "user"]
    return conversation[: questions[-1] + 1] if questions else []


def output_messages(values: Mapping[str, Any], events: Sequence[tuple[str, dict[str, Any]]]) -> list[Message]:
    """Return the messages that the model answered, each with its finish reason."""
    for attributes in (values, *(fields for name, fields in events if name == DETAILS_EVENT)):
        if messages := _of_parts(attributes.get("gen_ai.output.messages")):
            return messages
    return (
        _openinference(values, "llm.output_messages.")
        or _traceloop(values, "gen_ai.completion.")
        or [_of_event("assistant", fields) for name, fields in events if name == CHOICE_EVENT]
    )


def choices_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [
        {"index": index, "message": without_finish(message)} | ({FINISH: message[FINISH]} if FINISH in message else {})
        for index, message in enumerate(messages)
    ]


def without_finish(message: Message) -> Message:
    return {key: value for key, value in message.items() if key != FINISH}


def tools_of(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the functions that were offered to the model."""
    definitions = document_of(values.get("gen_ai.tool.definitions"))
    if not isinstance(definitions, list):
        definitions = [tool.get("json_schema") for tool in items_of(tree_of(values, "llm.tools."), "tool")]
        definitions += items_of(tree_of(values, "llm.request.functions."))
    functions = [_function(document_of(definition)) for definition in definitions]
    return [function for function in functions if function]


def _function(definition: Any) -> dict[str, Any] | None:
    if not isinstance(definition, dict):
        return None
    function = definition.get("function")
    source = function if isinstance(function, dict) else definition
    name = text_of(source.get("name"))
    if not name:
        return None
    described: dict[str, Any] = {"name": name}
    if description := text_of(source.get("description")):
        described["description"] = description
    parameters = document_of(source.get("parameters", source.get("input_schema")))
    if isinstance(parameters, dict):
        described |= {"parameters": parameters}
    return {"type": "function", "function": described}


def _message(role: Any, content: Any, **more: Any) -> Message:
    message = {"role": text_of(role) or "user", "content": content}
    return message | {key: value for key, value in more.items() if value not in (None, "", [])}


def _call(identifier: Any, name: Any, arguments: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else encoded_json({} if arguments is None else arguments)
    return {"id": text_of(identifier), "type": "function", "function": {"name": text_of(name), "arguments": text or ""}}


# OpenTelemetry GenAI: a list of messages with parts


def _instructions(value: Any) -> list[Message]:
    document = document_of(value)
    parts = document if isinstance(document, list) else [{"type": "text", "content": document}] if document else []
    content = _content([part for part in parts if isinstance(part, dict)])
    return [_message("system", content)] if content else []


def _of_parts(value: Any) -> list[Message]:
    document = document_of(value)
    if not isinstance(document, list):
        return []
    return [message for item in document if isinstance(item, dict) for message in _messages_of(item)]


def _messages_of(item: dict[str, Any]) -> list[Message]:
    """Return a message with its calls of tools, or a message for each answer of a tool in it."""
    parts = item.get("parts")
    if not isinstance(parts, list):
        return [item] if "role" in item and "content" in item else []
    parts = [part if isinstance(part, dict) else {"type": "text", "content": part} for part in parts]
    answers = [
        _message("tool", _text_or_json(part.get("response", part.get("result"))), tool_call_id=text_of(part.get("id")))
        for part in parts
        if part.get("type") == "tool_call_response"
    ]
    calls = [
        _call(part.get("id"), part.get("name"), part.get("arguments"))
        for part in parts
        if part.get("type") == "tool_call"
    ]
    content = _content([part for part in parts if part.get("type") not in ("tool_call", "tool_call_response")])
    if answers and not content and not calls:
        return answers
    finish = text_of(item.get(FINISH))
    return [*answers, _message(item.get("role"), content, tool_calls=calls, finish_reason=finish)]


def _content(parts: list[dict[str, Any]]) -> Any:
    """Return the text of a single part of text, or a list of parts."""
    if all(part.get("type") == "text" for part in parts):
        texts = [_text_or_json(part.get("content", part.get("text"))) for part in parts]
        return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts] or ""
    return [
        {"type": "text", "text": _text_or_json(part.get("content", part.get("text")))}
        if part.get("type") == "text"
        else part
        for part in parts
    ]


def _text_or_json(value: Any) -> str:
    return "" if value is None else as_text(value)


# OpenInference: flattened, with a name for each level


def _openinference(values: Mapping[str, Any], prefix: str) -> list[Message]:
    return [_openinference_message(message) for message in items_of(tree_of(values, prefix), "message")]


def _openinference_message(message: dict[str, Any]) -> Message:
    parts = [_openinference_part(part) for part in items_of(message.get("contents"), "message_content")]
    content = text_of(message.get("content")) or parts or ""
    calls = []
    for call in items_of(message.get("tool_calls"), "tool_call"):
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        calls.append(_call(call.get("id"), function.get("name"), text_of(function.get("arguments"))))
    return _message(
        message.get("role"),
        content,
        tool_calls=calls,
        tool_call_id=text_of(message.get("tool_call_id")),
        name=text_of(message.get("name")),
    )


def _openinference_part(part: dict[str, Any]) -> dict[str, Any]:
    if text := text_of(part.get("text")):
        return {"type": "text", "text": text}
    node: Any = part
    for name in ("image", "image", "url"):
        node = node.get(name) if isinstance(node, dict) else None
    return {"type": "image_url", "image_url": {"url": text_of(node)}} if node else part


# Traceloop: flattened


def _traceloop(values: Mapping[str, Any], prefix: str) -> list[Message]:
    return [_traceloop_message(message) for message in items_of(tree_of(values, prefix))]


def _traceloop_message(message: dict[str, Any]) -> Message:
    document = document_of(message.get("content"))
    content = document if isinstance(document, list) else text_of(message.get("content"))
    calls = [
        _call(call.get("id"), call.get("name"), text_of(call.get("arguments")))
        for call in items_of(message.get("tool_calls"))
    ]
    return _message(
        message.get("role"),
        content,
        tool_calls=calls,
        tool_call_id=text_of(message.get("tool_call_id")),
        finish_reason=text_of(message.get(FINISH)),
    )


# OpenTelemetry GenAI before 1.37: an event for each message


def _of_event(role: str, fields: Mapping[str, Any]) -> Message:
    document = document_of(fields.get("message"))
    inner = document if isinstance(document, dict) else {}
    content = fields.get("content", inner.get("content", document if isinstance(document, str) else ""))
    calls = document_of(fields.get("tool_calls", inner.get("tool_calls")))
    return _message(
        fields.get("role", inner.get("role")) or role,
        text_of(content) or document_of(content),
        tool_calls=calls if isinstance(calls, list) else None,
        tool_call_id=text_of(fields.get("id")) if role == "tool" else "",
        finish_reason=text_of(fields.get(FINISH)),
    )
