"""Values that mean what they meant and are written otherwise: new codes, exchanged codes, exchanged columns.

A model reads them as another customer. They are told from a change of the customers by their shares, which stay: what
does not come in any more had the share that what came in for it has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from helicline.monitor import unit
from helicline.monitor.profile import OTHER, Array, Column, Profile

LEAST_ROWS = 50
LEAST_EXPECTED = 10.0  # rows that a value would have had; of fewer their absence is chance
LEAST_VANISHED = 0.05
SAME_SHARE = 0.3  # relative
MOST_CODES = 20
OWN_DISTANCE, OTHER_DISTANCE = 0.3, 0.03  # of shares: total variation
TWO_CODES_DISTANCE = 0.5  # from which two values that turned are rather exchanged: of customers few things turn so far
TWO_CODES_Z, TWO_CODES_MARGIN = 3.0, 0.01  # how well the shares then agree: standard errors of both samples
OWN_SPREADS, OTHER_SPREADS = 1.0, 0.25  # of quantiles: spreads of the reference


def sentence_of(reference: Column, window: Column) -> str:
    """Return how a column's values are written otherwise than in the reference, "" where they are not."""
    if min(reference.count, window.count) < LEAST_ROWS or reference.kind != window.kind:
        return ""
    old, new = _shares(reference), _shares(window)
    if not old or not new:
        return ""
    renamed = _renamed(old, new, window.count) if reference.kind == "category" else ""
    return renamed or _exchanged(old, new, (reference.count, window.count))


def _shares(column: Column) -> dict[str, float]:
    """Return the share of each value; of numbers, and of more values than are counted, where there are few."""
    if column.kind == "category":
        counts = {value: count for value, count in column.categories.items() if count}
        return {} if OTHER in counts else {value: count / column.count for value, count in counts.items()}
    keys, cell_counts = column.cells
    if len(keys) > MOST_CODES:
        return {}
    return {str(key): int(count) / column.count for key, count in zip(keys, cell_counts, strict=True)}


def _renamed(old: dict[str, float], new: dict[str, float], row_count: int) -> str:
    vanished = {value: share for value, share in old.items() if value not in new}
    expected = {value: share for value, share in vanished.items() if share * row_count >= LEAST_EXPECTED}
    unseen = {value: share for value, share in new.items() if value not in old}
    before, now = sum(vanished.values()), sum(unseen.values())
    if not expected or before < LEAST_VANISHED or abs(now - before) > SAME_SHARE * before + _noise(row_count):
        return ""
    return f"{_listed(expected)} ({before:.0%}) did not come in, {_listed(unseen)} ({now:.0%}) did: recoded?"


def _noise(row_count: int) -> float:
    return 1 / math.sqrt(row_count)


def _listed(shares: dict[str, float]) -> str:
    names = sorted(shares, key=lambda name: -shares[name])
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _exchanged(old: dict[str, float], new: dict[str, float], row_counts: tuple[int, int]) -> str:
    """Return that the same values have each other's shares.

    Of two values the shares have but one number, and may well turn by themselves: 35 % to 65 %. So more is expected.
    """
    if set(old) != set(new) or not 2 <= len(old) <= MOST_CODES:
        return ""
    are_two = _share_of_two(old) > 1 - LEAST_VANISHED and _share_of_two(new) > 1 - LEAST_VANISHED
    if _distance(old, new) < (TWO_CODES_DISTANCE if are_two else OWN_DISTANCE):
        return ""
    pairs = zip(sorted(old.values()), sorted(new.values()), strict=True)
    limit = _two_codes_limit(max(old.values()), row_counts) if are_two else OTHER_DISTANCE + _noise(row_counts[1]) / 2
    if sum(abs(before - now) for before, now in pairs) / 2 > limit:
        return ""
    return "the values have each other's shares: exchanged codes?"


def _share_of_two(shares: dict[str, float]) -> float:
    return sum(sorted(shares.values())[-2:])


def _two_codes_limit(share: float, row_counts: tuple[int, int]) -> float:
    """Return by how much two samples of one share differ at most."""
    spread = math.sqrt(share * (1 - share) * sum(1 / row_count for row_count in row_counts))
    return TWO_CODES_MARGIN + TWO_CODES_Z * spread


def _distance(old: dict[str, float], new: dict[str, float]) -> float:
    """Return the total variation distance of two sets of shares."""
    return sum(abs(old.get(value, 0.0) - new.get(value, 0.0)) for value in {*old, *new}) / 2


def swapped(reference: Profile, window: Profile, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each two of the columns whose values came in as the other's."""
    moved = [name for name in names if _is_far(reference.columns[name], window.columns[name])]
    old, new = reference.columns, window.columns
    for pair in combinations(moved, 2):
        if all(_is_near(old[name], new[partner]) for name, partner in (pair, pair[::-1])):
            yield pair


def _is_far(reference: Column, window: Column) -> bool:
    if min(reference.count, window.count) < LEAST_ROWS or reference.kind != window.kind:
        return False
    if reference.kind == "category":
        old, new = _shares(reference), _shares(window)
        return bool(old and new) and _distance(old, new) >= OWN_DISTANCE
    spreads = _spreads(reference, window)
    return spreads is not None and spreads >= OWN_SPREADS


def _is_near(reference: Column, window: Column) -> bool:
    if reference.kind != window.kind:
        return False
    if reference.kind == "category":
        limit = OTHER_DISTANCE + _noise(window.count)
        old, new = _shares(reference), _shares(window)
        return bool(old and new) and _distance(old, new) <= limit
    if unit.is_below_grid(window):
        return _is_within(reference, window)
    spreads = _spreads(reference, window)
    return spreads is not None and spreads <= OTHER_SPREADS + 3 * _noise(window.count)


def _spreads(reference: Column, window: Column) -> float | None:
    """Return how far the quantiles are from each other, in spreads of the reference; None where it has none."""
    before, now = unit.quantiles(reference), unit.quantiles(window)
    if before is None or now is None:
        return None
    spread = float(before[-1] - before[0])
    return _largest(before - now) / spread if spread > 0 else None


def _largest(differences: Array) -> float:
    return float(np.abs(differences).max())


def _is_within(reference: Column, window: Column) -> bool:
    """Tell whether smallest and greatest value fit: nothing else is known of values that one cell holds."""
    if reference.low is None or reference.high is None or window.low is None or window.high is None:
        return False
    reach = reference.high - reference.low
    lies_within = reference.low - reach / 10 <= window.low and window.high <= reference.high + reach / 10
    return lies_within and window.high - window.low >= reach / 2
