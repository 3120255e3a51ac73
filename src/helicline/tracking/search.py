"""Searches for experiments, runs and logged models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Any, TypeVar

from helicline.clock import epoch_ms
from helicline.errors import Invalid
from helicline.records.run import Clause, Experiment, LoggedModel, MetricPoint, Run, Sort
from helicline.store.rows import experiment as experiment_rows
from helicline.store.rows import logged_model as model_rows
from helicline.store.rows.search.order import types_of
from helicline.store.rows.search.page import runs_from
from helicline.store.rows.search.query import RunQuery
from helicline.store.unit import Reader
from helicline.tracking import grammar
from helicline.tracking.experiment import experiment_number
from helicline.tracking.grammar import LISTED, NULLABLE, NUMERIC, TEXT, Grammar, Kind, attribute
from helicline.tracking.page_token import decode_ordered_token, encode_ordered_token, paginate

VIEWS = {"ACTIVE_ONLY": ("active",), "DELETED_ONLY": ("deleted",), "ALL": ("active", "deleted")}
MAX_PAGE = 50_000
T = TypeVar("T")


def _aliases(**spellings: str) -> dict[str, str]:
    return {alias: entity for entity, names in spellings.items() for alias in names.split()}


RUNS = Grammar(
    aliases=_aliases(
        metric="metric metrics",
        param="param params parameter parameters",
        tag="tag tags",
        attribute="attribute attributes attr run",
        dataset="dataset datasets",
    ),
    kinds={
        "metric": Kind(ops=NUMERIC, is_number=True),
        "param": Kind(ops=NULLABLE),
        "tag": Kind(ops=NULLABLE),
        "dataset": Kind(
            ops=LISTED,
            is_filter_only=True,
            keys=attribute(LISTED, "name") | attribute(LISTED, "digest") | attribute(LISTED, "context"),
        ),
        "attribute": Kind(
            ops=TEXT,
            keys=attribute(LISTED, "run_id")
            | attribute(TEXT, "run_name", "run name", "Run name", "Run Name", "name")
            | attribute(TEXT, "user_id", "user", "User")
            | attribute(TEXT, "status")
            | attribute(TEXT, "artifact_uri")
            | attribute(NUMERIC, "start_time", "created", "Created", is_number=True)
            | attribute(NUMERIC, "end_time", is_number=True),
        ),
    },
)
EXPERIMENTS = Grammar(
    aliases=_aliases(tag="tag tags", attribute="attribute attributes attr"),
    kinds={
        "tag": Kind(ops=NULLABLE),
        "attribute": Kind(
            ops=TEXT,
            keys=attribute(TEXT, "name")
            | attribute(frozenset({"=", "!=", "IN", "NOT IN"}), "experiment_id")
            | attribute(NUMERIC, "creation_time", is_number=True)
            | attribute(NUMERIC, "last_update_time", is_number=True),
        ),
    },
)
MODELS = Grammar(
    aliases=_aliases(
        metric="metric metrics", param="param params", tag="tag tags", attribute="attribute attributes attr"
    ),
    kinds={
        "metric": Kind(ops=NUMERIC, is_number=True),
        "param": Kind(ops=NULLABLE | LISTED),
        "tag": Kind(ops=NULLABLE | LISTED),
        "attribute": Kind(
            ops=LISTED,
            keys=attribute(LISTED, "name")
            | attribute(LISTED, "model_id")
            | attribute(LISTED, "model_type")
            | attribute(LISTED, "status")
            | attribute(LISTED, "source_run_id")
            | attribute(LISTED, "experiment_id")
            | attribute(NUMERIC, "creation_timestamp", "creation_time", is_number=True)
            | attribute(NUMERIC, "last_updated_timestamp", "last_updated_time", is_number=True),
        ),
    },
)


def lifecycles(view: str) -> tuple[str, ...]:
    if view not in VIEWS:
        raise Invalid("view_type", view, f"one of {', '.join(VIEWS)}")
    return VIEWS[view]


def checked_page(field: str, size: int, max_size: int) -> int:
    if size < 1:
        raise Invalid(field, size, f"It must be a positive integer of at most {max_size}")
    if size > max_size:
        raise Invalid(field, size, f"It must be at most {max_size}")
    return size


def search_runs(
    tx: Reader,
    experiment_ids: Sequence[str],
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int = 1000,
    page_token: str = "",
    view: str = "ACTIVE_ONLY",
) -> tuple[list[Run], str]:
    """Return one page of runs and the token of the next, "" at the end; newest first by default."""
    checked_page("max_results", max_results, MAX_PAGE)
    numbers = [experiment_number(experiment_id) for experiment_id in experiment_ids]
    if len(numbers) > grammar.MAX_LIST:
        raise Invalid("experiment_ids", len(numbers), f"at most {grammar.MAX_LIST}")
    query = RunQuery(
        experiments=tuple(numbers),
        lifecycles=lifecycles(view),
        clauses=tuple(grammar.parse_filter(filter, RUNS)),
        order=tuple(grammar.parse_order(order_by, RUNS)),
    )
    start = decode_ordered_token(page_token, order_by, types_of(query.order)) if page_token else None
    runs, next_position = runs_from(tx, query, start=start, limit=max_results)
    return runs, encode_ordered_token(order_by, next_position) if next_position is not None else ""


def search_experiments(
    tx: Reader,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int = 1000,
    page_token: str = "",
    view: str = "ACTIVE_ONLY",
) -> tuple[list[Experiment], str]:
    """Return one page of experiments and the token of the next; newest first by default."""
    checked_page("max_results", max_results, MAX_PAGE)
    clauses = grammar.parse_filter(filter, EXPERIMENTS)
    order = grammar.parse_order(order_by, EXPERIMENTS)
    matching = [
        experiment
        for experiment in experiment_rows.find_all(tx, lifecycles(view))
        if all(grammar.satisfies(clause, _experiment_value(experiment, clause)) for clause in clauses)
    ]
    ordered = sort_items(matching, order, _experiment_value)
    return paginate(ordered, limit=max_results, token=page_token, id_of=lambda experiment: experiment.experiment_id)


def _experiment_value(experiment: Experiment, term: Clause | Sort) -> Any:
    if term.entity == "tag":
        return experiment.tags.get(term.key)
    if term.key in ("creation_time", "last_update_time"):
        return epoch_ms(experiment.created_at if term.key == "creation_time" else experiment.updated_at)
    return getattr(experiment, term.key)


def search_logged_models(
    tx: Reader,
    experiment_ids: Sequence[str],
    *,
    filter: str = "",
    order: Sequence[Sort] = (),
    datasets: Sequence[tuple[str, str]] = (),
    window: tuple[int, str] = (50, ""),
) -> tuple[list[LoggedModel], str]:
    """Return one page of models and the token of the next; newest first by default.

    `datasets` restricts the metrics to those of (name, digest), with "" for any digest; without a clause on a metric it
    finds the models with any metric on them. `window` is (page size, token).
    """
    checked_page("max_results", window[0], 1000)
    clauses = grammar.parse_filter(filter, MODELS)
    runs = [str(c.value) for c in clauses if c.key == "source_run_id" and c.op == "=" and c.entity == "attribute"]
    if runs:
        ids = set(experiment_ids)
        models = [model for model in model_rows.of_run(tx, runs[0]) if model.experiment_id in ids]
    else:
        models = model_rows.of_experiments(tx, [experiment_number(number) for number in experiment_ids])
    if datasets and not any(clause.entity == "metric" for clause in clauses):
        models = [model for model in models if any(_is_on(point, datasets) for point in model.metrics)]
    matching = [model for model in models if all(_model_matches(model, clause, datasets) for clause in clauses)]
    ordered = sort_items(matching, order, _model_value)
    return paginate(ordered, limit=window[0], token=window[1], id_of=lambda model: model.model_id)


def _model_matches(model: LoggedModel, clause: Clause, datasets: Sequence[tuple[str, str]]) -> bool:
    if clause.entity != "metric":
        return grammar.satisfies(clause, _model_value(model, clause))
    return any(
        grammar.satisfies(clause, point.value)
        for point in model.metrics
        if point.key == clause.key and (not datasets or _is_on(point, datasets))
    )


def _is_on(point: MetricPoint, datasets: Sequence[tuple[str, str]]) -> bool:
    """Return whether the point was measured on one of the datasets."""
    return any(name in ("", point.dataset_name) and digest in ("", point.dataset_digest) for name, digest in datasets)


def _model_value(model: LoggedModel, term: Clause | Sort) -> Any:
    if isinstance(term, Sort) and term.entity == "metric":
        points = [point for point in model.metrics if point.key == term.key and _is_on(point, [term.dataset])]
        newest_first = sorted(points, key=lambda point: (-point.timestamp_ms, -point.step, point.run_id))
        return newest_first[0].value if newest_first else None
    if term.entity in ("param", "tag"):
        return (model.params if term.entity == "param" else model.tags).get(term.key)
    if term.key in ("creation_timestamp", "last_updated_timestamp"):
        return epoch_ms(model.created_at if term.key == "creation_timestamp" else model.updated_at)
    return getattr(model, term.key)


def sort_items(items: list[T], order: Sequence[Sort], value_of: Callable[[T, Any], Any]) -> list[T]:
    """Return `items` sorted by `order`, missing values last in both directions; equal items keep their order."""

    def compare(item: T, other: T) -> int:
        for sort in order:
            a, b = value_of(item, sort), value_of(other, sort)
            if a == b:
                continue
            if a is None or b is None:
                return 1 if a is None else -1
            return (-1 if a < b else 1) * (1 if sort.ascending else -1)
        return 0

    return sorted(items, key=cmp_to_key(compare)) if order else items
