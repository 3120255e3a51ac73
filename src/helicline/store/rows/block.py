"""Blocks: points of one series packed as arrays, far smaller than rows (note 0010).

A body is a header and three columns, little-endian. Times and steps are stored as differences above the smallest
difference, in the narrowest width that fits all: a series with constant differences needs the header alone.
Values take four bytes each where that is lossless, else eight.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK_POINTS = 4096
HEADER = struct.Struct("<BBBBIqqqq")
FORMAT = 1
WIDTHS = {0: None, 1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Points(NamedTuple):
    """Points of one series as columns: epoch milliseconds, steps, values (NaN as NaN)."""

    timestamps_ms: Ints
    steps: Ints
    values: Floats

    @property
    def total(self) -> int:
        return len(self.values)

    def part(self, selection: Any) -> Points:
        """Return the points that a slice, a mask or an array of positions selects."""
        return Points(self.timestamps_ms[selection], self.steps[selection], self.values[selection])


def points_of(rows: Iterable[Sequence[Any]]) -> Points:
    """Return rows of (timestamp, step, value) as columns."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return Points(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
    )


def merged(parts: Sequence[Points]) -> Points:
    """Return all points by timestamp, step, value, without duplicates; NaN sorts as 0, after it."""
    if len(parts) == 1 and _is_increasing(parts[0].timestamps_ms):
        return parts[0]
    combined = Points(*(np.concatenate(columns) for columns in zip(*parts, strict=True))) if parts else points_of([])
    if _is_increasing(combined.timestamps_ms):
        return combined
    is_nan = np.isnan(combined.values)
    ranks = np.where(is_nan, 0.0, combined.values)
    order = np.lexsort((is_nan, ranks, combined.steps, combined.timestamps_ms))
    columns = [column[order] for column in (combined.timestamps_ms, combined.steps, ranks, is_nan)]
    is_new = np.zeros(combined.total, dtype=bool)
    is_new[:1] = True
    for column in columns:
        is_new[1:] |= column[1:] != column[:-1]
    return combined.part(order[is_new])


def _is_increasing(column: Ints) -> bool:
    return bool(np.all(column[1:] > column[:-1]))


def pack(points: Points) -> bytes:
    """Return the points, in their order, as the body of a block."""
    with np.errstate(over="ignore"):
        float32s = points.values.astype(np.float32)
    lossless = np.array_equal(float32s.astype(np.float64), points.values, equal_nan=True)
    values = (float32s.astype("<f4") if lossless else points.values.astype("<f8")).tobytes()
    (time_base, time_low, times), (step_base, step_low, steps) = map(
        _delta_encode, (points.timestamps_ms, points.steps)
    )
    widths = (FORMAT, times.itemsize if times is not None else 0, steps.itemsize if steps is not None else 0)
    return b"".join(
        (
            HEADER.pack(*widths, 4 if lossless else 8, points.total, time_base, time_low, step_base, step_low),
            b"" if times is None else times.tobytes(),
            b"" if steps is None else steps.tobytes(),
            values,
        )
    )


def _delta_encode(column: Ints) -> tuple[int, int, npt.NDArray[Any] | None]:
    """Return the first number, the smallest difference, and each difference above it (None: all are equal)."""
    if len(column) < 2:
        return (int(column[0]) if len(column) else 0), 0, None
    # modulo 2**64, so that the numbers are restored exactly even where a difference overflows
    differences = np.diff(column.view(np.uint64)).view(np.int64)
    low = int(differences.min())
    offsets = differences.view(np.uint64) - np.uint64(low % 2**64)
    largest = int(offsets.max())
    width = next(width for width in (0, 1, 2, 4, 8) if largest < 2 ** (8 * width))
    return int(column[0]), low, None if width == 0 else offsets.astype(WIDTHS[width])


def unpack(body: bytes) -> Points:
    """Return the points of a block's body."""
    version, time_width, step_width, value_width, count, *bases = HEADER.unpack_from(body)
    if version != FORMAT:
        raise ValueError(f"block format {version} is not known")
    offset, columns = HEADER.size, []
    for width, base, low in ((time_width, *bases[:2]), (step_width, *bases[2:])):
        columns.append(_delta_decode(body, offset, count=count, width=width, base=base, low=low))
        offset += width * max(count - 1, 0)
    values = np.frombuffer(body, dtype=f"<f{value_width}", count=count, offset=offset).astype(np.float64)
    return Points(columns[0], columns[1], values)


def _delta_decode(body: bytes, offset: int, *, count: int, width: int, base: int, low: int) -> Ints:
    column = np.full(count, low % 2**64, dtype=np.uint64)
    if width and count > 1:
        column[1:] += np.frombuffer(body, dtype=WIDTHS[width], count=count - 1, offset=offset)
    column[:1] = base % 2**64
    return np.cumsum(column, dtype=np.uint64).view(np.int64)
