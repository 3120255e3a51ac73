"""Bodies are parsed as the standard library parses them, whichever parser does the work."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helicline.errors import Invalid
from helicline.protocol.scoring.decode import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(VALUES, st.booleans())
def test_every_value_is_parsed_as_by_the_standard_library(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    try:
        body = text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return
    try:
        parsed = parse(body)
    except Invalid:
        assert any("\ud800" <= character <= "\udfff" for character in json.dumps(value, ensure_ascii=False))
        return
    assert repr(parsed) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity, -Infinity]", "1e400", "-0", "-0.0", "12345678901234567890123", "1E2"]
)
def test_numbers_that_are_no_json_are_parsed_as_by_the_standard_library(text):
    assert repr(parse(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize(
    "body", [b"", b"[1,]", b"01", b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf1", b'"a\tb"', b"[" * 100_000]
)
def test_what_is_no_json_is_refused(body):
    with pytest.raises(Invalid):
        parse(body)


def test_a_usual_body_is_not_parsed_by_the_standard_library(monkeypatch):
    """On 1,000 rows of 30 columns that took 17 ms where 2.4 are enough."""
    monkeypatch.setattr(json, "loads", None)
    assert parse(b'{"dataframe_split": {"columns": ["a"], "data": [[0.1]]}}')["dataframe_split"]["data"] == [[0.1]]


def test_not_a_number_stays_not_a_number():
    assert math.isnan(parse(b'{"inputs": [NaN]}')["inputs"][0])
