"""Answers are JSON whatever a model gives back: what is missing or not finite is null."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from helicline.errors import Invalid
from helicline.protocol.oip.decode import InferRequest, RequestedOutput
from helicline.protocol.oip.encode import infer_response
from helicline.protocol.scoring.encode import answer

NONE = [math.nan, math.inf, -math.inf, None, np.float32("nan"), pd.NaT, pd.NA, np.datetime64("NaT")]


def refuse(token):
    raise AssertionError(f"{token} is no JSON")


def read(body):
    return json.loads(body, parse_constant=refuse)


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_a_missing_value_is_null_wherever_it_stands(value):
    for output in ([value], (value,), {"y": value}, [{"y": [value]}]):
        assert "null" in answer(output).decode()
        read(answer(output))


@pytest.mark.parametrize(
    "output",
    [
        np.array([1.0, math.nan]), np.array([[1.0, math.inf]]), np.array([1.0, None], dtype=object),
        pd.DataFrame({"y": [1.0, math.nan]}), pd.DataFrame({"y": ["a", None]}), pd.Series([1.0, math.nan], name="y"),
        pd.DataFrame({"y": pd.to_datetime(["2024-01-01", None])}),
        np.array(["2024-01-01", "NaT"], dtype="datetime64[s]"), pd.DataFrame({"y": pd.array([1, None], dtype="Int64")}),
    ],
    ids=lambda output: type(output).__name__,
)  # fmt: skip
def test_arrays_and_frames_with_gaps_are_json(output):
    assert "null" in answer(output).decode()
    read(answer(output))
    body, _ = infer_response({}, output, names=["y"], request=InferRequest(None, []))
    [tensor] = read(body)["outputs"]
    assert None in tensor["data"]
    assert not {"NaN", "None", "null", "NaT", "<NA>"} & {value for value in tensor["data"] if isinstance(value, str)}


def test_finite_numbers_and_texts_are_as_they_were():
    assert answer(np.array([0.1, 2.0, -1e-300])) == b'{"predictions": [0.1,2.0,-1e-300]}'
    assert read(answer(np.array([1, 2**62]))) == {"predictions": [1, 2**62]}
    assert read(answer(["NaN", "null"])) == {"predictions": ["NaN", "null"]}


def test_only_outputs_that_there_are_can_be_asked_for():
    output = pd.DataFrame({"a": [1.0], "b": [2.0]})
    request = InferRequest(None, [], outputs=[RequestedOutput("b"), RequestedOutput("a")])
    body, head_length = infer_response({}, output, names=[], request=request)
    assert head_length == 0
    assert [tensor["name"] for tensor in read(body)["outputs"]] == ["b", "a"]
    with pytest.raises(Invalid, match="got 'c', allowed: one of a, b"):
        infer_response({}, output, names=[], request=InferRequest(None, [], outputs=[RequestedOutput("c")]))
