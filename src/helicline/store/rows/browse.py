"""The runs of a search as a table: pages that begin at a place in the order, and marks along the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from helicline.clock import from_epoch_ms
from helicline.records.run import Clause, RunRow, Sort
from helicline.store.rows import metric
from helicline.store.rows import run as runs
from helicline.store.unit import Reader

RUN = runs.RUN
WHOLE = {"start_time", "run_id", "run_name", "user_id", "status", "artifact_uri"}  # never missing, so never ranked
TABLES = {"metric": metric.SERIES, "param": runs.RUN_PARAM, "tag": runs.RUN_TAG}
Key = tuple[sa.ColumnElement[Any], bool]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs, in which order."""

    experiments: tuple[int, ...]
    lifecycles: tuple[str, ...]
    clauses: tuple[Clause, ...] = ()
    order: tuple[Sort, ...] = ()


def where(tx: Reader, asked: Asked) -> list[sa.ColumnElement[bool]]:
    one = asked.experiments[0] if len(asked.experiments) == 1 else None
    found = [RUN.c.experiment == one if one is not None else RUN.c.experiment.in_(asked.experiments)]
    if len(asked.lifecycles) == 1:
        found.append(RUN.c.lifecycle == asked.lifecycles[0])
    else:
        found.append(RUN.c.lifecycle.in_(asked.lifecycles))
    return found + [runs._satisfies(clause, is_postgres=tx.is_postgres) for clause in asked.clauses]


def _source(order: Sequence[Sort]) -> tuple[sa.FromClause, list[Key]]:
    """Return the run joined to what the order needs, and its keys; the last ones make every run's place unique."""
    source: sa.FromClause = RUN
    keys: list[Key] = []
    for sort in order:
        if sort.entity == "attribute":
            value = runs.ATTRIBUTES[sort.key]
            if sort.key not in WHOLE:
                keys.append((sa.case((value.is_(None), 1), else_=0), True))
        elif sort.entity == "metric":
            latest = metric.SERIES.alias()
            source = source.outerjoin(latest, sa.and_(latest.c.run == RUN.c.id, latest.c.key == sort.key))
            value = latest.c.value
            keys.append((sa.case((value.is_(None), 2), (latest.c.is_nan, 1), else_=0), True))
        else:
            table = TABLES[sort.entity].alias()
            source = source.outerjoin(table, sa.and_(table.c.run == RUN.c.id, table.c.key == sort.key))
            value = table.c.value
            keys.append((sa.case((value.is_(None), 1), else_=0), True))
        keys.append((value, sort.ascending))
    named = {id(key) for key, _ in keys}
    return source, keys + [key for key in ((RUN.c.start_ms, False), (RUN.c.id, True)) if id(key[0]) not in named]


def _in_order(keys: Sequence[Key]) -> list[Any]:
    return [key.asc() if ascending else key.desc() for key, ascending in keys]


def _from(keys: Sequence[Key], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Return what holds of the place at `values` and of every later one."""
    later: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    for (key, ascending), value in zip(keys, values, strict=True):
        if value is not None:
            later.append(sa.and_(*same, key > value if ascending else key < value))
        same.append(key.is_(None) if value is None else key == value)
    (first, ascending), value = keys[0], values[0]
    # said twice: databases search an index by the plain comparison, and cannot by the alternatives
    bound = sa.true() if value is None else (first >= value if ascending else first <= value)
    return sa.and_(bound, sa.or_(*later, sa.and_(*same)))


def kinds_of(order: Sequence[Sort]) -> list[type]:
    """Return of what type each value of a place is, where it is not missing."""
    python = {sa.BigInteger: int, sa.Integer: int, sa.Double: float}
    return [next((python[k] for k in python if isinstance(key.type, k)), str) for key, _ in _source(order)[1]]


def page(
    tx: Reader, asked: Asked, *, columns: Sequence[tuple[str, str]], start: Sequence[Any] | None, limit: int
) -> tuple[list[RunRow], list[Any] | None]:
    """Return `limit` runs from the place `start` on, and the place of the next one, None at the end."""
    source, keys = _source(asked.order)
    labelled = [key.label(f"k{at}") for at, (key, _) in enumerate(keys)]
    statement = sa.select(RUN, *labelled).select_from(source).where(*where(tx, asked))
    if start is not None:
        statement = statement.where(_from(keys, start))
    found = tx.execute(statement.order_by(*_in_order(keys)).limit(limit + 1)).all()
    following = list(found[limit][-len(keys) :]) if len(found) > limit else None
    return _rows(tx, found[:limit], columns), following


def marks(tx: Reader, asked: Asked, *, every: int) -> tuple[int, list[list[Any]]]:
    """Return how many runs there are, and the places of the first run and of each `every`-th after it."""
    source, keys = _source(asked.order)
    numbered = (
        sa.select(
            *(key.label(f"k{at}") for at, (key, _) in enumerate(keys)),
            sa.func.row_number().over(order_by=_in_order(keys)).label("place"),
        )
        .select_from(source)
        .where(*where(tx, asked))
        .subquery()
    )
    kept = sa.select(numbered).where(numbered.c.place % every == sa.literal(1 % every)).order_by(numbered.c.place)
    total = tx.execute(sa.select(sa.func.count()).select_from(RUN).where(*where(tx, asked))).scalar_one()
    return int(total), [list(row)[:-1] for row in tx.execute(kept)]


def _rows(tx: Reader, found: Sequence[sa.Row[Any]], columns: Sequence[tuple[str, str]]) -> list[RunRow]:
    values = _values(tx, [row.id for row in found], columns)
    return [
        RunRow(
            run_id=row.id,
            experiment_id=str(row.experiment),
            name=row.name,
            status=row.status,
            lifecycle=row.lifecycle,
            user=row.user,
            start_time=from_epoch_ms(row.start_ms),
            end_time=None if row.end_ms is None else from_epoch_ms(row.end_ms),
            values=tuple(values.get((*column, row.id)) for column in columns),
        )
        for row in found
    ]


def _values(
    tx: Reader, ids: Sequence[str], columns: Sequence[tuple[str, str]]
) -> dict[tuple[str, str, str], float | str]:
    """Return the values by (entity, key, run). NaN is told as text: JSON has no number for it."""
    found: dict[tuple[str, str, str], float | str] = {}
    for entity in {entity for entity, _ in columns} if ids else ():
        table = TABLES[entity]
        keys = [key for named, key in columns if named == entity]
        statement = sa.select(table).where(table.c.run.in_(ids), table.c.key.in_(keys))
        for row in tx.execute(statement):
            nan = entity == "metric" and row.is_nan
            found[entity, row.key, row.run] = "NaN" if nan else row.value
    return found
