import json

import numpy as np
import pytest

from helicline.errors import Invalid
from helicline.protocol.oip.decode import read
from helicline.protocol.oip.encode import output_tensors
from helicline.protocol.oip.inputs import arrays_for, matrix_for, rows_for
from helicline.protocol.scoring.decode import RowReader
from helicline.protocol.scoring.signature import Column, Signature, Tensor


def request(*tensors):
    return read(json.dumps({"inputs": list(tensors)}).encode())


@pytest.mark.parametrize(
    ("dtype", "datatype", "value"),
    [("int32", "INT64", 2**31), ("int32", "INT64", 2**40 + 5), ("uint8", "UINT32", 300), ("int64", "UINT64", 2**63 + 5),
     ("float32", "FP64", 1e39)],
)  # fmt: skip
def test_numbers_that_a_model_cannot_hold_are_refused(dtype, datatype, value):
    signature = Signature(tensors=(Tensor("", dtype, (-1, 1)),))
    for data in ([value], [value] * 100):
        tensor = {"name": "x", "shape": [len(data), 1], "datatype": datatype, "data": data}
        with pytest.raises(Invalid, match=r"inputs\.x: got"):
            arrays_for(request(tensor), signature)


def test_several_columns_of_bytes_in_one_matrix_are_bytes_each():
    signature = Signature(columns=(Column("a", "binary"), Column("b", "binary")))
    tensor = {"name": "x", "shape": [2, 2], "datatype": "BYTES", "data": ["aGk=", "eW8=", "", "aGk="]}
    assert rows_for(request(tensor), signature) == [[b"hi", b"yo"], [b"", b"hi"]]


@pytest.mark.parametrize("value", [0.1, 1e38, 3.5e38, 1e39, -1e39, 1e308])
def test_a_matrix_holds_what_the_rows_hold(value):
    signature = Signature(columns=(Column("a", "float"), Column("b", "double")))
    tensors = [{"name": name, "shape": [100], "datatype": "FP64", "data": [value] * 100} for name in "ab"]
    reader = RowReader(signature)
    matrix = matrix_for(request(*tensors), signature, reader.limits)
    rows = rows_for(request(*tensors), signature)
    assert (matrix is not None) == reader.plain(rows) == (abs(value) <= 3.4e38)
    if matrix is not None:
        np.testing.assert_array_equal(matrix, rows)


def test_text_may_be_missing():
    signature = Signature(columns=(Column("a", "string", required=False),))
    tensor = {"name": "a", "shape": [2], "datatype": "BYTES", "data": ["x", None]}
    assert rows_for(request(tensor), signature) == [["x"], [None]]


@pytest.mark.parametrize(
    ("output", "data"),
    [
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[ns]"), ["2020-01-01T00:00:00.000000000", None]),
        ([{"p": np.float64(1.5), "q": float("nan")}], ['{"p": 1.5, "q": null}']),
        (np.array([np.int64(3), "a"], dtype=object), ["3", "a"]),
        ([[1, 2], [3]], ["[1, 2]", "[3]"]),
    ],
)
def test_outputs_of_text_are_those_of_the_other_faces(output, data):
    [tensor] = output_tensors(output, ["y"])
    assert tensor.with_data()["data"] == data
