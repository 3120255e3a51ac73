"""Attacks on the MLflow wire, by table: paths, sources, queries, foreign ids, roles, races."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from helicline.protocol.mlflow.routes import ROUTES
from helicline.records.access import ROLES

TWO, THREE = "/api/2.0/mlflow", "/api/3.0/mlflow"
PATHS = [
    "../x", "a/../../x", "..\\x", "a\\..\\x", "/etc/passwd", "//host/x", "C:\\x", "c:/x", "\\\\host\\x", "%2e%2e/x",
    "%252e%252e%252fx",
    "%c0%ae%c0%ae/x", "．．/x", "a#b", "a\nb", "a\rb", "a\x1b[31mb", "a\u202eb", "x" * 256, "/".join(["a" * 200] * 12),
    "a//b", "./a", ".", "..",
]  # fmt: skip
SOURCES = [
    "/etc", "file:///etc", "FILE:///etc", "File:/etc", "jar:file:/x!/y", "dbfs:x", "s3://../x", "s3://b/../../x",
    "//host/x",
    "s3://b/x;params", "s3://b/x#y", "s3://b/x?y=1", "http://h/api/2.0/mlflow-artifacts/artifacts/x",
    "mlflow-artifacts:/0/x",
    "mlflow-artifacts://h:1/../x", "mlflow-artifacts:/../x", "mlflow-artifacts:/%2e%2e/x", "runs:/RUN/../x",
    "runs://RUN/x",
    "runs:/RUN/%2e%2e/x", "models:/m-" + "0" * 32, "models:/nope/1", "models:/../1", "dummy-source", "relative/x",
    "~/x", "gopher://h",
]  # fmt: skip
INJECTIONS = [
    "' OR 1=1 --", "'; DROP TABLE run; --", "name = 'a'; DELETE FROM run", "1 UNION SELECT * FROM token",
    "name = 'x' /* */ OR 1=1",
    "metrics.k > 1) OR (1=1", "tags.`k` = 'a' OR '1'='1'", "params.k' -- = 'x'", "(" * 2000 + "1" + ")" * 2000,
    "run_id IN (" + ", ".join(["'a'"] * 40_000) + ")", " AND ".join(["metrics.k > 1"] * 500),
    "name LIKE '" + "%_" * 3000 + "'",
]  # fmt: skip


@pytest.fixture
def run_id(http, experiment) -> str:
    return http.post(f"{TWO}/runs/create", json={"experiment_id": experiment}).json()["run"]["info"]["run_id"]


def refused(answer) -> bool:
    return answer.status_code in (400, 404) and answer.json()["error_code"] in (
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_DOES_NOT_EXIST",
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_elsewhere_is_refused_wherever_it_stands(http, experiment, run_id, path: str):
    logged = http.post(f"{TWO}/logged-models", json={"experiment_id": experiment, "name": "a"}).json()
    model_id = logged["model"]["info"]["model_id"]
    answers = {
        "run": http.get(f"{TWO}/artifacts/list", params={"run_id": run_id, "path": path}),
        "model": http.get(
            f"{TWO}/logged-models/{model_id}/artifacts/directories", params={"artifact_directory_path": path}
        ),
        "link": http.get("/get-artifact", params={"run_id": run_id, "path": path}),
        "root": http.get("/api/2.0/mlflow-artifacts/artifacts", params={"path": path}),
        "location": http.post(
            f"{TWO}/experiments/create",
            json={
                "name": str(uuid.uuid4()),
                "artifact_location": f"mlflow-artifacts:/0/{path}",
            },
        ),
    }
    assert [where for where, answer in answers.items() if not refused(answer)] == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_is_not_the_callers_is_refused(http, run_id, source: str):
    name = f"model-{uuid.uuid4().hex[:8]}"
    http.post(f"{TWO}/registered-models/create", json={"name": name})
    for claim in ({}, {"run_id": run_id}):
        body = {"name": name, "source": source.replace("RUN", run_id)} | claim
        assert refused(http.post(f"{TWO}/model-versions/create", json=body)), claim
    # the request's own tag must not turn the checks off: what counts is what the model is
    trick = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    body = {"name": name, "source": source.replace("RUN", run_id), "tags": trick}
    assert refused(http.post(f"{TWO}/model-versions/create", json=body))


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("field", ["filter", "order_by", "page_token"])
def test_a_query_that_would_be_another_one_is_refused(http, experiment, field: str, text: str):
    body = {"experiment_ids": [experiment], field: [text] if field == "order_by" else text}
    answer = http.post(f"{TWO}/runs/search", json=body)
    if field == "filter" and text.startswith("name LIKE"):
        assert answer.status_code in (200, 400)  # long, but a pattern like any other
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("size", [-1, 2**31, 2**63, -(2**63), 10**30, "1; DROP", [], {}])
@pytest.mark.parametrize("path", [f"{TWO}/runs/search", f"{TWO}/experiments/search", f"{THREE}/traces/search"])
def test_a_page_of_an_absurd_size_is_refused(http, experiment, path: str, size):
    answer = http.post(path, json={"experiment_ids": [experiment], "max_results": size})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_what_lies_in_one_experiment_is_not_found_by_way_of_another(http, experiment, client):
    other = client.create_experiment(f"other-{uuid.uuid4().hex}")
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    trace = f"tr-{uuid.uuid4().hex}"
    http.post(f"{THREE}/traces", json={"trace": {"trace_info": {"trace_id": trace, "trace_location": place}}})
    deletion = http.post(f"{TWO}/traces/delete-traces", json={"experiment_id": other, "request_ids": [trace]})
    assert deletion.json().get("traces_deleted", 0) == 0
    stolen = {"trace_id": trace, "trace_location": {"mlflow_experiment": {"experiment_id": other}}}
    assert refused(http.post(f"{THREE}/traces", json={"trace": {"trace_info": stolen}}))
    search = http.post(f"{THREE}/traces/search", json={"experiment_ids": [other]}).json()
    assert search.get("traces", []) == []


CLOSED = [(role, route) for role in (*ROLES, "nobody") for route in ROUTES if route[2] not in ROLES.get(role, set())]


def test_a_role_reaches_no_route_that_it_may_not(server, http):
    opened = []
    try:
        for role, (method, path, permission, _) in CLOSED:
            server.role = role
            where = path.replace("{path*}", "x")
            for part in ("model_id", "key", "trace_id", "assessment_id", "dataset_id", "webhook_id"):
                where = where.replace("{" + part + "}", "x")
            answer = http.request(method, where)
            if permission != "open" and (answer.status_code, answer.json()["error_code"]) != (403, "PERMISSION_DENIED"):
                opened.append((role, method, path))
    finally:
        server.role = "admin"
    assert len(CLOSED) > 500
    assert opened == []


def at_once(work, count: int) -> list:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_of_many_who_take_a_name_at_once_one_gets_it(http):
    for path in ("experiments", "registered-models"):
        name = f"race-{uuid.uuid4().hex}"
        answers = at_once(lambda _, path=path, name=name: http.post(f"{TWO}/{path}/create", json={"name": name}), 16)
        codes = sorted(answer.json().get("error_code", "") for answer in answers)
        assert codes == ["", *["RESOURCE_ALREADY_EXISTS"] * 15]


def test_versions_made_at_once_have_numbers_of_their_own(http):
    name = f"race-{uuid.uuid4().hex}"
    http.post(f"{TWO}/registered-models/create", json={"name": name})
    body = {"name": name, "source": "s3://bucket/x"}
    answers = at_once(lambda _: http.post(f"{TWO}/model-versions/create", json=body).json(), 16)
    assert sorted(int(answer["model_version"]["version"]) for answer in answers) == list(range(1, 17))


def test_a_parameter_that_many_set_at_once_has_one_of_their_values(http, run_id):
    def set_it(number: int):
        return http.post(f"{TWO}/runs/log-parameter", json={"run_id": run_id, "key": "k", "value": str(number)})

    accepted = [number for number, answer in enumerate(at_once(set_it, 16)) if answer.status_code == 200]
    stored = http.get(f"{TWO}/runs/get", params={"run_id": run_id}).json()["run"]["data"]["params"]
    assert [{"key": "k", "value": str(number)} for number in accepted] == stored


def test_a_request_that_is_repeated_changes_nothing(http, run_id):
    body = {
        "run_id": run_id,
        "metrics": [{"key": "m", "value": value, "timestamp": 1, "step": 2} for value in (1.5, "NaN", 1.5)],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    states = []
    for _ in range(3):
        assert http.post(f"{TWO}/runs/log-batch", json=body).status_code == 200
        history = http.get(f"{TWO}/metrics/get-history", params={"run_id": run_id, "metric_key": "m"}).text
        states.append((history, http.get(f"{TWO}/runs/get", params={"run_id": run_id}).text))
    assert len(set(states)) == 1
    assert states[0][0].count('"key"') == 2
