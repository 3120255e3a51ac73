"""What a wrong request is answered: the code, the text, and never a 5xx."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest

API = "/api/2.0/mlflow"


@pytest.fixture
def run_id(http, experiment) -> str:
    return http.post(f"{API}/runs/create", json={"experiment_id": experiment}).json()["run"]["info"]["run_id"]


BAD, GONE, TAKEN = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
ERRORS = [
    ("POST", "experiments/create", {}, BAD, "Missing value for required parameter 'name'."),
    ("POST", "experiments/create", {"name": 3}, BAD, "Invalid value 3 for parameter 'name' supplied:  Hint"),
    (
        "POST",
        "experiments/create",
        {"name": "y", "tags": "x"},
        BAD,
        "Invalid value \"x\" for parameter 'tags' supplied",
    ),
    ("POST", "experiments/create", {"name": "Default"}, TAKEN, "Experiment(name=Default) already exists"),
    ("POST", "experiments/create", {"name": "x" * 501}, BAD, "'name' exceeds the maximum length of 500 characters"),
    ("POST", "experiments/create", {"name": "x\0y"}, BAD, "parameter 'name'"),
    ("POST", "experiments/search", {}, BAD, "'max_results'"),
    ("POST", "experiments/search", {"max_results": 0}, BAD, "supplied. It must be a positive integer"),
    ("POST", "experiments/search", {"max_results": 50001}, BAD, "supplied. It must be at most 50000"),
    ("GET", "experiments/get", {"experiment_id": "99999"}, GONE, "No Experiment with id=99999 exists"),
    ("GET", "experiments/get", {"experiment_id": "x"}, BAD, "Invalid experiment ID 'x'"),
    ("GET", "experiments/get-by-name", {"experiment_name": "nope"}, GONE, "'nope'"),
    ("GET", "runs/get", {"run_id": "nope"}, GONE, "Run with id=nope not found"),
    ("GET", "runs/get", {}, BAD, "Missing value for required parameter 'run_id'."),
    ("POST", "runs/create", {"experiment_id": "99999"}, GONE, "No Experiment with id=99999 exists"),
    ("POST", "runs/create", {"start_time": 2**70}, BAD, "start_time"),
    ("POST", "runs/update", {"run_id": "RUN", "status": "WRONG"}, BAD, "status"),
    ("POST", "runs/log-metric", {"run_id": "RUN", "key": "k", "value": 1}, BAD, "'timestamp'"),
    ("POST", "runs/log-metric", {"run_id": "RUN", "key": "k", "timestamp": 1}, BAD, "'value'"),
    ("POST", "runs/log-metric", {"run_id": "RUN", "key": "k", "value": "x", "timestamp": 1}, BAD, "valid double"),
    ("POST", "runs/log-metric", {"run_id": "RUN", "key": "a\0", "value": 1, "timestamp": 1}, BAD, "'key'"),
    ("POST", "runs/log-metric", {"run_id": "RUN", "key": "../a", "value": 1, "timestamp": 1}, BAD, "would resolve to"),
    (
        "POST",
        "runs/log-metric",
        {"run_id": "RUN", "key": "a", "value": 1, "timestamp": 1, "step": 2**63},
        BAD,
        "'step'",
    ),
    (
        "POST",
        "runs/log-parameter",
        {"run_id": "RUN", "key": "x" * 251, "value": "1"},
        BAD,
        "'Param key' exceeds the maximum length of 250 characters",
    ),
    (
        "POST",
        "runs/log-batch",
        {"run_id": "RUN", "params": [{"key": "a", "value": "1"}] * 2},
        BAD,
        "Duplicate parameter keys",
    ),
    (
        "POST",
        "runs/log-batch",
        {"run_id": "RUN", "tags": [{"key": f"k{n}", "value": ""} for n in range(101)]},
        BAD,
        "at most 100 tags",
    ),
    (
        "POST",
        "runs/log-batch",
        {"run_id": "RUN", "metrics": [{"key": "k", "value": 1, "timestamp": n} for n in range(1001)]},
        BAD,
        "at most 1000 metrics",
    ),
    (
        "POST",
        "runs/log-batch",
        {"run_id": "RUN", "tags": [{"key": "k", "value": "x" * 1_000_001}]},
        BAD,
        "must be at most 1000000 bytes",
    ),
    ("POST", "runs/log-batch", {"run_id": "RUN", "metrics": ["x"]}, BAD, "metrics[0]"),
    ("POST", "runs/delete-tag", {"run_id": "RUN", "key": "none"}, GONE, "No tag with name: none"),
    ("POST", "runs/search", {"experiment_ids": ["0"], "filter": "a OR b"}, BAD, "Invalid attribute key 'a' specified."),
    ("POST", "runs/search", {"experiment_ids": ["0"], "filter": "params.a > 'x'"}, BAD, "Invalid comparator '>'"),
    ("POST", "runs/search", {"experiment_ids": ["0"], "page_token": "zzz"}, BAD, "Invalid page token"),
    (
        "POST",
        "runs/set-tag",
        {"run_id": "RUN", "key": "a*", "value": "1"},
        BAD,
        "parameter 'key' supplied: Names may",
    ),
    ("POST", "runs/log-parameter", {"run_id": "RUN", "key": "../a", "value": "1"}, BAD, "for parameter 'key' supplied"),
    (
        "GET",
        "metrics/get-history",
        {"run_id": "RUN", "metric_key": "k", "page_token": "zzz"},
        BAD,
        "Invalid page token",
    ),
    ("POST", "runs/search", {"experiment_ids": ["0"], "run_view_type": "X"}, BAD, "view_type"),
    (
        "POST",
        "runs/search",
        {"run_id": "a", "runId": "b", "experimentIds": ["0"], "experiment_ids": ["0"]},
        BAD,
        "not both",
    ),
    (
        "GET",
        "metrics/get-history",
        {"run_id": "RUN", "metric_key": "k", "max_results": 0},
        BAD,
        "It must be a positive integer.",
    ),
    ("POST", "registered-models/create", {"name": "a/b"}, BAD, "Names cannot contain '/' or ':'"),
    ("POST", "registered-models/create", {"name": "  "}, BAD, "Missing value for required parameter 'name'."),
    ("GET", "registered-models/get", {"name": "nope"}, GONE, "Registered Model with name=nope not found"),
    (
        "GET",
        "model-versions/get",
        {"name": "nope", "version": "1"},
        GONE,
        "Model Version (name=nope, version=1) not found",
    ),
    (
        "GET",
        "model-versions/get",
        {"name": "nope", "version": "x"},
        BAD,
        "Parameter 'version' must be an integer, got 'x'.",
    ),
    ("GET", "logged-models/m-1", {}, GONE, "Logged model with ID 'm-1' not found"),
    ("POST", "logged-models/search", {"order_by": [{"field_name": "bogus"}]}, BAD, "bogus"),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "text"), ERRORS)
def test_an_error_has_the_code_and_words_that_clients_match(http, run_id, method, path, body, code, text):
    body = {key: run_id if value == "RUN" else value for key, value in body.items()}
    how = {"params": body} if method == "GET" else {"json": body}
    answer = http.request(method, f"{API}/{path}", **how)
    assert (answer.status_code, answer.json()["error_code"]) == (404 if code == GONE else 400, code)
    message = answer.json()["message"]
    assert text in message
    assert not text.startswith("Invalid ") or message.startswith(text)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"3",
        b'"{"',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"name": "x", "tags": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"name": ' + b"9" * 10_000 + b"}",
        b'{"name": "x", "n": 1e999}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "x", "tags": [{"key": "k", "value": "a\\u0000b"}]}',
    ],
)
def test_a_body_that_cannot_be_kept_is_refused(http, body: bytes):
    answer = http.post(f"{API}/experiments/create", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_lone_surrogate_is_refused_by_the_name_of_its_field(http):
    body = rb'{"name": "x", "tags": [{"key": "k", "value": "\ud800 and more"}]}'
    answer = http.post(f"{API}/experiments/create", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "tags[0].value" in answer.json()["message"]


def test_a_body_over_the_limit_is_refused(http):
    body = b'{"name": "' + b"x" * 2_000_001 + b'"}'
    answer = http.post(f"{API}/experiments/create", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    chunked = http.post(f"{API}/experiments/create", content=iter([body]), headers={"content-type": "application/json"})
    assert chunked.status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_of_another_type_is_refused(http, kind: str):
    answer = http.post(f"{API}/experiments/create", content=b'{"name": "x"}', headers={"content-type": kind})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path",
    ["%2e%2e/x", "a/%2e%2e/x", "..%2fx", "%252e%252e%252fx", "a%5c..%5cx", "%2fetc/passwd", "C:%5cx", "a%00b", "a%0ab",
     "%ef%bc%8e%ef%bc%8e/x", "%c0%ae%c0%ae/x", "a%23b", "x" * 256, "a//b", "..%20/x", "a%e2%80%aeb"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_an_artifact_path_that_leads_elsewhere_is_refused(http, method: str, path: str):
    # httpx would tidy the path before sending it
    connection = HTTPConnection(http.base_url.host, http.base_url.port, timeout=20)
    connection.request(method, f"/api/2.0/mlflow-artifacts/artifacts/{path}", body=b"x" if method == "PUT" else None)
    assert connection.getresponse().status == 400


def test_an_artifact_over_the_limit_leaves_nothing(http):
    path = "/api/2.0/mlflow-artifacts/artifacts/0/big"
    assert http.put(path, content=b"x" * 30_000_001).status_code == 413
    assert http.put(path, content=iter([b"x" * 10_000_000] * 4)).status_code == 413
    assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [("log-metric", {"key": "recall@10", "value": 1, "timestamp": 1}),
     ("log-batch", {"metrics": [{"key": "recall@10", "value": 1, "timestamp": 1}]}),
     ("log-batch", {"metrics": [{"key": "recall@10", "value": 1, "timestamp": 1}], "tags": [{"key": "k"}]}),
     ("log-batch", {"params": [{"key": "recall@10", "value": "1"}]}),
     ("log-parameter", {"key": "recall@10", "value": "1"}), ("set-tag", {"key": "recall@10", "value": "1"})],
)  # fmt: skip
def test_the_wire_keeps_the_grammar_of_names_that_mlflow_has(http, run_id, path, body):
    """Our own API takes an `@`, which the stock server and its clients refuse."""
    answer = http.post(f"{API}/runs/{path}", json={"run_id": run_id} | body)
    assert (answer.status_code, "Names may only contain" in answer.json()["message"]) == (400, True)
    logged = http.get(f"{API}/runs/get", params={"run_id": run_id}).json()["run"]["data"]
    assert "recall@10" not in str(logged)


def test_the_ajax_twin_and_both_versions_answer_alike(http):
    paths = [f"{prefix}/{version}/mlflow" for prefix in ("/api", "/ajax-api") for version in ("2.0", "3.0")]
    answers = {http.get(f"{path}/experiments/get", params={"experiment_id": "0"}).text for path in paths}
    assert len(answers) == 1


def test_numbers_and_flags_are_taken_as_clients_send_them(http, run_id):
    body = {"run_uuid": run_id, "key": "m", "value": "NaN", "timestamp": "5", "step": "2", "unknown": 1}
    assert http.post(f"{API}/runs/log-metric", json=body).json() == {}
    stored = http.get(f"{API}/runs/get", params={"run_id": run_id, "run_uuid": run_id}).json()["run"]
    assert stored["data"]["metrics"] == [{"key": "m", "value": "NaN", "timestamp": 5, "step": 2}]
    assert "end_time" not in stored["info"]


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("viewer", "experiments/search", 200),
        ("viewer", "experiments/create", 403),
        ("nobody", "experiments/search", 403),
    ],
)
def test_a_caller_does_only_what_the_role_may(server, http, role: str, path: str, status: int):
    server.role = role
    try:
        answer = http.post(f"{API}/{path}", json={"max_results": 1})
    finally:
        server.role = "admin"
    assert answer.status_code == status
    assert status == 200 or answer.json()["error_code"] == "PERMISSION_DENIED"


def test_version_and_health_answer_in_plain_text(http):
    assert (http.get("/version").text, http.get("/health").text) == ("3.17.2", "OK")
