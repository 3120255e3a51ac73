import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helicline.errors import Invalid
from helicline.protocol.oip.binary import raw_of, values_of
from helicline.protocol.oip.datatypes import DTYPES
from helicline.protocol.oip.decode import InferRequest, read
from helicline.protocol.oip.encode import infer_response

NUMBERS = sorted(set(DTYPES) - {"BYTES"})
TO_BINARY = InferRequest(None, [], binary_output=True)


@pytest.mark.parametrize("datatype", NUMBERS)
@given(raw=st.binary(max_size=64))
def test_every_number_comes_back_as_it_went(datatype, raw):
    size = np.dtype(DTYPES[datatype]).itemsize
    raw = raw[: len(raw) // size * size]
    if datatype == "BOOL":
        raw = bytes(byte & 1 for byte in raw)
    values = values_of(memoryview(raw), "x", datatype=datatype, count=len(raw) // size)
    assert raw_of(values) == raw
    values[:] = 0  # a model may write to its input


@given(st.lists(st.binary(max_size=9), max_size=9))
def test_bytes_come_back_as_they_went(elements):
    assert values_of(memoryview(raw_of(elements)), "x", datatype="BYTES", count=len(elements)) == elements


@given(st.binary(max_size=40), st.integers(0, 5), st.sampled_from(sorted(DTYPES)))
def test_any_bytes_are_values_or_refused(raw, count, datatype):
    try:
        values = values_of(memoryview(raw), "x", datatype=datatype, count=count)
    except Invalid:
        return
    assert len(values) == count


def test_both_forms_of_an_input_are_the_same_values():
    data = [1.5, math.nan, -0.0, 3.0]
    raw = np.array(data).tobytes()
    head = {"name": "x", "shape": [4], "datatype": "FP64"}
    binary = read(json.dumps({"inputs": [{**head, "parameters": {"binary_data_size": 32}}]}).encode(), raw)
    plain = read(json.dumps({"inputs": [{**head, "data": [1.5, None, -0.0, 3.0]}]}).encode())
    assert binary.inputs[0].flat == plain.inputs[0].flat == [1.5, None, -0.0, 3.0]
    np.testing.assert_array_equal(binary.inputs[0].array(), plain.inputs[0].array())


@pytest.mark.parametrize(
    ("output", "raw"),
    [
        (np.array([1.0, math.nan]), np.array([1.0, math.nan]).tobytes()),
        (np.array([1.0, math.inf], dtype=np.float16), np.array([1.0, math.inf], dtype="<f2").tobytes()),
        (np.array([True, False]), b"\x01\x00"),
        (np.arange(6, dtype=">i4").reshape(2, 3), np.arange(6, dtype="<i4").tobytes()),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.ravel().tobytes()),
        (["a", "ö"], b"\x01\x00\x00\x00a\x02\x00\x00\x00\xc3\xb6"),
        ([b"\xff"], b"\x01\x00\x00\x00\xff"),
        ([{"a": 1}], b'\x08\x00\x00\x00{"a": 1}'),
    ],
)  # fmt: skip
def test_outputs_in_the_binary_form(output, raw):
    body, head_length = infer_response({}, output, names=["y"], request=TO_BINARY)
    [tensor] = json.loads(body[:head_length])["outputs"]
    assert tensor["parameters"] == {"binary_data_size": len(raw)}
    assert body[head_length:] == raw


@pytest.mark.parametrize("output", [["a", None], ["a", "\ud83d"]], ids=["null", "half a surrogate pair"])
def test_text_that_the_binary_form_cannot_hold_stays_json(output):
    body, head_length = infer_response({}, output, names=["y"], request=TO_BINARY)
    assert head_length == 0
    assert json.loads(body)["outputs"][0]["data"] == output
