"""How much two filters of traces go together: normalised pointwise mutual information."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from helicline.store.unit import Reader
from helicline.trace.search import search_traces

PAGE = 500
# Jeffreys' prior: half a count in every cell
SMOOTHING = 0.5


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """-1: never together, 0: independent, 1: always together; NaN where a filter keeps nothing."""

    npmi: float
    npmi_smoothed: float
    filter1_count: int
    filter2_count: int
    joint_count: int
    total_count: int


def correlate(tx: Reader, experiment_ids: Sequence[str], first: str, second: str, *, within: str = "") -> Correlation:
    """Return how the traces that `first` keeps and those that `second` keeps go together, among those `within`."""
    universe = _matching_ids(tx, experiment_ids, within)
    first_ids, two = (
        _matching_ids(tx, experiment_ids, f"{within} AND {text}" if within else text) for text in (first, second)
    )
    counts = len(first_ids & two), len(first_ids), len(two), len(universe)
    return Correlation(
        npmi=npmi(*counts),
        npmi_smoothed=npmi(*counts, smoothing=SMOOTHING),
        joint_count=counts[0],
        filter1_count=counts[1],
        filter2_count=counts[2],
        total_count=counts[3],
    )


def _matching_ids(tx: Reader, experiment_ids: Sequence[str], text: str) -> set[str]:
    trace_ids: set[str] = set()
    token = ""
    while True:
        some, token = search_traces(tx, experiment_ids, filter=text, max_results=PAGE, page_token=token)
        trace_ids.update(trace.trace_id for trace in some)
        if not token:
            return trace_ids


def npmi(joint: int, first: int, second: int, total: int, *, smoothing: float = 0.0) -> float:
    """Return log(p(x,y) / p(x)p(y)) / -log p(x,y), in -1 to 1."""
    cells = joint, first - joint, second - joint, total - first - second + joint
    if not (total and first and second) or min(cells) < 0:
        return math.nan
    if not joint and not smoothing:
        return -1.0
    if not any(cells[1:]):
        return 1.0
    both, only_first, only_second, neither = (cell + smoothing for cell in cells)
    every = both + only_first + only_second + neither
    log_both, log_every = math.log(both), math.log(every)
    pmi = (log_both + log_every) - (math.log(both + only_first) + math.log(both + only_second))
    return max(-1.0, min(1.0, pmi / -(log_both - log_every)))
