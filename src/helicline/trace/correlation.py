"""The correlation of two trace filters: normalised pointwise mutual information."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from helicline.store.unit import Reader
from helicline.trace.search import search_traces

PAGE_SIZE = 500
# Jeffreys prior: half a count in each cell
SMOOTHING = 0.5


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """From -1 (never together) over 0 (independent) to 1 (always together); NaN where a filter matches nothing."""

    npmi: float
    npmi_smoothed: float
    filter1_count: int
    filter2_count: int
    joint_count: int
    total_count: int


def correlate(
    tx: Reader, experiment_ids: Sequence[str], first: str, second: str, *, base_filter: str = ""
) -> Correlation:
    """Return the correlation of the traces that match `first` with those that match `second`."""
    universe = _matching_ids(tx, experiment_ids, base_filter)
    first_ids, second_ids = (
        _matching_ids(tx, experiment_ids, f"{base_filter} AND {text}" if base_filter else text)
        for text in (first, second)
    )
    joint, total = len(first_ids & second_ids), len(universe)
    first_count, second_count = len(first_ids), len(second_ids)
    return Correlation(
        npmi=npmi(joint, total, first=first_count, second=second_count),
        npmi_smoothed=npmi(joint, total, first=first_count, second=second_count, smoothing=SMOOTHING),
        joint_count=joint,
        filter1_count=first_count,
        filter2_count=second_count,
        total_count=total,
    )


def _matching_ids(tx: Reader, experiment_ids: Sequence[str], text: str) -> set[str]:
    trace_ids: set[str] = set()
    token = ""
    while True:
        traces, token = search_traces(tx, experiment_ids, filter=text, max_results=PAGE_SIZE, page_token=token)
        trace_ids.update(trace.trace_id for trace in traces)
        if not token:
            return trace_ids


def npmi(joint: int, total: int, *, first: int, second: int, smoothing: float = 0.0) -> float:
    """Return log(p(x,y) / p(x)p(y)) / -log p(x,y), in -1 to 1."""
    cells = joint, first - joint, second - joint, total - first - second + joint
    if not (total and first and second) or min(cells) < 0:
        return math.nan
    if not joint and not smoothing:
        return -1.0
    if not any(cells[1:]):
        return 1.0
    both, only_first, only_second, neither = (cell + smoothing for cell in cells)
    smoothed_total = both + only_first + only_second + neither
    log_both, log_total = math.log(both), math.log(smoothed_total)
    pmi = (log_both + log_total) - (math.log(both + only_first) + math.log(both + only_second))
    return max(-1.0, min(1.0, pmi / -(log_both - log_total)))
