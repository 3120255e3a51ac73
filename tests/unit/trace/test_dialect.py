"""Attributes of other instrumentations, and what they are in MLflow's."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helicline.trace.attribute import otlp_value, plain_value
from helicline.trace.dialect import table, translated
from helicline.trace.preview import preview


def pairs(attributes):
    return [{"key": key, "value": otlp_value(value)} for key, value in attributes.items()]


def added(attributes, *events):
    """Return the attributes that translation adds or changes."""
    named = [{"name": name, "attributes": pairs(fields)} for name, fields in events]
    result = {pair["key"]: plain_value(pair["value"]) for pair in translated(pairs(attributes), named)}
    return {key: value for key, value in result.items() if attributes.get(key) != value}


@pytest.mark.parametrize(
    ("key", "kind", "expected"),
    [(key, kind, span_type) for key, types in table.TYPES for kind, span_type in types.items()]
    + [("openinference.span.kind", "TOOL", "TOOL"), ("ai.operationId", "ai.generateText.doGenerate", "LLM"),
       ("gen_ai.operation.name", '"chat"', "CHAT_MODEL")],
)  # fmt: skip
def test_the_kind_of_a_span_becomes_its_type(key, kind, expected):
    assert added({key: kind})["mlflow.spanType"] == expected


def test_a_kind_that_nobody_knows_becomes_no_type():
    assert added({"openinference.span.kind": "WIZARD"}) == {}
    assert added({"http.method": "GET", "mlflow.spanType": "TOOL"}) == {}


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2, "gen_ai.usage.cache_write.input_tokens": 3},
        {"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 2, "llm.usage.total_tokens": 9,
         "gen_ai.usage.cache_creation_input_tokens": 3},
        {"llm.token_count.prompt": "7", "llm.token_count.completion": 2, "llm.token_count.total": 9,
         "llm.token_count.prompt_details.cache_write": 3},
    ],
    ids=["genai", "traceloop", "openinference"],
)  # fmt: skip
def test_tokens_are_counted_by_one_set_of_names(attributes):
    usage = added(attributes)["mlflow.chat.tokenUsage"]
    assert usage == {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9, "cache_creation_input_tokens": 3}


def test_costs_are_summed_and_nonsense_is_no_cost():
    assert added({"llm.cost.prompt": 0.5, "llm.cost.completion": 0.25})["mlflow.llm.cost"]["total_cost"] == 0.75
    assert added({"llm.cost.total": -1, "llm.token_count.prompt": "many", "llm.token_count.total": True}) == {}


OPENINFERENCE = {
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "What is it?",
    "llm.input_messages.1.message.contents.1.message_content.type": "image",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url": "http://pictures/1",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"closely": true}',
}
TRACELOOP = {
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "What is it?",
    "gen_ai.prompt.10.role": "tool",
    "gen_ai.prompt.10.content": "007",
    "gen_ai.prompt.10.tool_call_id": "c0",
    "gen_ai.prompt.9.role": "assistant",
    "gen_ai.prompt.9.content": "Wait.",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.finish_reason": "tool_calls",
    "gen_ai.completion.0.tool_calls.0.id": "c1",
    "gen_ai.completion.0.tool_calls.0.name": "look",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"closely": true}',
}
PARTS = [
    {"role": "user", "parts": [{"type": "text", "content": "What is it?"}, {"type": "uri", "uri": "http://p/1"}]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0", "response": {"n": 7}}]},
]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"closely": true}'}}
LOOK = {"type": "tool_call", "id": "c1", "name": "look", "arguments": '{"closely": true}'}
GENAI = {
    "gen_ai.input.messages": json.dumps(PARTS),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [LOOK], "finish_reason": "tool_call"}]),
}


def test_messages_of_openinference_are_chat_messages():
    system, user = added(OPENINFERENCE)["mlflow.spanInputs"]["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    text, image = user["content"]
    assert (text["text"], image["image_url"]) == ("What is it?", {"url": "http://pictures/1"})


def test_messages_of_traceloop_come_in_the_order_of_their_numbers():
    messages = added(TRACELOOP)["mlflow.spanInputs"]["messages"]
    assert [message["content"] for message in messages] == ["What is it?", "Wait.", "007"]
    assert messages[-1]["tool_call_id"] == "c0"


def test_parts_of_genai_messages_are_chat_messages():
    user, tool = added(GENAI)["mlflow.chat.messages"][:2]
    assert user["content"] == [{"type": "text", "text": "What is it?"}, PARTS[0]["parts"][1]]
    assert tool == {"role": "tool", "content": '{"n":7}', "tool_call_id": "c0"}


@pytest.mark.parametrize("attributes", [OPENINFERENCE, TRACELOOP, GENAI], ids=["openinference", "traceloop", "genai"])
def test_a_call_of_a_tool_is_in_the_answer(attributes):
    result = added(attributes)
    (choice,) = result["mlflow.spanOutputs"]["choices"]
    assert (choice["message"]["role"], choice["message"]["tool_calls"]) == ("assistant", [CALL])
    assert result["mlflow.message.format"] == "openai"


def test_messages_in_events_are_chat_messages():
    result = added(
        {"gen_ai.system": "openai"},
        ("gen_ai.system.message", {"content": "Be brief."}),
        ("gen_ai.user.message", {"content": "Hi"}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"content": "Hello"}'}),
    )
    assert [message["content"] for message in result["mlflow.chat.messages"]] == ["Be brief.", "Hi", "Hello"]
    assert result["mlflow.spanOutputs"]["choices"][0]["finish_reason"] == "stop"


def test_the_event_with_the_details_of_an_operation_has_its_messages():
    result = added({}, ("gen_ai.client.inference.operation.details", GENAI))
    assert result["mlflow.spanInputs"]["messages"][0]["role"] == "user"


def test_the_input_of_an_agent_is_its_conversation_up_to_the_last_question():
    texts = (("user", "Hi"), ("assistant", "Hello"), ("user", "Weather?"), ("assistant", "Rain."))
    parts = [
        {"role": role, "parts": [{"type": "text", "content": text}], "finish_reason": "stop"} for role, text in texts
    ]
    result = added({"gen_ai.operation.name": "invoke_agent", "pydantic_ai.all_messages": json.dumps(parts),
                    "final_result": "Rain."})  # fmt: skip
    assert [message["content"] for message in result["mlflow.spanInputs"]["messages"]] == ["Hi", "Hello", "Weather?"]
    assert set(result["mlflow.spanInputs"]["messages"][1]) == {"role", "content"}
    assert (result["mlflow.spanOutputs"], result["mlflow.spanType"]) == ("Rain.", "AGENT")


def test_a_value_that_the_sender_names_input_is_the_input():
    question = {"messages": [{"role": "user", "content": "?"}], "temperature": 0}
    result = added(OPENINFERENCE | {"input.value": json.dumps(question)})
    assert result["mlflow.spanInputs"] == question
    assert len(result["mlflow.chat.messages"]) == 3
    assert "mlflow.message.format" not in result


def test_objects_of_a_library_give_way_to_messages():
    result = added(OPENINFERENCE | {"input.value": '{"messages": [[{"lc": 1, "kwargs": {}}]]}', "output.value": "{}"})
    assert result["mlflow.spanInputs"]["messages"][0]["role"] == "system"
    assert "choices" in result["mlflow.spanOutputs"]


def test_retrieved_documents_are_documents():
    result = added(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "pizza",
            "retrieval.documents.0.document.id": "d1",
            "retrieval.documents.0.document.content": "dough",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.0.document.metadata": '{"page": 3}',
        }
    )
    assert result["mlflow.spanInputs"] == "pizza"
    assert result["mlflow.spanOutputs"] == [
        {"page_content": "dough", "metadata": {"page": 3, "score": 0.5}, "id": "d1"}
    ]


@pytest.mark.parametrize(
    "attributes",
    [
        {"llm.tools.0.tool.json_schema": '{"name": "f", "input_schema": {"type": "object"}}'},
        {"llm.request.functions.0.name": "f", "llm.request.functions.0.parameters": '{"type": "object"}'},
        {"gen_ai.tool.definitions": '[{"function": {"name": "f", "parameters": {"type": "object"}}}]'},
    ],
    ids=["openinference", "traceloop", "genai"],
)  # fmt: skip
def test_tools_are_functions(attributes):
    function = {"name": "f", "parameters": {"type": "object"}}
    assert added(attributes)["mlflow.chat.tools"] == [{"type": "function", "function": function}]


NAMES = sorted(
    {key for key, _ in table.TYPES} | {*table.INPUTS, *table.OUTPUTS, *table.MODELS}
    | {key for keys in (*table.COUNTS.values(), *table.COSTS.values()) for key in keys}
    | {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"}
    | {*OPENINFERENCE, *TRACELOOP, "llm.tools.0.tool.json_schema", "llm.tools.0.tool", "llm.input_messages.0.message",
       "llm.input_messages.99999999999.message.role", "llm.input_messages.²", "gen_ai.prompt.", "gen_ai.prompt..",
       "retrieval.documents.0.document.metadata", "retrieval.documents.0", "embedding.embeddings.0.embedding.text"}
)  # fmt: skip
words = st.sampled_from(["role", "content", "parts", "type", "text", "tool_call", "id", "response", "function", "name"])
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.one_of(anything, anything.map(json.dumps)), max_size=5), anything)
def test_any_values_are_translated_without_an_error(attributes, message):
    fields = {"content": message, "message": message, "tool_calls": message}
    result = added(attributes, ("gen_ai.choice", fields), ("gen_ai.tool.message", fields))
    json.dumps(result)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hm"}]}, "Hi"),
        ({"request": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]}}, "Hi"),
        ({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}, "Hi"),
        ({"role": "assistant", "content": "Hi"}, "Hi"),
        ({"q": 1}, '{"q":1}'),
        ("x" * 1001, "x" * 997 + "..."),
        (None, ""),
    ],
)
def test_a_preview_is_the_text_of_the_last_message_or_the_value(value, text):
    assert preview(value, "user") == text


def test_json_that_is_nested_too_deep_for_clients_stays_text():
    deep = "[" * 200 + "]" * 200
    assert str(added({"input.value": deep})["mlflow.spanInputs"]).count("[") == 200
    body = json.dumps(translated(pairs({"input.value": deep}), []))
    assert body.count("array_value") < 30
