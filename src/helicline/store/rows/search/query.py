"""The query of a search for runs: experiments, lifecycle stages, filter clauses and order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.records.run import Clause, Sort
from helicline.store.rows import metric
from helicline.store.rows.run import HEAD_LENGTH, RUN, RUN_PARAM, RUN_TAG

ATTRIBUTES: dict[str, sa.ColumnElement[Any]] = {
    "run_id": RUN.c.id,
    "run_name": RUN.c.name,
    "user_id": RUN.c.user,
    "status": RUN.c.status,
    "artifact_uri": RUN.c.artifact_uri,
    "start_time": RUN.c.start_ms,
    "end_time": RUN.c.end_ms,
}
TABLES = {"metric": metric.SERIES, "param": RUN_PARAM, "tag": RUN_TAG}


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to find, and in which order."""

    experiments: tuple[int, ...]
    lifecycles: tuple[str, ...]
    clauses: tuple[Clause, ...] = ()
    order: tuple[Sort, ...] = ()


def shape_of(query: RunQuery) -> RunQuery:
    """Return the query with samples in place of its values: queries of one shape share one compiled statement."""
    return RunQuery(
        experiments=(0,) * len(query.experiments),
        lifecycles=("",) * len(query.lifecycles),
        clauses=tuple(msgspec.structs.replace(clause, value=_sample(clause.value)) for clause in query.clauses),
        order=query.order,
    )


def _sample(value: Any) -> Any:
    if isinstance(value, tuple):
        return ("",) * len(value)
    if isinstance(value, str):
        return " " * HEAD_LENGTH if len(value) >= HEAD_LENGTH else ""
    return value if value is None else 0.0


def values_of(query: RunQuery) -> dict[str, Any]:
    """Return the bound values of the query's conditions, by name."""
    values = numbered("experiment", query.experiments) | numbered("lifecycle", query.lifecycles)
    for index, clause in enumerate(query.clauses):
        name, value = f"clause_{index}", clause.value
        if isinstance(value, tuple):
            values |= numbered(name, value)
        else:
            values[name] = value
            if isinstance(value, str):
                values[f"{name}_head"] = value[:HEAD_LENGTH]
    return values


def numbered(name: str, values: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}_{index}": value for index, value in enumerate(values)}
