"""Metric histories for charts: the least, greatest and last value of each pixel bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from helicline.clock import epoch_ms
from helicline.errors import Invalid
from helicline.store.rows.block import Points
from helicline.store.unit import Reader
from helicline.tracking.log import metric_history
from helicline.tracking.run import get_run

Axis = Literal["step", "time", "relative"]
AXES: tuple[Axis, ...] = ("step", "time", "relative")
MAX_LINES, MAX_BUCKETS = 200, 4000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one run. The lists are parallel, with an entry for each bucket that has points; null means NaN.

    `x` is a step, epoch milliseconds, or milliseconds since the start of the run; `first_x` and `last_x` are of all
    points, even where the request has a window.
    """

    run_id: str
    key: str
    total: int
    first_x: float | None
    last_x: float | None
    x: list[float]
    low: list[float | None]
    high: list[float | None]
    last: list[float | None]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the axis to return, and the number of buckets."""

    axis: Axis = "step"
    buckets: int = 400
    low: float | None = None
    high: float | None = None


def lines(tx: Reader, run_ids: Sequence[str], keys: Sequence[str], window: Window) -> list[Line]:
    """Return a line for every run and key; it is empty where the run has no such key."""
    if not run_ids or not keys or len(run_ids) * len(keys) > MAX_LINES:
        raise Invalid("run, key", f"{len(run_ids)} runs x {len(keys)} keys", f"1 to {MAX_LINES} lines at once")
    if not 2 <= window.buckets <= MAX_BUCKETS:
        raise Invalid("buckets", window.buckets, f"2 to {MAX_BUCKETS}")
    return [_line(tx, run_id, key, window) for run_id in run_ids for key in keys]


def _line(tx: Reader, run_id: str, key: str, window: Window) -> Line:
    points, _ = metric_history(tx, run_id, key)
    start_ms = epoch_ms(get_run(tx, run_id).start_time) if window.axis == "relative" else 0
    return line_of(points, run_id=run_id, key=key, window=window, start_ms=start_ms)


def line_of(points: Points, *, run_id: str, key: str, window: Window, start_ms: int = 0) -> Line:
    """Return the points in buckets of equal width along the axis."""
    x = (points.steps if window.axis == "step" else points.timestamps_ms - start_ms).astype(np.float64)
    y = points.values
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    span = (float(x[0]), float(x[-1])) if len(x) else (None, None)
    in_window = np.ones(len(x), dtype=bool)
    if window.low is not None:
        in_window &= x >= window.low
    if window.high is not None:
        in_window &= x <= window.high
    x, y = x[in_window], y[in_window]
    columns = bucket_columns(x, y, buckets=window.buckets)
    return Line(run_id=run_id, key=key, total=points.total, first_x=span[0], last_x=span[1], **columns)


def bucket_columns(x: NDArray[np.float64], y: NDArray[np.float64], *, buckets: int) -> dict[str, Any]:
    """Return the columns of a line from sorted `x`; at most `buckets` points stay as they are."""
    if len(x) <= buckets:
        numbers = _json_numbers(y)
        return {"x": x.tolist(), "low": numbers, "high": numbers, "last": numbers}
    width = (x[-1] - x[0]) / buckets or 1.0
    number = np.minimum(((x - x[0]) / width).astype(np.int64), buckets - 1)
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    ends = np.append(starts[1:], len(x)) - 1
    # fmin and fmax ignore NaN: a bucket is NaN only where all its values are
    return {
        "x": x[ends].tolist(),
        "low": _json_numbers(np.fmin.reduceat(y, starts)),
        "high": _json_numbers(np.fmax.reduceat(y, starts)),
        "last": _json_numbers(y[ends]),
    }


def _json_numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
