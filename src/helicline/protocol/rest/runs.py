"""Experiments and runs over HTTP, for the UI and the CLI (clients log over the MLflow wire)."""

from __future__ import annotations

import msgspec
import numpy as np
from litestar import get

from helicline.protocol.rest.edge import Edge, Page, bounded
from helicline.records.run import Experiment, MetricPoint, Run
from helicline.store.rows.block import Floats, Ints
from helicline.store.unit import Reader
from helicline.tracking import get_run, metric_history, search_experiments, search_runs


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A metric's history of one run, at most `points` of them: of each bucket the first, least, greatest and last."""

    key: str
    total: int
    points: list[MetricPoint]


@get("/experiments", sync_to_thread=True)
def list_all_experiments(edge: Edge) -> Page[Experiment]:
    """Every active experiment."""
    return Page(edge.read(lambda tx: search_experiments(tx)[0]))


@get("/runs", sync_to_thread=True)
def search(
    edge: Edge,
    experiment: str = "",
    filter: str = "",
    order_by: str = "attributes.start_time DESC",
    limit: int = 100,
    after: str = "",
) -> Page[Run]:
    """Runs that match an MLflow filter, a page at a time; `order_by` like `metrics.accuracy DESC`."""

    def view(tx: Reader) -> Page[Run]:
        ids = [experiment] if experiment else [one.experiment_id for one in search_experiments(tx)[0]]
        found, token = search_runs(
            tx, ids, filter=filter, order_by=(order_by,), max_results=bounded(limit), page_token=after
        )
        return Page(found, token or "")

    return edge.read(view)


@get("/runs/{run_id:str}", sync_to_thread=True)
def get_one(edge: Edge, run_id: str) -> Run:
    """A run with its latest metrics, parameters, tags and inputs."""
    return edge.read(lambda tx: get_run(tx, run_id))


@get("/runs/{run_id:str}/metrics", sync_to_thread=True)
def get_series(edge: Edge, run_id: str, key: str, points: int = 1000) -> Series:
    """A metric's history, thinned to what a chart of that width can show."""
    most = bounded(points, most=10_000)
    history, _ = edge.read(lambda tx: metric_history(tx, run_id, key))
    chosen = history.part(thinned(history.values, most))
    rows = zip(chosen.values.tolist(), chosen.timestamps_ms.tolist(), chosen.steps.tolist(), strict=True)
    shown = [MetricPoint(key=key, value=value, timestamp_ms=at, step=step) for value, at, step in rows]
    return Series(key=key, total=history.total, points=shown)


def thinned(values: Floats, most: int) -> Ints:
    """Return the positions of at most `most` points: of each bucket the first, lowest, highest and last one."""
    if len(values) <= most:
        return np.arange(len(values))
    width = -(-len(values) // max(1, most // 4))
    buckets = np.pad(values, (0, -len(values) % width), mode="edge").reshape(-1, width)
    starts = np.arange(len(buckets)) * width
    # a NaN is neither low nor high, unless there is nothing else
    low = starts + np.where(np.isnan(buckets), np.inf, buckets).argmin(axis=1)
    high = starts + np.where(np.isnan(buckets), -np.inf, buckets).argmax(axis=1)
    return np.unique(np.minimum(np.concatenate((starts, low, high, starts + width - 1)), len(values) - 1))


ROUTES = [list_all_experiments, search, get_one, get_series]
