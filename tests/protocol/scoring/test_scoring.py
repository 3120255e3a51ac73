import json

import pytest

ROW = [5.1, 3.5, 1.4, 0.2]
IRIS = ["sl", "sw", "pl", "pw"]
GOOD = {"dataframe_split": {"columns": IRIS, "data": [ROW]}}
URL = "/endpoints/iris/invocations"


def test_an_answer_carries_id_variant_version_and_server(client):
    headers = client.post(URL, json=GOOD).headers
    assert (headers["x-variant"], headers["x-model-version"], headers["x-served-by"]) == ("stable", "1", "1")
    assert len(headers["x-prediction-id"]) == 36


def test_the_databricks_path_serves_too(client):
    assert client.post("/serving-endpoints/iris/invocations", json=GOOD).json() == {"predictions": [0]}


def test_bare_invocations_with_several_deployments_says_which_exist(client):
    answer = client.post("/invocations", json=GOOD)
    assert answer.status_code == 400
    assert "iris, mixed, odd, picky, sums, tensor, unsigned" in answer.json()["message"]


def test_an_unknown_deployment_is_not_found_and_the_known_are_named(client):
    answer = client.post("/endpoints/nobody/invocations", json=GOOD)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "iris" in answer.json()["message"]


def test_ping_health_and_version_have_mlflows_shape(client):
    for path in ("/ping", "/health"):
        answer = client.get(path)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
            200,
            b"\n",
            "application/json",
        )
    assert client.get("/version").text == "3.17.2"


def test_a_body_without_a_content_type_is_taken_as_json(client):
    request = client.build_request("POST", URL, content=json.dumps(GOOD))
    request.headers.pop("content-type", None)
    assert client.send(request).json() == {"predictions": [0]}


@pytest.mark.parametrize(
    ("columns", "row", "words"),
    [
        (IRIS[:3], ROW[:3], ["column 'pw'", "nothing", "double"]),
        (["sl", "sw", "pl", "wp"], ROW, ["column 'pw'", "wp", "double"]),
        (IRIS, [*ROW[:3], "wide"], ["column 'pw'", "'wide'", "double"]),
        (IRIS, [*ROW[:3], [1]], ["column 'pw'", "[1]", "double"]),
    ],
)
def test_a_schema_error_names_column_got_and_expected(client, columns, row, words):
    answer = client.post(URL, json={"dataframe_split": {"columns": columns, "data": [row]}})
    assert answer.status_code == 400
    assert all(word in answer.json()["message"] for word in words), answer.json()


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"dataframe_records": [{"sl": "\\ud800", "sw": 1, "pl": 1, "pw": 1}]}',
        b'{"inputs": [' + b"9" * 5000 + b"]}",
        b'{"dataframe_split": {"columns": ["sl","sw","pl","pw"], "data": [[1e999, 1, 2, 3]]}}',
        b'{"dataframe_split": {"columns": ["sl","sl","sl","sl"], "data": [[1, 1, 2]]}}',
        b'{"dataframe_split": {"columns": {}, "data": 7}}',
        b'{"dataframe_split": {"columns": ["sl","sw","pl","pw"], "data": []}}',
        b'{"dataframe_records": []}',
        b'{"dataframe_records": [1, 2]}',
        b'{"inputs": null}',
        b'{"instances": {}}',
        b'{"inputs": {"sl": [1, 2], "sw": [1], "pl": [1], "pw": [1]}}',
        b'{"messages": []}',
        b'{"dataframe_split": {"columns": ["sl","sw","pl","pw"], "data": [[true, 1, 2, 3, 4]]}}',
    ],
)
@pytest.mark.parametrize("model", ["iris", "tensor", "mixed", "unsigned"])
def test_hostile_bodies_get_a_clear_400(client, model, body):
    answer = client.post(f"/endpoints/{model}/invocations", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_v1_predict_takes_instances_and_answers_predictions(client):
    assert client.post("/v1/models/tensor:predict", json={"instances": [ROW]}).json() == {"predictions": [0]}
    assert client.get("/v1/models/tensor").json()["model_version_status"][0]["state"] == "AVAILABLE"


def test_v1_errors_have_their_own_shape(client):
    assert set(client.post("/v1/models/tensor:predict", content=b"{").json()) == {"error"}
    assert client.post("/v1/models/nobody:predict", json={}).status_code == 404
    assert client.post("/v1/models/tensor:explain", json={}).json() == {
        "error": "the verb 'explain' is not offered; predict is"
    }


@pytest.mark.parametrize(("column", "value"), [("age", 41.5), ("age", 2**64), ("plan", ["pro"])])
@pytest.mark.parametrize("extra", [{}, {"note": "an extra column, so that the fast path does not take it"}])
def test_a_value_that_would_become_another_is_refused_by_its_column(client, column, value, extra):
    record = {"plan": "pro", "age": 41, "spend": 20.0} | extra | {column: value}
    answer = client.post("/endpoints/mixed/invocations", json={"dataframe_records": [record]})
    assert answer.status_code == 400
    assert column in answer.json()["message"]
