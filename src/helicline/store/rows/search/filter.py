"""Filter clauses as SQL conditions on a run, with bound values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.records.run import Clause
from helicline.store.rows import metric
from helicline.store.rows.run import HEAD_LENGTH, RUN, RUN_DATASET, RUN_INPUT
from helicline.store.rows.search.plan import Plan, plan_of
from helicline.store.rows.search.query import ATTRIBUTES, TABLES, RunQuery, numbered
from helicline.store.unit import Reader

DATASET_COLUMNS = {"name": RUN_DATASET.c.name, "digest": RUN_DATASET.c.digest, "context": RUN_INPUT.c.context}
# a plus before a column keeps SQLite from using an index for it
PLUS_EXPERIMENT, PLUS_LIFECYCLE = (
    sa.literal_column(f"+run.{name}", RUN.c[name].type) for name in ("experiment", "lifecycle")
)


class Conditions(msgspec.Struct, frozen=True):
    """The conditions of a search for runs.

    `among` restricts experiments and lifecycle stages; `and_not_by_index` does the same without the use of an index.
    """

    conditions: list[sa.ColumnElement[bool]]
    among: list[sa.ColumnElement[bool]]
    and_not_by_index: list[sa.ColumnElement[bool]]

    @property
    def all(self) -> list[sa.ColumnElement[bool]]:
        return [*self.among, *self.conditions]


def where(tx: Reader, query: RunQuery) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for a statement that reads all matching runs."""
    return conditions_of(query, plan_of(tx, query), is_postgres=tx.is_postgres).all


def conditions_of(
    query: RunQuery, plan: Plan, *, is_postgres: bool, run_id: sa.ColumnElement[Any] = RUN.c.id
) -> Conditions:
    """Return the conditions; their values are bound by the names of `values_of`.

    `run_id` is the column that has the run's id first, so that conditions are checked before the run is fetched.
    """
    terms = _Terms(run_id, is_postgres)
    conditions = [
        terms.condition(clause, f"clause_{at}", few=few)
        for at, (clause, few) in enumerate(zip(query.clauses, plan.few, strict=True))
    ]
    among = _among(RUN.c.experiment, RUN.c.lifecycle, query)
    if is_postgres:
        return Conditions(conditions, among, among)
    not_by_index = _among(PLUS_EXPERIMENT, PLUS_LIFECYCLE, query)
    # where few run ids come from the index of a clause, an index of runs does not help
    return Conditions(conditions, not_by_index if any(plan.few) else among, not_by_index)


def _among(
    experiment: sa.ColumnElement[Any], lifecycle: sa.ColumnElement[Any], query: RunQuery
) -> list[sa.ColumnElement[bool]]:
    return [
        _is_any(experiment, "experiment", query.experiments),
        _is_any(lifecycle, "lifecycle", query.lifecycles),
    ]


def _is_any(column: sa.ColumnElement[Any], name: str, values: Sequence[Any]) -> sa.ColumnElement[bool]:
    bound = _parameters(column, name, values)
    if not bound:
        return sa.false()
    # equality lets an index give the order too; a list does not
    return column == bound[0] if len(bound) == 1 else column.in_(bound)


def _parameters(column: sa.ColumnElement[Any], name: str, values: Sequence[Any]) -> list[sa.BindParameter[Any]]:
    return [sa.bindparam(key, value, column.type) for key, value in numbered(name, values).items()]


class _Terms(msgspec.Struct, frozen=True):
    """Builds conditions from clauses, each with its value bound as `name`."""

    run_id: sa.ColumnElement[Any]
    is_postgres: bool

    def condition(self, clause: Clause, name: str, *, few: bool) -> sa.ColumnElement[bool]:
        if clause.entity == "attribute":
            return self._compare(ATTRIBUTES[clause.key], clause, name)
        if clause.entity == "dataset":
            used = RUN_INPUT.join(RUN_DATASET, RUN_DATASET.c.id == RUN_INPUT.c.dataset)
            return self._exists(used, RUN_INPUT.c.run, self._compare(DATASET_COLUMNS[clause.key], clause, name))
        table = TABLES[clause.entity]
        has_key = table.c.key == clause.key
        if clause.op == "IS NULL":
            return sa.not_(self._exists(table, table.c.run, has_key))
        row = sa.and_(has_key, *self._row_conditions(table, clause, name))
        if few:
            return self.run_id.in_(sa.select(table.c.run).where(row))
        return self._exists(table, table.c.run, row)

    def _exists(
        self, source: sa.FromClause, run: sa.ColumnElement[Any], condition: sa.ColumnElement[bool]
    ) -> sa.ColumnElement[bool]:
        rows = sa.select(sa.literal(1)).select_from(source).where(run == self.run_id, condition)
        return rows.correlate(self.run_id.table).exists()

    def _row_conditions(self, table: sa.Table, clause: Clause, name: str) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on the row of the clause's key, of which a run has one."""
        if clause.op == "IS NOT NULL":
            return []
        if clause.entity == "metric":
            return [_number_condition(clause, name)]
        compared = self._compare(table.c.value, clause, name)
        value = clause.value
        if clause.op != "=" or not isinstance(value, str):
            return [compared]
        head_matches = table.c.head == sa.bindparam(f"{name}_head", value[:HEAD_LENGTH], table.c.head.type)
        # a shorter value equals its head; a second condition would spoil PostgreSQL's estimate of the row count
        return [head_matches] if len(value) < HEAD_LENGTH else [head_matches, compared]

    def _compare(self, column: sa.ColumnElement[Any], clause: Clause, name: str) -> sa.ColumnElement[bool]:
        if isinstance(clause.value, tuple):
            parameters = _parameters(column, name, clause.value)
            return column.in_(parameters) if clause.op == "IN" else column.not_in(parameters)
        value = sa.bindparam(name, clause.value, column.type)
        if clause.op in ("LIKE", "ILIKE"):
            # only % and _ are special in MLflow's LIKE; PostgreSQL would treat a backslash as an escape
            escape = "" if self.is_postgres else None
            if clause.op == "LIKE":
                return column.like(value, escape=escape)
            return sa.func.lower(column).like(sa.func.lower(value), escape=escape)
        if clause.op in ("IS NULL", "IS NOT NULL"):
            return column.is_(None) if clause.op == "IS NULL" else column.is_not(None)
        return column.op(clause.op, is_comparison=True)(value)


def _number_condition(clause: Clause, name: str) -> sa.ColumnElement[bool]:
    latest = metric.SERIES.c
    compared = latest.value.op(clause.op, is_comparison=True)(sa.bindparam(name, clause.value, sa.Double))
    # NaN is unequal to every number, and all other comparisons with it are false
    if clause.op == "!=":
        return sa.or_(latest.is_nan == sa.true(), compared)
    return sa.and_(latest.is_nan == sa.false(), compared)
