"""Metric points, and the latest point of each key in a table of its own so that search never reads history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from helicline.records.run import MetricPoint
from helicline.store.noun import metadata
from helicline.store.rows.experiment import Exact, add_missing, insert_into
from helicline.store.unit import Reader, Tx

METRIC_POINT = sa.Table(
    "metric_point",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("key", Exact, primary_key=True),
    sa.Column("timestamp_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double, primary_key=True),
    sa.Column("is_nan", sa.Boolean, primary_key=True),
    sqlite_with_rowid=False,
)
RUN_LATEST = sa.Table(
    "run_latest",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("key", Exact, primary_key=True),
    sa.Column("timestamp_ms", sa.BigInteger, nullable=False),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("is_nan", sa.Boolean, nullable=False),
    sa.Index("ix_run_latest_key_value", "key", "is_nan", "value", "run"),
    sqlite_with_rowid=False,
)


def rank(point: MetricPoint) -> tuple[int, int, float]:
    """Return what decides which point is the latest; NaN ranks as 0."""
    return (point.step, point.timestamp_ms, 0.0 if math.isnan(point.value) else point.value)


def add(tx: Tx, run_id: str, points: Sequence[MetricPoint]) -> None:
    """Keep the points (exact duplicates collapse) and move the latest of their keys forward."""
    if not points:
        return
    rows = [_row(run_id, point) for point in points]
    add_missing(tx, METRIC_POINT, rows)
    latest: dict[str, MetricPoint] = {}
    for point in points:
        if point.key not in latest or rank(point) > rank(latest[point.key]):
            latest[point.key] = point
    # sorted, so that two units on PostgreSQL take the rows' locks in one order and cannot deadlock
    _advance(tx, [_row(run_id, latest[key]) for key in sorted(latest)])


def _advance(tx: Tx, rows: list[dict[str, Any]]) -> None:
    statement = insert_into(tx, RUN_LATEST)
    new, old = statement.excluded, RUN_LATEST.c
    later = sa.tuple_(new.step, new.timestamp_ms, new.value) > sa.tuple_(old.step, old.timestamp_ms, old.value)
    changed = {name: new[name] for name in ("timestamp_ms", "step", "value", "is_nan")}
    tx.execute(statement.on_conflict_do_update(index_elements=["run", "key"], set_=changed, where=later), rows)


def history(tx: Reader, run_id: str, key: str, *, limit: int | None = None, offset: int = 0) -> list[MetricPoint]:
    """Return the points of one series by timestamp, step, value."""
    table = METRIC_POINT
    statement = sa.select(table).where(table.c.run == run_id, table.c.key == key)
    statement = statement.order_by(table.c.timestamp_ms, table.c.step, table.c.value, table.c.is_nan)
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    return [_point(row) for row in tx.execute(statement)]


def latest_of(tx: Reader, run_ids: Iterable[str]) -> dict[str, tuple[MetricPoint, ...]]:
    """Return the latest points of each run, by key."""
    statement = sa.select(RUN_LATEST).where(RUN_LATEST.c.run.in_(list(run_ids))).order_by(RUN_LATEST.c.key)
    found: dict[str, list[MetricPoint]] = {}
    for row in tx.execute(statement):
        found.setdefault(row.run, []).append(_point(row))
    return {run: tuple(points) for run, points in found.items()}


def _row(run_id: str, point: MetricPoint) -> dict[str, Any]:
    is_nan = math.isnan(point.value)
    return {
        "run": run_id,
        "key": point.key,
        "timestamp_ms": point.timestamp_ms,
        "step": point.step,
        "value": 0.0 if is_nan else point.value + 0.0,  # -0.0 and 0.0 are one value
        "is_nan": is_nan,
    }


def _point(row: sa.Row[Any]) -> MetricPoint:
    value = math.nan if row.is_nan else row.value
    return MetricPoint(key=row.key, value=value, timestamp_ms=row.timestamp_ms, step=row.step)
