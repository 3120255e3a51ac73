"""The profile (LogGrid): exact counts on a grid that does not depend on the data.

The cell of a value is the upper 16 bits of float32(value - centre): sign, exponent, 7 bits of mantissa, which makes 128
cells per octave and a half-width of at most 0.39 % of the distance from the centre. Counts are additive, so profiles of
windows merge by addition, with equal bits in any order. The centre is the reference's median (of an even sample where
there are many rows), stored with it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

Array = np.ndarray[Any, Any]
CELLS = 1 << 16
BLOCK = 1 << 15  # values whose cells are counted at a time: they stay in the processor's cache
MAX_MEDIAN_ROWS = 1 << 16
MAX_SORTED = 4096  # so few values are sorted instead of counted over the whole grid
MAX_CATEGORIES = 1000
OTHER = "__other__"
PREDICTION = "(prediction)"  # the column of what the model answered; in brackets, since an input may have any name
_KEYS = np.arange(CELLS, dtype=np.uint16)
_NEGATIVE = _KEYS >= 0x8000
# rank of each cell in the order of its values: negative cells are in reverse
RANK = np.where(_NEGATIVE, 0x7FFF - (_KEYS & 0x7FFF).astype(np.int64), 0x8000 + _KEYS.astype(np.int64))
IS_NUMBER = (_KEYS & 0x7F80) != 0x7F80


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column's counts. Numbers: grid cells as packed keys and counts. Categories: counts by value.

    `role` is told of columns of a reference: "identifier", "time", or "" for all others.
    """

    kind: Literal["number", "category"]
    count: int = 0
    missing: int = 0
    centre: float = 0.0
    keys: bytes = b""
    counts: bytes = b""
    categories: dict[str, int] = {}
    low: float | None = None
    high: float | None = None
    role: Literal["", "identifier", "time"] = ""

    @property
    def cells(self) -> tuple[Array, Array]:
        """The cells with counts, as positions in the grid, and their counts."""
        return np.frombuffer(self.keys, dtype="<u2"), np.frombuffer(self.counts, dtype="<i8")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of the inputs of some rows, and of what the model answered, where it is one value a row."""

    row_count: int = 0
    columns: dict[str, Column] = {}
    prediction: Column | None = None

    def column(self, name: str) -> Column | None:
        """Return an input, or what the model answered, None where it has none of that name."""
        return self.prediction if name == PREDICTION else self.columns.get(name)


def grid_of(values: Array, centre: float) -> Array:
    """Return the cell counts of `values`; NaN and infinities have cells of their own."""
    counts = np.zeros(CELLS, dtype=np.int64)
    for start in range(0, len(values), BLOCK):
        counts += np.bincount(_cells(values[start : start + BLOCK], centre), minlength=CELLS)
    return counts


def _cells(values: Array, centre: float) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = np.subtract(values, centre, dtype=np.float64)
        shifted += 0.0  # minus zero becomes zero
        return shifted.astype(np.float32).view(np.uint32) >> 16


def _count_cells(values: Array, centre: float) -> tuple[Array, Array]:
    """Return the cells with counts, and the counts; the whole grid is used only for many values."""
    if len(values) < MAX_SORTED:
        return np.unique(_cells(values, centre), return_counts=True)
    grid = grid_of(values, centre)
    keys = np.flatnonzero(grid)
    return keys, grid[keys]


def cell_values(keys: Array, centre: float) -> Array:
    """Return the middle value of each cell, NaN for the cells of NaN and infinities."""
    with np.errstate(invalid="ignore"):
        middles = ((keys.astype(np.uint32) << 16) | 0x8000).view(np.float32).astype(np.float64) + centre
    middles[(keys & 0x7FFF) == 0] = centre
    return np.where(np.isfinite(middles), middles, np.nan)


def build(
    columns: Mapping[str, Array], centres: Mapping[str, float] | None = None, *, prediction: Array | None = None
) -> Profile:
    """Return the profile of columns of equal length; numbers use the reference's centre, or their own median."""
    row_count = max((len(values) for values in columns.values()), default=0)
    fixed_centres = centres or {}
    return Profile(
        row_count=row_count,
        columns={name: _column(np.ma.asarray(values), fixed_centres.get(name)) for name, values in columns.items()},
        prediction=None if prediction is None else _column(prediction, fixed_centres.get(PREDICTION)),
    )


def _column(values: Any, centre: float | None) -> Column:
    present = values.compressed() if np.ma.isMaskedArray(values) else np.asarray(values)
    if present.dtype.kind in "fiu":
        return _numbers(present.astype(np.float64, copy=False), len(values), centre)
    if present.dtype.kind == "M":
        present = present.astype("datetime64[us]")  # of finer times NumPy lists integers
    listed = present.tolist()
    if _begins_with_text(listed):
        counted: Counter[Any] = Counter(listed)
        if all(isinstance(value, str) or _is_missing(value) for value in counted):
            return categories(counted, len(values))
    kinds = set(map(type, listed)) - {type(None)}
    if _are_numbers(kinds, centre):
        floats = np.array([np.nan if value is None else value for value in listed], dtype=np.float64)
        return _numbers(floats, len(values), centre)
    # values of several types may be equal, like 1 and True, and yet be another text
    return categories(Counter(None if _is_missing(value) else str(value) for value in listed), len(values))


def _begins_with_text(values: list[Any]) -> bool:
    return isinstance(next((value for value in values if value is not None), None), str)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _are_numbers(kinds: set[type], centre: float | None) -> bool:
    """Tell whether values of these types are numbers; where there is none, they are what the reference says."""
    return kinds <= {int, float} and (bool(kinds) or centre is not None)


def _numbers(present: Array, row_count: int, centre: float | None) -> Column:
    is_finite = np.isfinite(present)
    finite = present if is_finite.all() else present[is_finite]
    own_centre = _median(finite) if centre is None and len(finite) else (centre or 0.0)
    keys, counts = _count_cells(present, own_centre)
    return _number_column(
        keys,
        counts,
        centre=own_centre,
        missing=row_count - len(finite),
        low=float(finite.min()) if len(finite) else None,
        high=float(finite.max()) if len(finite) else None,
    )


def _median(values: Array) -> float:
    sample = values[:: -(-len(values) // MAX_MEDIAN_ROWS)]
    with np.errstate(over="ignore"):
        median = float(np.median(sample))
    # of two middle values that are too large to be added the lower one
    return median if np.isfinite(median) else float(np.quantile(sample, 0.5, method="lower"))


def _number_column(
    keys: Array, counts: Array, *, centre: float, missing: int, low: float | None, high: float | None
) -> Column:
    return Column(
        kind="number",
        count=int(counts[IS_NUMBER[keys]].sum()),
        missing=missing,
        centre=centre,
        keys=keys.astype("<u2").tobytes(),
        counts=counts.astype("<i8").tobytes(),
        low=low,
        high=high,
    )


def categories(counted: Counter[Any], row_count: int) -> Column:
    """Return the column of values that are counted by their text; the rows without one are missing."""
    counts = {str(value): count for value, count in counted.items() if not _is_missing(value)}
    present = sum(counts.values())
    return Column(kind="category", count=present, missing=row_count - present, categories=_limit_categories(counts))


def _limit_categories(counts: dict[str, int]) -> dict[str, int]:
    if len(counts) <= MAX_CATEGORIES:
        return counts
    ordered = sorted(counts, key=lambda name: (name == OTHER, -counts[name], name))
    limited = {name: counts[name] for name in ordered[:MAX_CATEGORIES]}
    limited[OTHER] = limited.get(OTHER, 0) + sum(counts[name] for name in ordered[MAX_CATEGORIES:])
    return limited


def merged(profiles: Sequence[Profile]) -> Profile:
    """Return the profile of all rows together, without the parts of a column whose centre differs from the first."""
    parts: dict[str, list[Column]] = {}
    for profile in profiles:
        for name, column in profile.columns.items():
            parts.setdefault(name, []).append(column)
    columns = {name: _merge_columns(columns) for name, columns in parts.items()}
    answered = [profile.prediction for profile in profiles if profile.prediction is not None]
    return Profile(
        row_count=sum(profile.row_count for profile in profiles),
        columns=columns,
        prediction=_merge_columns(answered) if answered else None,
    )


def _merge_columns(columns: Sequence[Column]) -> Column:
    first = columns[0]
    columns = [column for column in columns if (column.kind, column.centre) == (first.kind, first.centre)]
    if len(columns) == 1:
        return first
    missing = sum(column.missing for column in columns)
    if first.kind == "category":
        names: Counter[str] = Counter()
        for column in columns:
            names.update(column.categories)
        count = sum(column.count for column in columns)
        return Column(kind="category", count=count, missing=missing, categories=_limit_categories(dict(names)))
    keys, counts = (np.concatenate(arrays) for arrays in zip(*(column.cells for column in columns), strict=True))
    cells, positions = np.unique(keys, return_inverse=True)
    totals = np.zeros(len(cells), dtype=np.int64)
    np.add.at(totals, positions, counts)
    return _number_column(
        cells,
        totals,
        centre=first.centre,
        missing=missing,
        low=min((column.low for column in columns if column.low is not None), default=None),
        high=max((column.high for column in columns if column.high is not None), default=None),
    )


def encode(profile: Profile) -> bytes:
    """Return the profile as bytes."""
    return zlib.compress(msgspec.msgpack.encode(profile), 1)


def decode(content: bytes) -> Profile:
    return msgspec.msgpack.decode(zlib.decompress(content), type=Profile)


def centres_of(profile: Profile) -> dict[str, float]:
    """Return the centres for profiles that are to be compared with this one."""
    every = profile.columns | ({PREDICTION: profile.prediction} if profile.prediction else {})
    return {name: column.centre for name, column in every.items() if column.kind == "number"}
