"""Metric histories on the wire: of one run, of many at once, and thinned out for charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from helicline import tracking
from helicline.errors import Invalid, NotFound
from helicline.protocol.mlflow.call import Call, pruned
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.protocol.mlflow.runs import point_as_wire
from helicline.records.run import MetricPoint
from helicline.store.unit import Reader
from helicline.tracking.page import offset_of, token_of

PAGE = 25_000
MAX_RUNS = 100
MAX_POINTS = 2_500


async def of_run(call: Call) -> Any:
    fields = call.fields
    run_id, key = fields.required("run_id", also="run_uuid"), fields.required("metric_key")
    size = fields.integer("max_results")
    if size is not None and size <= 0:
        raise Invalid("max_results", size, "It must be a positive integer.")
    size = None if size is None else min(size, PAGE)
    start = offset_of(fields.text("page_token"))
    limit = None if size is None else size + 1
    points = await call.read(lambda tx: _points(tx, run_id, key, limit=limit, offset=start))
    more = size is not None and len(points) > size
    token = token_of(start + (size or 0)) if more else ""
    return pruned(metrics=[point_as_wire(point) for point in points[:size]], next_page_token=token)


def _points(tx: Reader, run_id: str, key: str, *, limit: int | None = None, offset: int = 0) -> list[MetricPoint]:
    """Return the points; a run that is not there has none, says the stock server."""
    try:
        return tracking.metric_history(tx, run_id, key, limit=limit, offset=offset)
    except NotFound:
        return []


async def bulk(call: Call) -> Any:
    """Answer the histories of up to 100 runs, by run, time, step and value; `run_id` comes once for each run."""
    fields = call.fields
    ids, key = fields.texts("run_id"), fields.text("metric_key")
    if not ids:
        raise _wrong("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(ids) > MAX_RUNS:
        raise _wrong(
            f"GetMetricHistoryBulk request cannot specify more than {MAX_RUNS} run_ids. Received {len(ids)} run_ids."
        )
    if not fields.has("metric_key"):
        raise _wrong("GetMetricHistoryBulk request must specify a metric_key.")
    size = fields.integer("max_results", PAGE) or 0
    if size < 0:
        raise Invalid("max_results", size, "It must be a positive integer.")

    def view(tx: Reader) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for run_id in sorted(set(ids)):
            left = min(size, PAGE) - len(found)
            if left <= 0:
                break
            found += [point_as_wire(point) | {"run_id": run_id} for point in _points(tx, run_id, key, limit=left)]
        return found

    return {"metrics": await call.read(view)}


def _wrong(text: str) -> WireError:
    return WireError("INVALID_PARAMETER_VALUE", text)


async def interval(call: Call) -> Any:
    """Answer at most `max_results` points of each run, evenly spread over its steps; the last one is always there."""
    fields = call.fields
    ids, key = fields.texts("run_ids"), fields.required("metric_key")
    if not ids:
        missing("run_ids")
    if len(ids) > MAX_RUNS:
        told = f"must specify at most {MAX_RUNS} run_ids. Received {len(ids)} run_ids."
        raise _wrong(f"GetMetricHistoryBulkInterval request {told}")
    size = fields.integer("max_results", MAX_POINTS) or 0
    if not 1 <= size <= MAX_POINTS:
        raise _wrong(f"max_results must be between 1 and {MAX_POINTS}.")
    steps = _steps(fields.integer("start_step"), fields.integer("end_step"))

    def view(tx: Reader) -> list[dict[str, Any]]:
        found = []
        for run_id in ids:
            points = tracking.metric_history(tx, run_id, key)
            if steps is not None:
                points = [point for point in points if steps[0] <= point.step <= steps[1]]
            found += [point_as_wire(point) | {"run_id": run_id} for point in thinned(points, size)]
        return found

    return pruned(metrics=await call.read(view))


def _steps(start: int | None, end: int | None) -> tuple[int, int] | None:
    if start is None or end is None:
        if start is not None or end is not None:
            raise _wrong("If either start step or end step are specified, both must be specified.")
        return None
    if start > end:
        raise _wrong(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")
    return start, end


def thinned(points: Sequence[MetricPoint], most: int) -> list[MetricPoint]:
    """Return the first point of each of `most` buckets of about one size, by step; of the last one the last point."""
    ranked = sorted(points, key=_rank)
    if len(ranked) <= most:
        return ranked
    small, larger = divmod(len(ranked), most)
    starts = [number * small + min(number, larger) for number in range(most - 1)]
    return [*(ranked[start] for start in starts), ranked[-1]]


def _rank(point: MetricPoint) -> tuple[int, int, float, bool]:
    is_nan = math.isnan(point.value)
    return point.step, point.timestamp_ms, 0.0 if is_nan else point.value, is_nan
