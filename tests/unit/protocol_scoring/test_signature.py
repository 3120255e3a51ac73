"""Which inputs of a model are typed columns of its prediction log."""

import json

import pytest

from helicline.protocol.scoring.signature import feature_columns, read

NUMBER, WHOLE = {"type": "double", "required": True}, {"type": "long", "required": True}
TURNS = {"type": "array", "items": {"type": "string"}}


def matrix(name, shape):
    return {"type": "tensor", "name": name, "tensor-spec": {"dtype": "float32", "shape": shape}}


@pytest.mark.parametrize(
    ("inputs", "columns"),
    [
        ([{**NUMBER, "name": "a"}, {**WHOLE, "name": "n"}], [("f_a", "double"), ("f_n", "long")]),
        # a conversation with settings: the settings are logged, the turns have no type of a column
        ([{**TURNS, "name": "messages"}, {**NUMBER, "name": "temperature"}], [("f_temperature", "double")]),
        # the type hint list[Row]: the fields of a row
        ([{"type": "object", "properties": {"a": NUMBER, "n": WHOLE}}], [("f_a", "double"), ("f_n", "long")]),
        ([{"type": "object", "properties": {"a": NUMBER, "turns": TURNS}}], [("f_a", "double")]),
        ([{"type": "string"}], []),
        ([matrix("", [-1, 2])], [("f_0", "double"), ("f_1", "double")]),
        ([matrix("x", [-1, 1])], [("f_x_0", "double")]),
        ([], []),
    ],
)
def test_scalars_with_a_name_are_logged(inputs, columns):
    assert feature_columns(read({"signature": {"inputs": json.dumps(inputs)}})) == columns
