"""Values reach a model unchanged or not at all, whatever format they come in."""

import pytest

from helicline.errors import Invalid
from helicline.protocol.scoring.exact import fitted
from helicline.protocol.scoring.signature import Column

COLUMNS = tuple(
    Column(name=kind, type=kind) for kind in ("long", "integer", "boolean", "float", "double", "string", "datetime")
)
FORMATS = {
    "records": lambda name, value: {"dataframe_records": [{name: value}]},
    "split": lambda name, value: {"dataframe_split": {"columns": [name], "data": [[value]]}},
    "inputs": lambda name, value: {"inputs": {name: [value]}},
    "instances": lambda name, value: {"instances": [{name: value}]},
}
CHANGED = [
    ("long", 1.7), ("long", 2**63), ("integer", 2**31), ("integer", -0.5), ("boolean", "false"), ("boolean", ""),
    ("boolean", 2), ("boolean", None), ("float", 1e300), ("string", ["a"]), ("string", {"a": 1}), ("datetime", 1e300),
]  # fmt: skip
KEPT = [
    ("long", 1), ("long", 1.0), ("long", -(2**63)), ("long", "7"), ("long", None), ("integer", 2**31 - 1),
    ("boolean", True), ("boolean", 0), ("float", 1.5), ("float", None), ("double", 1e300), ("double", "5.1"),
    ("string", "x"), ("string", 5), ("string", None), ("datetime", "2024-02-29T10:00:00+01:00"), ("datetime", None),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("kind", "value"), CHANGED)
def test_a_value_that_would_become_another_is_refused_by_its_column(form, kind, value):
    with pytest.raises(Invalid) as refusal:
        fitted(COLUMNS, FORMATS[form](kind, value))
    assert kind in refusal.value.sentence or kind == "datetime"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("kind", "value"), KEPT)
def test_what_keeps_its_value_is_left_as_it_is(form, kind, value):
    payload = FORMATS[form](kind, value)
    assert fitted(COLUMNS, payload) == payload


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(1709200800000, "2024-02-29T10:00:00"), (0, "1970-01-01T00:00:00"), (-1.5, "1969-12-31T23:59:59.998500")],
)
def test_a_number_for_a_time_is_milliseconds_as_pandas_writes_it(form, milliseconds, text):
    assert fitted(COLUMNS, FORMATS[form]("datetime", milliseconds)) == FORMATS[form]("datetime", text)


@pytest.mark.parametrize(
    "payload",
    [
        {"dataframe_split": [1]}, {"dataframe_split": {"columns": ["long"], "data": [[1, 2], 3]}}, {"inputs": 5},
        {"dataframe_records": {"long": 1.0}}, {"inputs": [[1.7]]},
        {"dataframe_split": {"columns": [7], "data": [[1.7]]}}, {"params": {"other": 1.7}},
    ],
)  # fmt: skip
def test_what_has_no_table_s_shape_is_left_to_the_parser(payload):
    assert fitted(COLUMNS, payload) == payload
