import base64
import io
import json
import struct

import numpy as np
import pandas as pd
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

ROW = [5.1, 3.5, 1.4, 0.2]
IMAGE = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.fixture
def triton(client):
    with InferenceServerClient(f"{client.base_url.host}:{client.base_url.port}") as triton:
        yield triton


def tensor(name, values, datatype="FP64", binary=True):
    values = np.asarray(values)
    document = InferInput(name, list(values.shape), datatype)
    document.set_data_from_numpy(values, binary_data=binary)
    return document


def post(client, model, head, raw=b"", **headers):
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))} | headers
    return client.post(f"/v2/models/{model}/infer", content=text + raw, headers=headers)


def values_of(answer, name="output-1"):
    """Return the values of an output in the binary form, without a client's help."""
    length = int(answer.headers["inference-header-content-length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    head, raw = json.loads(answer.content[:length]), answer.content[length:]
    for output in head["outputs"]:
        size = output["parameters"]["binary_data_size"]
        if output["name"] == name:
            return output, raw[:size]
        raw = raw[size:]
    raise AssertionError(f"no output {name!r}")


def test_the_server_says_that_it_takes_it(triton):
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]


@pytest.mark.parametrize("model", ["iris", "tensor", "unsigned"])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_the_stock_client_gets_what_json_gets(triton, client, model, datatype):
    rows = np.random.default_rng(7).normal(3, 2, (40, 4)).astype("float64" if datatype == "FP64" else "float32")
    answer = triton.infer(model, [tensor("x", rows, datatype)])
    body = {"inputs": [{"name": "x", "shape": [40, 4], "datatype": datatype, "data": rows.tolist()}]}
    expected = client.post(f"/v2/models/{model}/infer", json=body).json()["outputs"][0]
    assert answer.as_numpy("output-1").reshape(-1).tolist() == expected["data"]
    assert answer.get_output("output-1")["datatype"] == expected["datatype"] == "INT64"
    assert answer.get_response()["parameters"]["prediction_id"]


@pytest.mark.parametrize("inputs_binary", [True, False])
@pytest.mark.parametrize("output_binary", [True, False])
def test_each_side_may_be_in_either_form(triton, inputs_binary, output_binary):
    columns = [
        tensor("plan", np.array([["pro"], ["größe"]], dtype=object), "BYTES", inputs_binary),
        tensor("age", np.array([[41], [20]]), "INT64", inputs_binary),
        tensor("spend", np.array([[20.0], [1.5]]), "FP64", not inputs_binary),
    ]
    answer = triton.infer("mixed", columns, outputs=[InferRequestedOutput("output-1", binary_data=output_binary)])
    assert "data" not in answer.get_output("output-1") if output_binary else "data" in answer.get_output("output-1")
    labels = [value.decode() if isinstance(value, bytes) else value for value in answer.as_numpy("output-1").flat]
    assert set(labels) <= {"stay", "leave"}
    assert len(labels) == 2


def test_outputs_of_a_json_request_may_be_binary(client):
    x = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": ROW}
    for more in (
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "output-1", "parameters": {"binary_data": True}}]},
    ):
        answer = client.post("/v2/models/iris/infer", json={"inputs": [x], **more})
        output, raw = values_of(answer)
        assert (output["shape"], output["datatype"], struct.unpack("<q", raw)) == ([1, 1], "INT64", (0,))
    more = {"outputs": [{"name": "output-1", "parameters": {"binary_data": False}}]}
    answer = client.post(
        "/v2/models/iris/infer", json={"inputs": [x], "parameters": {"binary_data_output": True}, **more}
    )
    assert answer.json()["outputs"][0]["data"] == [0]


def test_nan_is_a_missing_number(client):
    x = {"name": "x", "shape": [1, 4], "datatype": "FP64"}
    raw = np.array([*ROW[:3], np.nan]).tobytes()
    refused = post(client, "iris", {"inputs": [{**x, "parameters": {"binary_data_size": 32}}]}, raw)
    same = client.post("/v2/models/iris/infer", json={"inputs": [{**x, "data": [*ROW[:3], None]}]})
    assert (refused.status_code, refused.json()) == (same.status_code, same.json())
    assert refused.status_code == 400


TEXT = base64.b64encode(IMAGE).decode()
FACES = {
    "dataframe_records": [{"blob": TEXT}],
    "dataframe_split": {"columns": ["blob"], "data": [[TEXT]]},
    "inputs": {"blob": [TEXT]},
    "instances": [{"blob": TEXT}],
}


def parquet(values):
    file = io.BytesIO()
    pd.DataFrame({"blob": values}).to_parquet(file)
    return file.getvalue()


def test_bytes_reach_a_column_of_bytes_unchanged_on_every_face(triton, client):
    answer = triton.infer("blobs", [tensor("blob", np.array([[IMAGE]], dtype=object), "BYTES")])
    assert answer.as_numpy("blob").reshape(-1).tolist() == [IMAGE[::-1]]
    assert answer.as_numpy("size").reshape(-1).tolist() == [len(IMAGE)]
    expected = base64.b64encode(IMAGE[::-1]).decode()
    oip = {"inputs": [{"name": "blob", "shape": [1, 1], "datatype": "BYTES", "data": [TEXT]}]}
    [size, blob] = client.post("/v2/models/blobs/infer", json=oip).json()["outputs"]
    assert (size["data"], blob["data"][0].strip()) == ([len(IMAGE)], expected)
    url = "/endpoints/blobs/invocations"
    answers = [client.post(url, json={name: value}) for name, value in FACES.items()] + [
        client.post("/v1/models/blobs:predict", json={"instances": FACES["instances"]}),
        client.post(url, content=f"blob\n{TEXT}\n", headers={"content-type": "text/csv"}),
        client.post(url, content=parquet([IMAGE]), headers={"content-type": "application/vnd.apache.parquet"}),
    ]
    for answer in answers:
        [row] = answer.json()["predictions"]
        assert (row["size"], row["blob"].strip()) == (len(IMAGE), expected)


@pytest.mark.parametrize("text", ["no base64!", "YQ", "é"])
def test_what_is_no_base64_is_refused_by_name(client, text):
    oip = {"inputs": [{"name": "blob", "shape": [1, 1], "datatype": "BYTES", "data": [text]}]}
    refused = client.post("/v2/models/blobs/infer", json=oip)
    assert refused.status_code == 400
    assert refused.json()["error"] == f"inputs.blob.data: got {text!r}, allowed: base64."
    csv = client.post("/endpoints/blobs/invocations", content=f"blob\n{text}\n", headers={"content-type": "text/csv"})
    assert csv.status_code == 400
    assert "blob" in csv.json()["message"]
    for name, value in FACES.items():
        body = json.loads(json.dumps({name: value}).replace(TEXT, text))
        refused = client.post("/endpoints/blobs/invocations", json=body)
        assert refused.status_code == 400
        assert f"column 'blob': got {text!r}, allowed: binary, as base64" in refused.json()["message"]


def test_a_body_without_a_head_is_the_only_input(client):
    rows = np.array([ROW, ROW])
    headers = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    output, raw = values_of(client.post("/v2/models/tensor/infer", content=rows.tobytes(), headers=headers))
    assert (output["shape"], np.frombuffer(raw, "<i8").tolist()) == ([2, 1], [0, 0])
    refused = client.post("/v2/models/tensor/infer", content=rows.tobytes()[:-1], headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (
        400, "inputs.input-0: got '63 bytes', allowed: 32 (4 values of FP64).",
    )  # fmt: skip
    refused = client.post("/v2/models/iris/infer", content=rows.tobytes(), headers=headers)
    assert refused.status_code == 400
    assert "0 is for a model of one input" in refused.json()["error"]
    output, raw = values_of(client.post("/v2/models/blobs/infer", content=IMAGE, headers=headers), "blob")
    assert raw == struct.pack("<I", len(IMAGE)) + IMAGE[::-1]


@pytest.mark.parametrize(
    ("change", "raw", "words"),
    [
        ({"parameters": {"binary_data_size": 40}}, bytes(32), "got 40, allowed: a whole number up to the 32 bytes"),
        ({"parameters": {"binary_data_size": -1}}, bytes(32), "got -1, allowed: a whole number"),
        ({"parameters": {"binary_data_size": "32"}}, bytes(32), "got '32', allowed: a whole number"),
        ({"parameters": {"binary_data_size": 24}}, bytes(24), "got '24 bytes', allowed: 32 (4 values of FP64)"),
        ({}, bytes(40), "8 bytes behind the last tensor"),
        ({"data": ROW}, bytes(32), "got 'data and binary_data_size', allowed: one of the two"),
        ({"shape": [2**40, 2**40]}, bytes(32), "got '32 bytes', allowed: "),
        ({"datatype": "BF16"}, bytes(32), "got 'BF16', allowed: one of BOOL"),
        ({"parameters": []}, bytes(32), "inputs.x.parameters: got '[]', allowed: an object"),
        ({"datatype": "BYTES"}, struct.pack("<I", 99) + bytes(28), "an element beyond the 32 bytes"),
        ({"datatype": "BYTES"}, struct.pack("<I", 28) + bytes(28), "got '1 elements', allowed: 4"),
        ({"datatype": "BOOL", "parameters": {"binary_data_size": 4}}, b"\x00\x01\x02\x00", "a byte above 1"),
    ],
)
def test_what_is_wrong_is_told_by_name(client, change, raw, words):
    document = {"name": "x", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": 32}, **change}
    refused = post(client, "iris", {"inputs": [document]}, raw)
    assert refused.status_code == 400
    assert words in refused.json()["error"]


@pytest.mark.parametrize("length", ["", "x", "-1", "99999", "1e2", "9" * 30])
def test_the_length_of_the_head_is_checked(client, length):
    refused = post(client, "iris", {"inputs": []}, **{"Inference-Header-Content-Length": length})
    assert refused.status_code == 400
    assert "Inference-Header-Content-Length" in refused.json()["error"]


def test_text_that_is_not_unicode_is_refused_where_text_is_expected(triton):
    columns = [
        tensor("plan", np.array([[b"\xff\xfe"]], dtype=object), "BYTES"),
        tensor("age", np.array([[41]]), "INT64"),
        tensor("spend", np.array([[20.0]])),
    ]
    with pytest.raises(InferenceServerException, match="bytes that are not text"):
        triton.infer("mixed", columns)


def test_a_shape_without_end_is_refused_at_once(client):
    x = {"name": "x", "shape": [2**53 + 1] * 100_000, "datatype": "FP64", "data": []}
    refused = client.post("/v2/models/iris/infer", json={"inputs": [x]})
    assert refused.status_code == 400
    assert "a list of up to 32 whole numbers" in refused.json()["error"]


def test_bytes_may_come_as_one_tensor_and_beside_params(triton, client):
    answer = triton.infer("blobs", [tensor("x", np.array([[IMAGE], [b"aGk="]], dtype=object), "BYTES")])
    assert answer.as_numpy("blob").reshape(-1).tolist() == [IMAGE[::-1], b"=kGa"]
    body = {"inputs": {"blob": [TEXT]}, "params": {}}
    [row] = client.post("/endpoints/blobs/invocations", json=body).json()["predictions"]
    assert row["size"] == len(IMAGE)
