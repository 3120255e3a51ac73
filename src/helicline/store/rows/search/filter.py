"""Clauses as conditions on a run.

PostgreSQL knows by its statistics whether a condition holds for a few runs or for most. SQLite does not, so there a
metric, parameter or tag is probed first: what few runs satisfy is collected from its index and the runs are looked up;
what many satisfy is checked run by run, in the order in which runs are asked for, until the page is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.records.run import Clause, Sort
from helicline.store.rows import metric
from helicline.store.rows.run import HEAD, RUN, RUN_DATASET, RUN_INPUT, RUN_PARAM, RUN_TAG
from helicline.store.unit import Reader

ATTRIBUTES: dict[str, sa.ColumnElement[Any]] = {
    "run_id": RUN.c.id,
    "run_name": RUN.c.name,
    "user_id": RUN.c.user,
    "status": RUN.c.status,
    "artifact_uri": RUN.c.artifact_uri,
    "start_time": RUN.c.start_ms,
    "end_time": RUN.c.end_ms,
}
DATASET_COLUMNS = {"name": RUN_DATASET.c.name, "digest": RUN_DATASET.c.digest, "context": RUN_INPUT.c.context}
UNKNOWN = {"!=", "LIKE", "ILIKE"}  # no index tells how many rows satisfy these
TABLES = {"metric": metric.SERIES, "param": RUN_PARAM, "tag": RUN_TAG}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs, in which order."""

    experiments: tuple[int, ...]
    lifecycles: tuple[str, ...]
    clauses: tuple[Clause, ...] = ()
    order: tuple[Sort, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """The conditions that hold for the runs asked for.

    `among` says in which experiments and stages they are, `and_not_by_index` the same in words that let no index be
    used for it; `is_few` tells that there are so few that sorting them costs less than walking an order.
    """

    conditions: list[sa.ColumnElement[bool]]
    among: list[sa.ColumnElement[bool]]
    and_not_by_index: list[sa.ColumnElement[bool]]
    is_few: bool

    @property
    def all(self) -> list[sa.ColumnElement[bool]]:
        return [*self.among, *self.conditions]


def where(tx: Reader, asked: Asked, *, limit: int = 1000) -> Found:
    """Return the conditions for a page of about `limit` runs."""
    among = _among(RUN.c.experiment, RUN.c.lifecycle, asked)
    if tx.is_postgres:
        satisfied = [_holds(clause, is_postgres=True, few=False) for clause in asked.clauses]
        return Found(satisfied, among, among, is_few=False)
    most = _most(tx, limit)
    few = [_are_few(tx, clause, most) for clause in asked.clauses]
    satisfied = [_holds(clause, is_postgres=False, few=one) for clause, one in zip(asked.clauses, few, strict=True)]
    plus = [sa.literal_column(f"+run.{name}", RUN.c[name].type) for name in ("experiment", "lifecycle")]
    not_by_index = _among(plus[0], plus[1], asked)
    if any(few):  # their ids are at hand: no index of runs finds them sooner
        return Found(satisfied, not_by_index, not_by_index, is_few=True)
    is_few = _at_most(tx, sa.select(sa.literal(1)).select_from(RUN).where(*among), most)
    return Found(satisfied, among, not_by_index, is_few)


def _among(
    experiment: sa.ColumnElement[Any], lifecycle: sa.ColumnElement[Any], asked: Asked
) -> list[sa.ColumnElement[bool]]:
    return [_one_or_more(experiment, asked.experiments), _one_or_more(lifecycle, asked.lifecycles)]


def _one_or_more(column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    # equality lets an index give the order too; a list does not
    return column == values[0] if len(values) == 1 else column.in_(values)


def _most(tx: Reader, limit: int) -> int:
    """Return how many runs can be sorted for what it costs to walk an order until a page of `limit` is full.

    With m of N runs satisfying, a page of k is found after about k N / m looks, and sorting costs m: they meet where
    m is the root of k N.
    """
    runs = int(tx.execute(sa.select(sa.func.max(sa.literal_column("rowid"))).select_from(RUN)).scalar() or 0)
    return isqrt(limit * runs) + limit


def _are_few(tx: Reader, clause: Clause, most: int) -> bool:
    found = _rows_that_satisfy(clause, is_postgres=False)
    if found is None or clause.op in UNKNOWN:
        return False
    table, condition = found
    return _at_most(tx, sa.select(sa.literal(1)).select_from(table).where(condition), most)


def _at_most(tx: Reader, statement: sa.Select[Any], most: int) -> bool:
    probe = statement.limit(most + 1).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(probe)).scalar_one()) <= most


def _holds(clause: Clause, *, is_postgres: bool, few: bool) -> sa.ColumnElement[bool]:
    found = _rows_that_satisfy(clause, is_postgres=is_postgres)
    if found is None:
        return _satisfies(clause, is_postgres=is_postgres)
    table, condition = found
    if few:
        return RUN.c.id.in_(sa.select(table.c.run).where(condition))
    return _exists(sa.select(sa.literal(1)).where(table.c.run == RUN.c.id, condition))


def _rows_that_satisfy(clause: Clause, *, is_postgres: bool) -> tuple[sa.Table, sa.ColumnElement[bool]] | None:
    """Return the table and condition of the rows of which one must be the run's; None where it is not so simple."""
    if clause.entity not in TABLES or clause.op == "IS NULL":
        return None
    table = TABLES[clause.entity]
    named = table.c.key == clause.key
    if clause.entity == "metric":
        return table, sa.and_(named, _number_holds(clause))
    if clause.op == "IS NOT NULL":
        return table, named
    value = clause.value
    if clause.op == "=" and isinstance(value, str):
        begins = sa.and_(named, table.c.head == value[:HEAD])
        # a shorter value is its own beginning; said once, PostgreSQL guesses better how many there are
        return table, begins if len(value) < HEAD else sa.and_(begins, table.c.value == value)
    return table, sa.and_(named, _compare(table.c.value, clause, is_postgres=is_postgres))


def _number_holds(clause: Clause) -> sa.ColumnElement[bool]:
    latest = metric.SERIES.c
    compared = latest.value.op(clause.op, is_comparison=True)(sa.literal(clause.value, sa.Double))
    # NaN is unequal to every number and in no other relation to any
    if clause.op == "!=":
        return sa.or_(latest.is_nan == sa.true(), compared)
    return sa.and_(latest.is_nan == sa.false(), compared)


def _satisfies(clause: Clause, *, is_postgres: bool) -> sa.ColumnElement[bool]:
    if clause.entity == "attribute":
        return _compare(ATTRIBUTES[clause.key], clause, is_postgres=is_postgres)
    if clause.entity == "dataset":
        return _exists(
            sa.select(sa.literal(1))
            .select_from(RUN_INPUT.join(RUN_DATASET, RUN_DATASET.c.id == RUN_INPUT.c.dataset))
            .where(RUN_INPUT.c.run == RUN.c.id, _compare(DATASET_COLUMNS[clause.key], clause, is_postgres=is_postgres))
        )
    table = TABLES[clause.entity]
    return sa.not_(_exists(sa.select(sa.literal(1)).where(table.c.run == RUN.c.id, table.c.key == clause.key)))


def _exists(statement: sa.Select[Any]) -> sa.ColumnElement[bool]:
    return statement.correlate(RUN).exists()


def _compare(column: sa.ColumnElement[Any], clause: Clause, *, is_postgres: bool) -> sa.ColumnElement[bool]:
    value: Any = clause.value
    if clause.op in ("IN", "NOT IN"):
        return column.in_(value) if clause.op == "IN" else column.not_in(value)
    if clause.op in ("LIKE", "ILIKE"):
        # only % and _ are special on the wire; PostgreSQL would take a backslash for an escape
        escape = "" if is_postgres else None
        if clause.op == "LIKE":
            return column.like(value, escape=escape)
        return sa.func.lower(column).like(sa.func.lower(value), escape=escape)
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return column.is_(None) if clause.op == "IS NULL" else column.is_not(None)
    return column.op(clause.op, is_comparison=True)(value)
