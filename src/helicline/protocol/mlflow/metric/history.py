"""Metric histories: of one run, of many runs in one request, and sampled for charts."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from helicline import tracking
from helicline.errors import Invalid, NotFound
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.protocol.mlflow.request import Request, non_empty
from helicline.protocol.mlflow.runs import INFINITE, value_as_wire
from helicline.store.rows.block import Points, points_of
from helicline.store.unit import Reader

MAX_PAGE = 25_000
MAX_RUNS = 100
MAX_POINTS = 2_500


class HistoryPoint(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A point of a history in MLflow's JSON; NaN and the infinities are strings."""

    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str = ""


def as_wire(key: str, points: Points, run_id: str = "") -> list[HistoryPoint]:
    values: list[Any] = points.values.tolist()
    for index in (~(np.abs(points.values) < INFINITE)).nonzero()[0]:
        values[index] = value_as_wire(values[index])
    columns = zip(values, points.timestamps_ms.tolist(), points.steps.tolist(), strict=True)
    return [HistoryPoint(key, *row, run_id) for row in columns]


async def of_run(request: Request) -> Any:
    fields = request.fields
    run_id, key = fields.required("run_id", also="run_uuid"), fields.required("metric_key")
    size = fields.integer("max_results")
    if size is not None and size <= 0:
        raise Invalid("max_results", size, "It must be a positive integer.")
    size, token = None if size is None else min(size, MAX_PAGE), fields.text("page_token")
    points, token = await request.read(lambda tx: _points(tx, run_id, key, limit=size, page_token=token))
    return non_empty(metrics=as_wire(key, points), next_page_token=token)


def _points(tx: Reader, run_id: str, key: str, *, limit: int | None = None, page_token: str = "") -> tuple[Points, str]:
    """Return the points; a run that does not exist has none, as on the stock server."""
    try:
        return tracking.metric_history(tx, run_id, key, limit=limit, page_token=page_token)
    except NotFound:
        return points_of([]), ""


async def bulk(request: Request) -> Any:
    """Answer the histories of up to 100 runs, ordered by run, time, step and value."""
    fields = request.fields
    ids, key = fields.texts("run_id"), fields.text("metric_key")
    if not ids:
        raise _invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(ids) > MAX_RUNS:
        raise _invalid(
            f"GetMetricHistoryBulk request cannot specify more than {MAX_RUNS} run_ids. Received {len(ids)} run_ids."
        )
    if not fields.has("metric_key"):
        raise _invalid("GetMetricHistoryBulk request must specify a metric_key.")
    size = fields.integer("max_results", MAX_PAGE) or 0
    if size < 0:
        raise Invalid("max_results", size, "It must be a positive integer.")

    def view(tx: Reader) -> list[HistoryPoint]:
        history: list[HistoryPoint] = []
        for run_id in sorted(set(ids)):
            remaining = min(size, MAX_PAGE) - len(history)
            if remaining <= 0:
                break
            history += as_wire(key, _points(tx, run_id, key, limit=remaining)[0], run_id)
        return history

    return {"metrics": await request.read(view)}


def _invalid(text: str) -> WireError:
    return WireError("INVALID_PARAMETER_VALUE", text)


async def interval(request: Request) -> Any:
    """Answer at most `max_results` points of each run, evenly spread over its steps, with the last point."""
    fields = request.fields
    ids, key = fields.texts("run_ids"), fields.required("metric_key")
    if not ids:
        missing("run_ids")
    if len(ids) > MAX_RUNS:
        problem = f"must specify at most {MAX_RUNS} run_ids. Received {len(ids)} run_ids."
        raise _invalid(f"GetMetricHistoryBulkInterval request {problem}")
    size = fields.integer("max_results", MAX_POINTS) or 0
    if not 1 <= size <= MAX_POINTS:
        raise _invalid(f"max_results must be between 1 and {MAX_POINTS}.")
    steps = _steps(fields.integer("start_step"), fields.integer("end_step"))

    def view(tx: Reader) -> list[HistoryPoint]:
        history: list[HistoryPoint] = []
        for run_id in ids:
            points, _ = tracking.metric_history(tx, run_id, key)
            if steps is not None:
                points = points.part((points.steps >= steps[0]) & (points.steps <= steps[1]))
            history += as_wire(key, sampled(points, size), run_id)
        return history

    return non_empty(metrics=await request.read(view))


def _steps(start: int | None, end: int | None) -> tuple[int, int] | None:
    if start is None or end is None:
        if start is not None or end is not None:
            raise _invalid("If either start step or end step are specified, both must be specified.")
        return None
    if start > end:
        raise _invalid(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")
    return start, end


def sampled(points: Points, max_points: int) -> Points:
    """Return at most `max_points` points in step order: the first of each of equal buckets, and the last."""
    is_nan = np.isnan(points.values)
    order = np.lexsort((is_nan, np.where(is_nan, 0.0, points.values), points.timestamps_ms, points.steps))
    if len(order) > max_points:
        size, larger = divmod(len(order), max_points)
        numbers = np.arange(max_points - 1)
        starts = numbers * size + np.minimum(numbers, larger)
        order = np.concatenate([order[starts], order[-1:]])
    return points.part(order)
