"""Which calls the model runs together, and how their common output is cut into one for each call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from helicline.gateway.worker.call import Call

MAX_ROWS = 1024


def join(calls: Iterable[Call], *, batchable: bool) -> Iterator[list[Call]]:
    """Yield the calls in batches: those of plain rows together, up to 1,024 rows, every other one alone.

    A call that cannot be joined is yielded before the next one is taken from `calls`.
    """
    joinable: list[Call] = []
    for call in calls:
        if batchable and call.rows is not None and call.failure is None:
            joinable.append(call)
        else:
            yield [call]
    yield from _batches(joinable)


def _batches(calls: list[Call]) -> Iterator[list[Call]]:
    batch: list[Call] = []
    batch_rows = 0
    for call in calls:
        row_count = len(call.rows or ())
        if batch and batch_rows + row_count > MAX_ROWS:
            yield batch
            batch, batch_rows = [], 0
        batch.append(call)
        batch_rows += row_count
    if batch:
        yield batch


def sliceable(output: Any, row_count: int) -> bool:
    """Return whether the output has one entry for each of `row_count` rows."""
    return (isinstance(output, np.ndarray) and output.ndim > 0 and len(output) == row_count) or (
        (hasattr(output, "iloc") or isinstance(output, list)) and len(output) == row_count
    )


def slice_output(output: Any, start: int, *, end: int) -> Any:
    """Return the rows `start` to `end` of an output."""
    return output.iloc[start:end] if hasattr(output, "iloc") else output[start:end]
