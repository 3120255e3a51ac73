"""The keys of metrics, parameters and tags, their values, and groups of runs by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from helicline.clock import from_epoch_ms
from helicline.records.run import MetricSpan, RunGroup, RunKey
from helicline.store.rows import metric
from helicline.store.rows import run as runs
from helicline.store.rows.search.filter import where
from helicline.store.rows.search.query import ATTRIBUTES, TABLES, RunQuery
from helicline.store.unit import Reader

RUN = runs.RUN
MAX_KEYS, MAX_GROUPS = 20_000, 500


def names(tx: Reader, entity: str) -> list[str]:
    """Return every key of that kind by a loose index scan, whose cost depends on the number of keys, not of runs."""
    table = TABLES[entity]
    scan = sa.select(sa.func.min(table.c.key).label("key")).cte(recursive=True)
    next_key = sa.select(sa.func.min(table.c.key)).where(table.c.key > scan.c.key).scalar_subquery()
    scan = scan.union_all(sa.select(next_key).where(scan.c.key.is_not(None)))
    rows = tx.execute(sa.select(scan.c.key).where(scan.c.key.is_not(None)).limit(MAX_KEYS))
    return [row.key for row in rows]


def values(tx: Reader, entity: str, key: str, *, prefix: str, limit: int, scan_limit: int = 5000) -> list[str]:
    """Return values of the key that begin with `prefix`, among its first `scan_limit` rows."""
    table = TABLES[entity]
    scanned = sa.select(table.c.value).where(table.c.key == key).limit(scan_limit).subquery()
    has_prefix = sa.func.substr(scanned.c.value, 1, len(prefix)) == prefix if prefix else sa.true()
    statement = sa.select(scanned.c.value).where(has_prefix).distinct().order_by(scanned.c.value).limit(limit)
    return [str(value) for (value,) in tx.execute(statement)]


def sample_keys(tx: Reader, query: RunQuery, *, sample: int) -> list[RunKey]:
    """Return the keys of the newest matching runs, the number of runs with each, and whether their values differ."""
    order = (RUN.c.start_ms.desc(), RUN.c.id)
    ids = [row.id for row in tx.execute(sa.select(RUN.c.id).where(*where(tx, query)).order_by(*order).limit(sample))]
    run_keys: list[RunKey] = []
    for entity, table in TABLES.items():
        seen_count = sa.func.count().label("seen_count")
        differs = (sa.func.min(table.c.value) != sa.func.max(table.c.value)).label("differs")
        statement = sa.select(table.c.key, seen_count, differs).where(table.c.run.in_(ids)).group_by(table.c.key)
        rows = tx.execute(statement.order_by(seen_count.desc(), table.c.key).limit(MAX_KEYS)).all() if ids else []
        run_keys += [
            RunKey(
                entity=entity,
                name=row.key,
                seen_count=row.seen_count,
                varies=bool(row.differs) or row.seen_count < len(ids),
            )
            for row in rows
        ]
    return run_keys


def groups(tx: Reader, query: RunQuery, *, by: tuple[str, str], metrics: Sequence[str]) -> tuple[list[RunGroup], int]:
    """Return the largest groups of runs with equal values (None: no value), and the number of all groups."""
    entity, key = by
    source: sa.FromClause = RUN
    if entity == "attribute":
        value: sa.ColumnElement[Any] = ATTRIBUTES[key]
    else:
        table = TABLES[entity].alias()
        source = RUN.outerjoin(table, sa.and_(table.c.run == RUN.c.id, table.c.key == key))
        value = table.c.value
    chosen = sa.select(RUN.c.id, RUN.c.start_ms, value.label("value")).select_from(source).where(*where(tx, query))
    base = chosen.cte("chosen")
    count = sa.func.count().label("runs")
    counted = sa.select(base.c.value, count, sa.func.max(base.c.start_ms).label("newest")).group_by(base.c.value)
    total = int(tx.execute(sa.select(sa.func.count()).select_from(counted.subquery())).scalar_one())
    rows = tx.execute(counted.order_by(count.desc(), base.c.value).limit(MAX_GROUPS)).all()
    spans = _spans(tx, base, metrics) if metrics else {}
    run_groups = [
        RunGroup(
            value=None if row.value is None else str(row.value),
            count=row.runs,
            newest=from_epoch_ms(row.newest),
            metrics=tuple(spans.get((row.value, name)) for name in metrics),
        )
        for row in rows
    ]
    return run_groups, total


def _spans(tx: Reader, base: sa.CTE, metrics: Sequence[str]) -> dict[tuple[Any, str], MetricSpan]:
    latest = metric.SERIES.c
    statement = (
        sa.select(
            base.c.value,
            latest.key,
            sa.func.min(latest.value).label("low"),
            sa.func.avg(latest.value).label("mean"),
            sa.func.max(latest.value).label("high"),
        )
        .select_from(base.join(metric.SERIES, latest.run == base.c.id))
        .where(latest.key.in_(metrics), sa.not_(latest.is_nan))
        .group_by(base.c.value, latest.key)
    )
    return {
        (row.value, row.key): MetricSpan(low=row.low, mean=row.mean, high=row.high) for row in tx.execute(statement)
    }
