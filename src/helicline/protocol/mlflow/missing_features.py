"""What a stock server has and this one has not: the error names the feature and what to use instead."""

from __future__ import annotations

import re

from helicline.protocol.mlflow.errors import WireError

TOKENS_HINT = "Access is given by tokens with a role: hl token create NAME."
SCORERS_HINT = "The server runs no code of users: run mlflow.genai.evaluate in a program of your own."
# (the beginning of a path after /api/3.0/mlflow/, the feature, what to do instead); the first that fits counts
FEATURES: tuple[tuple[str, str, str], ...] = (
    ("gateway", "the gateway for language models", "Call the provider directly."),
    ("runs/create-promptlab-run", "the prompt lab", "Log such a run with the client."),
    ("review-queues", "review queues", "Record each review as feedback: mlflow.log_feedback."),
    ("label-schemas", "label schemas", "Record labels as feedback: mlflow.log_feedback."),
    ("issues", "issues", "Record what is wrong as feedback: mlflow.log_feedback."),
    ("prompt-optimization", "prompt optimization jobs", "Run mlflow.genai.optimize_prompts in a program of your own."),
    ("jobs", "jobs", "The pipelines of Helicline run work: hl run NAME."),
    ("workspaces", "workspaces", "One server is one workspace: start a second one with a home of its own."),
    ("users", "users", TOKENS_HINT),
    ("roles", "users and roles of MLflow", TOKENS_HINT),
    (r"[\w-]+/permissions", "permissions for single resources", TOKENS_HINT),
    ("scorer/", "scorers that the server runs", SCORERS_HINT),
    ("genai/", "scorers that the server runs", SCORERS_HINT),
    ("mcp-servers", "the registry of MCP servers", "Record them in a tag of the experiment."),
    ("skills", "the registry of skills", "Record them in a tag of the experiment."),
    ("assistant", "the assistant", "`hl status` says what needs you."),
    ("demo", "the demo data of MLflow", "docs/quickstart.md has a demo of Helicline."),
    ("graphql", "GraphQL", "Use the REST API of Helicline."),
    ("unified-traces|get-online-trace-details", "traces of Databricks", "Search with mlflow.search_traces."),
    ("ui-telemetry", "telemetry", "This server sends none."),
)
ROOT = re.compile(r"/(?:(?:ajax-)?api/[23]\.0/(?:mlflow/)?)?")
PATTERNS = tuple(
    (re.compile(rf"(?:{start})(?![a-z])" if start[-1] != "/" else start), feature, instead)
    for start, feature, instead in FEATURES
)


def no_route(method: str, path: str) -> WireError:
    """Return the error for a path without a route: NOT_IMPLEMENTED for a feature, else ENDPOINT_NOT_FOUND.

    Clients fall back to an older endpoint only on ENDPOINT_NOT_FOUND.
    """
    rest = path[match.end() :] if (match := ROOT.match(path)) else path
    for pattern, feature, instead in PATTERNS:
        if pattern.match(rest):
            return WireError("NOT_IMPLEMENTED", f"Helicline does not have {feature} ({method} {path[:200]}). {instead}")
    return WireError(
        "ENDPOINT_NOT_FOUND",
        f"No endpoint {method} {path[:200]}. Helicline answers as MLflow 3.17.2: look for a misspelt path, or a client"
        " that is newer.",
    )
