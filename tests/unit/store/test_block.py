"""Blocks of points: packing loses nothing, merging orders and takes duplicates once."""

import math

from hypothesis import given
from hypothesis import strategies as st

from helicline.store.rows.block import merged, pack, points_of, unpack

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_infinity=False)
ROWS = st.lists(st.tuples(INT64, INT64, FLOAT), max_size=50)
FEW = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([0.0, 1.0, math.nan])), max_size=20)


def rows_of(points):
    return list(
        zip(points.timestamps_ms.tolist(), points.steps.tolist(), map(repr, points.values.tolist()), strict=True)
    )


@given(rows=ROWS)
def test_what_was_packed_comes_back(rows):
    assert rows_of(unpack(pack(points_of(rows)))) == [(at, step, repr(value)) for at, step, value in rows]


@given(parts=st.lists(FEW, max_size=4))
def test_merging_orders_points_and_takes_each_once(parts):
    distinct = {
        (at, step, 0.0 if math.isnan(value) else value, math.isnan(value)) for p in parts for at, step, value in p
    }
    ordered = [(at, step, "nan" if is_nan else repr(value)) for at, step, value, is_nan in sorted(distinct)]
    assert rows_of(merged([points_of(part) for part in parts])) == ordered


def test_a_regular_series_takes_the_room_of_its_values_alone():
    regular = points_of((1_700_000_000_000 + 1000 * at, at, at / 2) for at in range(4096))
    assert len(pack(regular)) < 4096 * 4 + 64
