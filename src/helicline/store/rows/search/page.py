"""Pages of a search for runs (note 0011): runs from a position in the order on, and the positions of all pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from helicline.records.run import Run, RunRow, Sort
from helicline.store.rows import run as runs
from helicline.store.rows.search.filter import conditions_of, where
from helicline.store.rows.search.order import OrderRange, from_position, in_order, ranges, whole_order
from helicline.store.rows.search.plan import Plan, plan_of
from helicline.store.rows.search.query import TABLES, RunQuery, numbered, shape_of, values_of
from helicline.store.unit import Reader

RUN = runs.RUN
Position = list[Any]


def page_rows(
    tx: Reader, query: RunQuery, *, start: Sequence[Any] | None, limit: int
) -> tuple[list[tuple[Any, ...]], Position | None]:
    """Return the rows of `limit` runs from the position `start` on, and the position of the next run, None at the end.

    A row has the run's columns, and after them its position.
    """
    rows: list[tuple[Any, ...]] = []
    if tx.is_postgres:  # a generic plan joins whole tables where a plan for these values scans a short range
        tx.run_text("SET LOCAL plan_cache_mode = force_custom_plan")
    plan = plan_of(tx, query, limit=limit)
    shape, values = shape_of(query), values_of(query)
    for number, range_ in enumerate(_ranges_to_scan(query.order, plan)):
        if start is not None and range_.rank is not None and range_.rank < start[0]:
            continue
        begins_here = start is not None and range_.rank in (None, start[0])
        position = start[-len(range_.position_keys) :] if start is not None and begins_here else ()
        page = _page(tx.connection.dialect, shape, plan, number, tuple(value is None for value in position))
        rows += page.rows(tx, values | numbered("start", position) | {"limit": limit + 1 - len(rows)})
        if len(rows) > limit:
            break
    next_position = list(rows[limit][len(RUN.c) :]) if len(rows) > limit else None
    return rows[:limit], next_position


class _Page(NamedTuple):
    """A compiled statement; `names` is the order of its values for the driver, None where they are passed by name."""

    sql: str
    constants: dict[str, Any]
    names: tuple[str, ...] | None

    def rows(self, tx: Reader, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        bound = self.constants | values
        if self.names is None:
            return tx.run_text(self.sql, bound)
        return tx.run_text(self.sql, [bound[name] for name in self.names])


def _ranges_to_scan(order: tuple[Sort, ...], plan: Plan) -> tuple[OrderRange, ...]:
    return (whole_order(order),) if plan.is_few else ranges(order)


@lru_cache(1024)
def _page(dialect: sa.Dialect, shape: RunQuery, plan: Plan, number: int, are_missing: tuple[bool, ...]) -> _Page:
    """Return the compiled statement for pages of that shape; compilation takes longer than execution."""
    range_ = _ranges_to_scan(shape.order, plan)[number]
    conditions = conditions_of(shape, plan, is_postgres=dialect.name == "postgresql", run_id=range_.run_id)
    labelled = [key.label(f"k{index}") for index, (key, _) in enumerate(range_.keys)]
    among = conditions.and_not_by_index if range_.is_indexed else conditions.among
    statement = sa.select(RUN, *labelled).select_from(range_.source)
    statement = statement.where(*among, *conditions.conditions, *range_.conditions)
    if are_missing:
        statement = statement.where(from_position(range_.position_keys, are_missing))
    statement = statement.order_by(*in_order(range_.position_keys)).limit(sa.bindparam("limit", type_=sa.BigInteger))
    compiled = statement.compile(dialect=dialect)
    names = None if compiled.positiontup is None else tuple(compiled.positiontup)
    # a value that a caller forgets must raise an error, and not fall back to its sample
    constants = {name: value for name, value in compiled.params.items() if name not in values_of(shape)}
    return _Page(str(compiled), constants, names)


def runs_from(
    tx: Reader, query: RunQuery, *, start: Sequence[Any] | None, limit: int
) -> tuple[list[Run], Position | None]:
    """Return whole runs from the position `start` on, and the position of the next run, None at the end."""
    rows, next_position = page_rows(tx, query, start=start, limit=limit)
    return runs.load(tx, rows), next_position


def rows_from(
    tx: Reader, query: RunQuery, *, columns: Sequence[tuple[str, str]], start: Sequence[Any] | None, limit: int
) -> tuple[list[RunRow], Position | None]:
    """Return `limit` runs with the values of `columns` from `start` on, and the position of the next run."""
    rows, next_position = page_rows(tx, query, start=start, limit=limit)
    return _rows(tx, rows, columns), next_position


def page_positions(tx: Reader, query: RunQuery, *, every: int) -> tuple[int, list[list[Any]]]:
    """Return the number of runs, and the positions of the first run and of each `every`-th after it."""
    order, conditions = whole_order(query.order), where(tx, query)
    keys = order.keys
    ranked = (
        sa.select(
            *(key.label(f"k{index}") for index, (key, _) in enumerate(keys)),
            sa.func.row_number().over(order_by=in_order(keys)).label("place"),
        )
        .select_from(order.source)
        .where(*conditions)
        .subquery()
    )
    sampled = sa.select(ranked).where(ranked.c.place % every == sa.literal(1 % every)).order_by(ranked.c.place)
    total = tx.execute(sa.select(sa.func.count()).select_from(RUN).where(*conditions)).scalar_one()
    return int(total), [list(row)[:-1] for row in tx.execute(sampled)]


def _rows(tx: Reader, rows: Sequence[Sequence[Any]], columns: Sequence[tuple[str, str]]) -> list[RunRow]:
    values = _values(tx, [row[0] for row in rows], columns)
    return [
        RunRow(
            run_id=run.run_id,
            experiment_id=run.experiment_id,
            name=run.name,
            status=run.status,
            lifecycle=run.lifecycle,
            user=run.user,
            start_time=run.start_time,
            end_time=run.end_time,
            values=tuple(values.get((*column, run.run_id)) for column in columns),
        )
        for run in map(runs.record, rows)
    ]


def _values(
    tx: Reader, ids: Sequence[str], columns: Sequence[tuple[str, str]]
) -> dict[tuple[str, str, str], float | str]:
    """Return the values by (entity, key, run). NaN is a string, because JSON has no number for it."""
    values: dict[tuple[str, str, str], float | str] = {}
    for entity in {entity for entity, _ in columns} if ids else ():
        table = TABLES[entity]
        keys = [key for column_entity, key in columns if column_entity == entity]
        statement = sa.select(table).where(table.c.run.in_(ids), table.c.key.in_(keys))
        for row in tx.execute(statement):
            nan = entity == "metric" and row.is_nan
            values[entity, row.key, row.run] = "NaN" if nan else row.value
    return values
