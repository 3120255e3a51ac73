"""Experiments and runs over HTTP, for the UI and the CLI (clients log by the MLflow protocol)."""

from __future__ import annotations

from litestar import get

from helicline.protocol.rest.edge import Edge, Page, checked_limit
from helicline.records.run import Experiment, Run
from helicline.store.unit import Reader
from helicline.tracking import experiment_of, get_run, search_experiments, search_runs


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
    """Runs that match an MLflow filter, by page; `order_by` like `metrics.accuracy DESC`.

    `experiment` is an id, or a name that is not a number.
    """

    def view(tx: Reader) -> Page[Run]:
        ids = (
            [experiment_of(tx, experiment)]
            if experiment
            else [candidate.experiment_id for candidate in search_experiments(tx)[0]]
        )
        runs, token = search_runs(
            tx, ids, filter=filter, order_by=(order_by,), max_results=checked_limit(limit), page_token=after
        )
        return Page(runs, token or "")

    return edge.read(view)


@get("/runs/{run_id:str}", sync_to_thread=True)
def get_one(edge: Edge, run_id: str) -> Run:
    """A run with its latest metrics, parameters, tags and inputs."""
    return edge.read(lambda tx: get_run(tx, run_id))


ROUTES = [list_all_experiments, search, get_one]
