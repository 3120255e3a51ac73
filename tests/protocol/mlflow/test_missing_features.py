"""What this server has not is refused in the client's own shape, by the name of the feature."""

from __future__ import annotations

import pytest
from mlflow.exceptions import RestException
from mlflow.server import handlers

from helicline.protocol.mlflow.missing_features import no_route

THREE = "/api/3.0/mlflow"
FEATURES = [
    ("POST", f"{THREE}/gateway/endpoints/create", "the gateway for language models"),
    ("POST", "/gateway/openai/v1/chat/completions", "the gateway for language models"),
    ("GET", "/ajax-api/2.0/mlflow/gateway-proxy", "the gateway for language models"),
    ("POST", f"{THREE}/review-queues/create", "review queues"),
    ("POST", f"{THREE}/label-schemas/create", "label schemas"),
    ("GET", f"{THREE}/issues/i-1", "issues"),
    ("POST", "/ajax-api/3.0/jobs/search", "jobs"),
    ("GET", f"{THREE}/jobs/j-1", "jobs"),
    ("POST", f"{THREE}/prompt-optimization/jobs", "prompt optimization jobs"),
    ("GET", f"{THREE}/workspaces", "workspaces"),
    ("POST", "/api/2.0/mlflow/users/create", "users"),
    ("GET", f"{THREE}/users/permissions/list", "users"),
    ("POST", "/api/2.0/mlflow/experiments/permissions/create", "permissions for single resources"),
    ("POST", f"{THREE}/roles/create", "users and roles of MLflow"),
    ("POST", f"{THREE}/scorer/invoke", "scorers that the server runs"),
    ("GET", f"{THREE}/mcp-servers", "the registry of MCP servers"),
    ("POST", "/graphql", "GraphQL"),
]


@pytest.mark.parametrize(("method", "path", "feature"), FEATURES)
def test_a_feature_that_is_not_there_is_refused_by_its_name(http, method, path, feature):
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert answer.json()["message"].startswith(f"Helicline does not have {feature} ({method} {path}). ")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/2.0/mlflow/nope"), ("GET", f"{THREE}/traces"), ("GET", "/ajax-api/2.0/mlflow/x"),
     ("PUT", "/api/2.0/x"), ("POST", "/api/3.0/mlflow-artifacts/x"),
     ("GET", f"{THREE}/jobsearch"), ("POST", f"{THREE}/experiments/get")],
)  # fmt: skip
def test_an_unknown_route_lets_a_client_fall_back_to_an_older_one(http, method, path):
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert f"{method} {path}" in answer.json()["message"]


def test_the_stock_client_raises_what_the_answer_says(client):
    with pytest.raises(RestException, match="Helicline does not have workspaces") as raised:
        client.list_workspaces()
    assert raised.value.error_code == "NOT_IMPLEMENTED"


def test_every_endpoint_of_the_stock_server_is_served_or_has_a_name(server):
    """A new MLflow may bring endpoints: each gets a handler, or a row that says what it is."""
    routes = [
        (verb, path.replace("<path:artifact_path>", "a").replace("<", "{").replace(">", "}"))
        for path, _, verbs in (endpoint[:3] for endpoint in handlers.get_endpoints())
        for verb in verbs
        if "0mlflow" not in path  # a slip of the stock server, which no client calls
    ]
    assert len(routes) > 300
    unnamed = [
        (verb, path)
        for verb, path in routes
        if server.app.table.find(verb, path) is None and no_route(verb, path).wire_code != "NOT_IMPLEMENTED"
    ]
    assert unnamed == []
