"""Another unit of measurement: all values of a column are one multiple of what they were (grams, not kilograms)."""

from __future__ import annotations

import math

import numpy as np

from helicline.monitor.profile import IS_NUMBER, RANK, Array, Column, cell_values

FACTORS = (10.0, 12.0, 24.0, 30.0, 60.0, 100.0, 365.0, 1000.0, 3600.0, 86_400.0, 1e6)
TOLERANCE = 0.3  # of quantiles
TOLERANCE_OF_EXTREMES = 2.0
LEAST_ROWS = 50
OTHER_ZEROS = 0.2  # what is zero is so in every unit
AT = np.array([0.2, 0.35, 0.5, 0.65, 0.8])
CELL_WIDTH = 1 / 128  # of a cell of the grid, against the distance from the centre


def factor_between(reference: Column, window: Column) -> float | None:
    """Return by what factor of units the window's values differ from the reference's, None where by none.

    The quantiles of the values that are not zero all have the same ratio, within 30 %. Of values that are too small
    for the grid only the smallest and the greatest are known: their ratios may differ by a factor of three.
    """
    if reference.kind != "number" or window.kind != "number" or window.count < LEAST_ROWS:
        return None
    if abs(_share_of_zero(reference) - _share_of_zero(window)) > OTHER_ZEROS:
        return None
    if is_below_grid(window):
        return _common_factor(_extremes(reference), _extremes(window), TOLERANCE_OF_EXTREMES)
    return _common_factor(quantiles(reference), quantiles(window), TOLERANCE)


def _common_factor(before: Array | None, now: Array | None, tolerance: float) -> float | None:
    if before is None or now is None or (before * now <= 0).any():
        return None
    ratios = np.log(now / before)
    middle = float(np.median(ratios))
    nearest = min(FACTORS, key=lambda factor: abs(abs(middle) - math.log(factor)))
    expected = math.copysign(math.log(nearest), middle)
    if np.abs(ratios - expected).max() > math.log1p(tolerance):
        return None
    return nearest if middle > 0 else 1 / nearest


def _share_of_zero(column: Column) -> float:
    keys, counts = column.cells
    zeros = counts[IS_NUMBER[keys] & (cell_values(keys, column.centre) == 0)].sum()
    return float(zeros / column.count) if column.count else 0.0


def is_below_grid(column: Column) -> bool:
    """Tell whether the values are so near to zero, seen from the centre, that few cells hold them all."""
    low, high = _extremes(column)
    return bool(max(abs(low), abs(high)) < 16 * CELL_WIDTH * abs(column.centre))


def _extremes(column: Column) -> Array:
    return np.array([column.low or 0.0, column.high or 0.0])


def quantiles(column: Column) -> Array | None:
    """Return quantiles of the values that are not zero, None where there are too few of them."""
    keys, counts = column.cells
    values = cell_values(keys, column.centre)
    used = IS_NUMBER[keys] & (values != 0)
    keys, counts, values = keys[used], counts[used], values[used]
    if counts.sum() < LEAST_ROWS:
        return None
    order = np.argsort(RANK[keys])
    reached = np.cumsum(counts[order]) / counts.sum()
    return np.asarray(values[order][np.searchsorted(reached, AT)])


def sentence(factor: float) -> str:
    """Return what the factor says, in words."""
    times = f"{factor:,.0f} times" if factor > 1 else f"a {1 / factor:,.0f}th of"
    return f"the values are {times} those of the reference: another unit?"
