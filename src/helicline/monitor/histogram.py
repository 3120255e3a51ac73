"""Histograms of a column in a reference and in a window: the same bins, with shares of the values that are there."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from helicline.monitor.profile import IS_NUMBER, OTHER, Array, Column, cell_values

BINS = 24
MOST_CATEGORIES = 12
TAIL = 0.005  # of the values of each side lies beyond the first and the last bin, which hold them too


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """The share of a bin in both. Numbers lie from `low` up to `high`; a category is its `label`."""

    label: str = ""
    low: float | None = None
    high: float | None = None
    reference: float = 0.0
    window: float = 0.0


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """A column in the reference and in a window; counts are of the values that are there, `missing` are shares."""

    column: str
    kind: Literal["number", "category"]
    bins: tuple[Bin, ...]
    reference_count: int
    window_count: int
    reference_missing: float
    window_missing: float


def of(name: str, reference: Column | None, window: Column | None) -> Histogram:
    """Return the histogram of a column; a side that has not got it is empty, and a window of another kind."""
    leading = reference or window
    assert leading is not None
    comparable = window if window is not None and window.kind == leading.kind else None
    bins_of = _number_bins if leading.kind == "number" else _category_bins
    return Histogram(
        column=name,
        kind=leading.kind,
        bins=bins_of(reference, comparable),
        reference_count=reference.count if reference else 0,
        window_count=window.count if window else 0,
        reference_missing=_missing(reference) if reference else 1.0,
        window_missing=_missing(window) if window else 1.0,
    )


def _missing(column: Column) -> float:
    rows = column.count + column.missing
    return column.missing / rows if rows else 0.0


def _number_bins(reference: Column | None, window: Column | None) -> tuple[Bin, ...]:
    sides = [_values(side) if side else (np.empty(0), np.empty(0)) for side in (reference, window)]
    ends = [_ends(*side) for side in sides if len(side[0])]
    if not ends:
        return ()
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [_shares(values, counts, edges) for values, counts in sides]
    return tuple(
        Bin(low=float(edges[at]), high=float(edges[at + 1]), reference=float(old), window=float(new))
        for at, (old, new) in enumerate(zip(*shares, strict=True))
    )


def _values(column: Column) -> tuple[Array, Array]:
    """Return the values of the cells, ascending, and their counts."""
    keys, counts = column.cells
    values, counts = cell_values(keys, column.centre)[IS_NUMBER[keys]], counts[IS_NUMBER[keys]]
    order = np.argsort(values)
    return values[order], counts[order]


def _ends(values: Array, counts: Array) -> tuple[float, float]:
    reached = np.cumsum(counts) / counts.sum()
    first, last = np.searchsorted(reached, (TAIL, 1 - TAIL))
    return float(values[first]), float(values[min(last, len(values) - 1)])


def _shares(values: Array, counts: Array, edges: Array) -> Array:
    positions = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    total = counts.sum()
    weights = np.bincount(positions, weights=counts, minlength=BINS) if len(values) else np.zeros(BINS)
    return weights / total if total else weights


def _category_bins(reference: Column | None, window: Column | None) -> tuple[Bin, ...]:
    old, new = _category_shares(reference), _category_shares(window)
    ordered = sorted({*old, *new}, key=lambda name: (name == OTHER, -max(old.get(name, 0.0), new.get(name, 0.0)), name))
    bins = [
        Bin(label=name, reference=old.get(name, 0.0), window=new.get(name, 0.0)) for name in ordered[:MOST_CATEGORIES]
    ]
    rest = ordered[MOST_CATEGORIES:]
    if rest:
        shares = [sum(side.get(name, 0.0) for name in rest) for side in (old, new)]
        bins.append(Bin(label=f"{len(rest)} more", reference=shares[0], window=shares[1]))
    return tuple(bins)


def _category_shares(column: Column | None) -> dict[str, float]:
    if column is None or not column.count:
        return {}
    return {name: count / column.count for name, count in column.categories.items() if count}
