import json

import pytest

ROW = [5.1, 3.5, 1.4, 0.2]
X = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": ROW}


def infer(client, model, *inputs, **more):
    return client.post(f"/v2/models/{model}/infer", json={"inputs": list(inputs), **more})


def column(name, data, datatype="FP64", shape=None):
    return {"name": name, "shape": shape or [len(data), 1], "datatype": datatype, "data": data}


def test_the_server_describes_itself(client):
    answer = client.get("/v2").json()
    assert answer["name"] == "helicline"
    assert set(answer) == {"name", "version", "extensions"}
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json()["ready"] is True
    assert "iris" in client.get("/v2/models").json()["models"]


def test_a_model_describes_its_tensors(client):
    answer = client.get("/v2/models/mixed").json()
    assert answer["inputs"] == [
        {"name": "plan", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "age", "datatype": "INT64", "shape": [-1, 1]},
        {"name": "spend", "datatype": "FP64", "shape": [-1, 1]},
    ]
    assert (answer["name"], answer["versions"]) == ("mixed", ["1"])
    tensor = client.get("/v2/models/tensor/versions/1").json()
    assert tensor["inputs"] == [{"name": "input-0", "datatype": "FP64", "shape": [-1, 4]}]
    assert client.get("/v2/models/tensor/versions/1/ready").json() == {"name": "tensor", "ready": True}


def test_one_matrix_is_taken_for_all_columns(client):
    answer = infer(client, "iris", X, id="q-1").json()
    assert answer["outputs"] == [{"name": "output-1", "shape": [1, 1], "datatype": "INT64", "data": [0]}]
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("q-1", "iris", "1")


def test_the_prediction_id_is_in_the_head_and_in_the_body(client):
    answer = infer(client, "iris", X)
    assert answer.json()["parameters"]["prediction_id"] == answer.headers["x-prediction-id"]


def test_a_tensor_for_each_column_is_taken(client):
    inputs = [
        column("plan", ["pro", "free"], "BYTES"),
        column("age", [41, 20], "INT64"),
        column("spend", [20.0, 1.5]),
    ]
    answer = infer(client, "mixed", *inputs).json()
    assert answer["outputs"][0]["datatype"] == "BYTES"
    assert len(answer["outputs"][0]["data"]) == 2


@pytest.mark.parametrize("data", [ROW + ROW, [ROW, ROW], [[*ROW], [*ROW]]])
def test_data_may_be_flat_or_nested(client, data):
    answer = infer(client, "tensor", {**X, "shape": [2, 4], "data": data})
    assert answer.json()["outputs"][0]["data"] == [0, 0]


def test_whole_numbers_are_taken_where_floats_are_expected(client):
    answer = infer(client, "iris", {**X, "datatype": "INT64", "data": [5, 3, 1, 0]})
    assert answer.status_code == 200


def test_outputs_can_be_chosen(client):
    assert infer(client, "iris", X, outputs=[{"name": "output-1"}]).json()["outputs"]
    refused = infer(client, "iris", X, outputs=[{"name": "none"}])
    assert (refused.status_code, refused.json()) == (400, {"error": "outputs: got 'none', allowed: one of output-1."})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [1, 3]}, "inputs.x.data"),
        ({"shape": [1, 3], "data": ROW[:3]}, "inputs.x.shape"),
        ({"shape": "four"}, "inputs.x.shape"),
        ({"shape": [-1, 4]}, "inputs.x.shape"),
        ({"shape": []}, "inputs.x.shape"),
        ({"shape": [10**30, 4]}, "inputs.x.data"),
        ({"datatype": "FLOAT"}, "inputs.x.datatype"),
        ({"datatype": None}, "inputs.x.datatype"),
        ({"datatype": "BYTES", "data": ["a", "b", "c", "d"]}, "FP64"),
        ({"data": ["5.1", 3.5, 1.4, 0.2]}, "inputs.x.data"),
        ({"data": [True, 3.5, 1.4, 0.2]}, "inputs.x.data"),
        ({"data": [[1, 2], [3]]}, "inputs.x.data"),
        ({"data": 7}, "inputs.x.data"),
        ({"name": None}, "inputs[0].name"),
        ({"datatype": "INT8", "data": [1000, 1, 1, 1]}, ""),
        ({"data": [None, 3.5, 1.4, 0.2]}, "missing"),
    ],
)
@pytest.mark.parametrize("model", ["iris", "tensor"])
def test_a_wrong_tensor_is_refused_by_name(client, model, change, words):
    answer = infer(client, model, {**X, **change})
    if change.get("datatype") == "INT8" and model == "iris":
        return
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    assert words in answer.json()["error"]


def test_missing_unknown_and_mistyped_columns_are_named(client):
    plan, age, spend = column("plan", ["pro"], "BYTES"), column("age", [41], "INT64"), column("spend", [20.0])
    assert "inputs.spend" in infer(client, "mixed", plan, age).json()["error"]
    assert "inputs.other" in infer(client, "mixed", plan, age, spend, column("other", [1.0])).json()["error"]
    mistyped = infer(client, "mixed", plan, column("age", [41.5]), spend).json()["error"]
    assert "'age'" in mistyped
    assert "FP64" in mistyped
    assert "INT64" in mistyped
    assert "inputs.age.shape" in infer(client, "mixed", plan, column("age", [1, 2], "INT64"), spend).json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"inputs": []}',
        b'{"inputs": {}}',
        b'{"inputs": [7]}',
        b'{"id": 7, "inputs": [{"name":"x","shape":[1,4],"datatype":"FP64","data":[1,2,3,4]}]}',
        b'{"parameters": [], "inputs": [{"name":"x","shape":[1,4],"datatype":"FP64","data":[1,2,3,4]}]}',
        b'{"outputs": 1, "inputs": [{"name":"x","shape":[1,4],"datatype":"FP64","data":[1,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"FP64","data":[NaN,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"FP64","data":[Infinity,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"FP64","data":[1e999,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"UINT8","data":[300,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"INT8","data":[1,2,3,-129]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"INT64","data":[9223372036854775808,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"FP32","data":[1e39,2,3,4]}]}',
        b'{"inputs": [{"name":"x","shape":[1,4],"datatype":"FP16","data":[70000,2,3,4]}]}',
        b'{"inputs": [{"name":"\\udc00","shape":[1,4],"datatype":"FP64","data":[1,2,3,4]}]}',
        b'{"inputs": ' + b"[" * 50_000,
        b"\x80\x81",
    ],
)
def test_a_malformed_body_is_a_400_in_the_protocols_shape(client, body):
    answer = client.post("/v2/models/iris/infer", content=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_unknown_models_versions_and_paths_are_404(client):
    for path in ("nobody", "nobody/ready", "iris/versions/99", "iris/versions/99/ready", "iris/nothing"):
        answer = client.get(f"/v2/models/{path}")
        assert answer.status_code == 404
        assert set(answer.json()) == {"error"}
    assert infer(client, "nobody", X).status_code == 404


def test_a_model_without_a_signature_takes_a_tensor_as_it_is(client):
    assert infer(client, "unsigned", X).json()["outputs"][0]["data"] == [0]
    assert infer(client, "unsigned", {**X, "shape": [1, 3], "data": ROW[:3]}).status_code == 400


def test_the_version_in_the_path_may_be_given(client):
    answer = client.post("/v2/models/iris/versions/1/infer", content=json.dumps({"inputs": [X]}))
    assert answer.json()["model_version"] == "1"
