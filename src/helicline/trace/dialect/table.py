"""The table of dialects: which attributes mean what, in the order in which they count (note 0031).

Sources: OpenInference semantic conventions 0.1, OpenTelemetry GenAI semantic conventions with their former names,
Traceloop (OpenLLMetry) 0.62, pydantic-ai, Langfuse, Vercel AI SDK, Google ADK.
"""

from __future__ import annotations

# the beginnings of the names of attributes, and of events, that a dialect may use
PREFIXES = (
    "gen_ai.", "openinference.", "llm.", "input.", "output.", "embedding.", "retrieval.", "reranker.", "tool.",
    "traceloop.", "langfuse.", "ai.", "gcp.vertex.agent.", "tool_arguments", "tool_response", "final_result",
    "operation.cost", "pydantic_ai.",
)  # fmt: skip
EVENT_PREFIX = "gen_ai."

_OPENINFERENCE = {
    kind.lower(): kind
    for kind in ("LLM", "CHAIN", "AGENT", "TOOL", "RETRIEVER", "RERANKER", "EMBEDDING", "GUARDRAIL", "EVALUATOR")
} | {"prompt": "PROMPT"}
_OPERATIONS = {
    "chat": "CHAT_MODEL",
    "text_completion": "LLM",
    "generate_content": "LLM",
    "response": "LLM",
    "embeddings": "EMBEDDING",
    "retrieval": "RETRIEVER",
    "vector_db_retrieve": "RETRIEVER",
    "rerank": "RERANKER",
    "execute_tool": "TOOL",
    "invoke_agent": "AGENT",
    "create_agent": "AGENT",
    "invoke_workflow": "WORKFLOW",
    "plan": "TASK",
    "execute_task": "TASK",
    "guardrail": "GUARDRAIL",
    "evaluate": "EVALUATOR",
} | {f"{verb}_memory": "MEMORY" for verb in ("search", "create", "update", "upsert", "delete")}
_TRACELOOP = {"workflow": "WORKFLOW", "task": "TASK", "agent": "AGENT", "tool": "TOOL"}
_TRACELOOP_REQUESTS = {"chat": "CHAT_MODEL", "completion": "LLM", "embedding": "EMBEDDING", "rerank": "RERANKER"}
_LANGFUSE = {
    "generation": "LLM",
    "embedding": "EMBEDDING",
    "tool": "TOOL",
    "retriever": "RETRIEVER",
    "agent": "AGENT",
    "chain": "CHAIN",
    "evaluator": "EVALUATOR",
    "guardrail": "GUARDRAIL",
}
_VERCEL = {
    f"ai.{verb.lower()}{suffix}": "LLM"
    for verb, inner in (("generateText", "doGenerate"), ("streamText", "doStream"),
                        ("generateObject", "doGenerate"), ("streamObject", "doStream"))
    for suffix in ("", f".{inner.lower()}")
} | {"ai.toolcall": "TOOL", "ai.embed": "EMBEDDING", "ai.embed.doembed": "EMBEDDING", "ai.embedmany": "EMBEDDING",
     "ai.embedmany.doembed": "EMBEDDING"}  # fmt: skip
# attribute -> its value in small letters -> type of the span
TYPES: tuple[tuple[str, dict[str, str]], ...] = (
    ("openinference.span.kind", _OPENINFERENCE),
    ("gen_ai.operation.name", _OPERATIONS),
    ("traceloop.span.kind", _TRACELOOP),
    ("llm.request.type", _TRACELOOP_REQUESTS),
    ("langfuse.observation.type", _LANGFUSE),
    ("ai.operationId", _VERCEL),
)
# what a span without any of these is, by an attribute that it has
TYPES_BY_ATTRIBUTE = (
    ("gen_ai.tool.name", "TOOL"),
    ("gen_ai.tool.call.id", "TOOL"),
    ("gen_ai.request.model", "LLM"),
    ("llm.model_name", "LLM"),
)

# names of values, which are taken as they are, or as the JSON in them
INPUTS = (
    "input.value", "gen_ai.tool.call.arguments", "traceloop.entity.input", "gen_ai.task.input", "tool_arguments",
    "tool.parameters",
    "langfuse.observation.input", "ai.prompt", "ai.toolCall.args", "ai.value", "ai.values",
    "gcp.vertex.agent.llm_request", "gcp.vertex.agent.tool_call_args", "gen_ai.retrieval.query.text",
    "retrieval.query", "reranker.query", "gen_ai.prompt",
)  # fmt: skip
OUTPUTS = (
    "output.value", "gen_ai.tool.call.result", "traceloop.entity.output", "gen_ai.task.output", "tool_response",
    "final_result",
    "langfuse.observation.output", "ai.response.text", "ai.response.object", "ai.toolCall.result",
    "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_response", "gen_ai.retrieval.documents",
    "gen_ai.completion",
)  # fmt: skip
MODELS = (
    "llm.response.model_name", "gen_ai.response.model", "llm.model_name", "gen_ai.request.model",
    "llm.request.model_name", "embedding.model_name", "reranker.model_name", "ai.response.model", "ai.model.id",
)  # fmt: skip
PROVIDERS = ("gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system", "ai.model.provider")

COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
        "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
        "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens", "ai.usage.totalTokens",
    ),
    "cache_read_input_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read", "gen_ai.usage.details.cache_read_tokens",
        "ai.usage.cachedInputTokens",
    ),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write",
        "gen_ai.usage.details.cache_write_tokens",
    ),
}  # fmt: skip
# in US dollars
COSTS: dict[str, tuple[str, ...]] = {
    "input_cost": ("llm.cost.prompt", "gen_ai.usage.input_cost"),
    "output_cost": ("llm.cost.completion", "gen_ai.usage.output_cost"),
    "total_cost": ("llm.cost.total", "gen_ai.usage.total_cost", "gen_ai.usage.cost", "operation.cost"),
}
