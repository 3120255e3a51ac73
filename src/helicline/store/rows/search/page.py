"""The runs of a search: pages that begin at a place in the order, and marks along the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from helicline.clock import from_epoch_ms
from helicline.records.run import Run, RunRow
from helicline.store.rows import run as runs
from helicline.store.rows.search.filter import TABLES, Asked, Found, where
from helicline.store.rows.search.order import Stretch, beginning_at, in_order, stretches, whole
from helicline.store.unit import Reader

RUN = runs.RUN
Place = list[Any]


def places(
    tx: Reader, asked: Asked, *, start: Sequence[Any] | None, limit: int
) -> tuple[list[sa.Row[Any]], Place | None]:
    """Return the rows of `limit` runs from the place `start` on, and the place of the next one, None at the end."""
    found: list[sa.Row[Any]] = []
    if tx.is_postgres:  # a plan for any values joins whole tables where one for these walks a little way
        tx.run_text("SET LOCAL plan_cache_mode = force_custom_plan")
    conditions = where(tx, asked, limit=limit)
    if conditions.is_few:
        found = _walked(tx, whole(asked.order), conditions, start=start, limit=limit + 1)
    else:
        for stretch in stretches(asked.order):
            if start is not None and stretch.rank is not None and stretch.rank < start[0]:
                continue
            begins_here = start is not None and stretch.rank in (None, start[0])
            wanted = limit + 1 - len(found)
            found += _walked(tx, stretch, conditions, start=start if begins_here else None, limit=wanted)
            if len(found) > limit:
                break
    following = list(found[limit][len(RUN.c) :]) if len(found) > limit else None
    return found[:limit], following


def _walked(
    tx: Reader, stretch: Stretch, found: Found, *, start: Sequence[Any] | None, limit: int
) -> list[sa.Row[Any]]:
    keys = stretch.keys
    labelled = [key.label(f"k{at}") for at, (key, _) in enumerate(keys)]
    among = found.and_not_by_index if stretch.is_indexed else found.among
    statement = sa.select(RUN, *labelled).select_from(stretch.source)
    statement = statement.where(*among, *found.conditions, *stretch.conditions)
    # within a stretch the rank is the same everywhere
    told = keys if stretch.rank is None else keys[1:]
    if start is not None:
        statement = statement.where(beginning_at(told, start[-len(told) :]))
    return list(tx.execute(statement.order_by(*in_order(told)).limit(limit)).all())


def runs_from(tx: Reader, asked: Asked, *, start: Sequence[Any] | None, limit: int) -> tuple[list[Run], Place | None]:
    """Return whole runs from the place `start` on, and the place of the next one, None at the end."""
    found, following = places(tx, asked, start=start, limit=limit)
    return runs.filled(tx, found), following


def rows_from(
    tx: Reader, asked: Asked, *, columns: Sequence[tuple[str, str]], start: Sequence[Any] | None, limit: int
) -> tuple[list[RunRow], Place | None]:
    """Return `limit` runs with the values of `columns` from the place `start` on, and the place of the next one."""
    found, following = places(tx, asked, start=start, limit=limit)
    return _rows(tx, found, columns), following


def marks_along(tx: Reader, asked: Asked, *, every: int) -> tuple[int, list[list[Any]]]:
    """Return how many runs there are, and the places of the first run and of each `every`-th after it."""
    order, conditions = whole(asked.order), where(tx, asked).all
    keys = order.keys
    numbered = (
        sa.select(
            *(key.label(f"k{at}") for at, (key, _) in enumerate(keys)),
            sa.func.row_number().over(order_by=in_order(keys)).label("place"),
        )
        .select_from(order.source)
        .where(*conditions)
        .subquery()
    )
    kept = sa.select(numbered).where(numbered.c.place % every == sa.literal(1 % every)).order_by(numbered.c.place)
    total = tx.execute(sa.select(sa.func.count()).select_from(RUN).where(*conditions)).scalar_one()
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
