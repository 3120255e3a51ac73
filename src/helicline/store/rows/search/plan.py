"""How a search finds its runs (note 0011).

PostgreSQL knows by its statistics whether few or most runs satisfy a condition. SQLite does not. So on SQLite a clause
on a metric, parameter or tag is counted first, up to a limit: where few runs satisfy it, their ids are read from its
index and the runs are looked up; else it is checked run by run in the sort order, until the page is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

import msgspec

from helicline.records.run import Clause
from helicline.store.rows.run import HEAD_LENGTH
from helicline.store.rows.search.query import TABLES, RunQuery
from helicline.store.unit import Reader

UNKNOWN = {"!=", "LIKE", "ILIKE", "IS NULL"}  # operators for which no index gives the number of rows


class Plan(msgspec.Struct, frozen=True):
    """How to find the runs: which clauses few runs satisfy, and whether the matching runs are few enough to sort."""

    few: tuple[bool, ...]
    is_few: bool


def plan_of(tx: Reader, query: RunQuery, *, limit: int = 1000) -> Plan:
    """Return the plan for a page of about `limit` runs."""
    if tx.is_postgres:
        return Plan((False,) * len(query.clauses), is_few=False)
    max_count = _max_sortable(tx, limit)
    few = tuple(_are_few(tx, clause, max_count) for clause in query.clauses)
    return Plan(few, is_few=any(few) or _are_few_among(tx, query, max_count))


def _max_sortable(tx: Reader, limit: int) -> int:
    """Return how many runs can be sorted at the cost of a scan that fills a page of `limit`.

    Where m of N runs match, a scan finds a page of k runs after about k N / m checks, and sorting costs m. The costs
    are equal where m is the square root of k N.
    """
    ((runs,),) = tx.run_text("SELECT max(rowid) FROM run")
    return isqrt(limit * (runs or 0)) + limit


def _are_few_among(tx: Reader, query: RunQuery, max_count: int) -> bool:
    placeholders = [", ".join("?" * len(values)) for values in (query.experiments, query.lifecycles)]
    among = f"run WHERE experiment IN ({placeholders[0]}) AND lifecycle IN ({placeholders[1]})"
    return _at_most(tx, among, (*query.experiments, *query.lifecycles), max_count)


def _are_few(tx: Reader, clause: Clause, max_count: int) -> bool:
    """Return whether few rows satisfy the clause by its index; `filter` defines what satisfies it."""
    if clause.entity not in TABLES or clause.op in UNKNOWN:
        return False
    table = TABLES[clause.entity].name
    if clause.op == "IS NOT NULL":
        return _at_most(tx, f"{table} WHERE key = ?", (clause.key,), max_count)
    if clause.entity == "metric":
        holds = f"{table} WHERE key = ? AND is_nan = 0 AND value {clause.op} ?"
        return _at_most(tx, holds, (clause.key, clause.value), max_count)
    return _at_most(tx, f"{table} WHERE key = ? AND head = ?", (clause.key, str(clause.value)[:HEAD_LENGTH]), max_count)


def _at_most(tx: Reader, rows: str, values: Sequence[Any], max_count: int) -> bool:
    ((count,),) = tx.run_text(f"SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT {max_count + 1})", values)
    return bool(count <= max_count)
