"""Metric points of runs, by series: the newest as rows, the rest packed in blocks.

A series is one key of one run; its row holds the latest point, so that search never reads history. What is logged one
by one becomes rows; many points of a series at once, and rows that have gathered, become blocks. An exact duplicate may
be stored twice for a while: whoever reads gets it once. Layout and numbers: docs/decisions/0010-metric-storage.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from helicline.records.run import MetricPoint
from helicline.store.noun import metadata
from helicline.store.rows.block import FULL, Points, merged, pack, points_of, unpack
from helicline.store.rows.experiment import Exact
from helicline.store.unit import Reader, Tx

SERIES = sa.Table(
    "series",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("run", Exact, nullable=False),
    sa.Column("key", Exact, nullable=False),
    sa.Column("timestamp_ms", sa.BigInteger, nullable=False),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("is_nan", sa.Boolean, nullable=False),
    # points in rows, and blocks that are not full, since they were last packed; duplicates count
    sa.Column("row_count", sa.Integer, nullable=False),
    sa.Column("loose_count", sa.Integer, nullable=False),
    sa.UniqueConstraint("run", "key", name="uq_series_run_key"),
    sa.Index("ix_series_key_value", "key", "is_nan", "value", "run"),
    sqlite_autoincrement=True,  # the id of a series that was deleted never comes again
)
METRIC_POINT = sa.Table(
    "metric_point",
    metadata,
    sa.Column("series", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("timestamp_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double, primary_key=True),
    sa.Column("is_nan", sa.Boolean, primary_key=True),
    sqlite_with_rowid=False,
)
METRIC_BLOCK = sa.Table(
    "metric_block",
    metadata,
    sa.Column("series", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("point_count", sa.Integer, nullable=False),
    sa.Column("first_ms", sa.BigInteger, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
AT_ONCE = 32  # so many points of a series in one write go into a block at once
ROWS, LOOSE = 1024, 16  # so many rows or loose blocks are packed
MANY = 250  # rows of one INSERT
# a block's number follows the greatest that its series has
_NEWEST = "(SELECT coalesce(max(number), 0) FROM metric_block WHERE series = ?)"
_BLOCK_ROW = f"(?, {_NEWEST} + ?, ?, ?, ?, ?)"


class Mark(NamedTuple):
    """A point as it is ordered: NaN is 0, and after it."""

    timestamp_ms: int
    step: int
    value: float
    is_nan: bool


class _Grown(NamedTuple):
    """A series that a write added to."""

    id: int
    run: str
    key: str
    row_count: int
    loose_count: int


def mark_of(point: MetricPoint) -> Mark:
    is_nan = math.isnan(point.value)
    # -0.0 and 0.0 are one value
    return Mark(point.timestamp_ms, point.step, 0.0 if is_nan else point.value + 0.0, is_nan)


def mark_at(points: Points, at: int) -> Mark:
    value = float(points.values[at])
    is_nan = math.isnan(value)
    return Mark(int(points.timestamps_ms[at]), int(points.steps[at]), 0.0 if is_nan else value, is_nan)


def _rank(mark: Mark) -> tuple[int, int, float]:
    """Return what decides which point is the latest; NaN ranks as 0."""
    return (mark.step, mark.timestamp_ms, mark.value)


def add(tx: Tx, batches: Iterable[tuple[str, Sequence[MetricPoint]]]) -> None:
    """Keep the points of each run, and move the latest of their series forward."""
    gathered: dict[tuple[str, str], list[MetricPoint]] = {}
    for run_id, points in batches:
        for point in points:
            gathered.setdefault((run_id, point.key), []).append(point)
    # sorted, so that two units on PostgreSQL take the rows' locks in one order and cannot deadlock
    order = sorted(gathered)
    for start in range(0, len(order), MANY):
        _add_to_series(tx, {name: gathered[name] for name in order[start : start + MANY]})


def _add_to_series(tx: Tx, gathered: dict[tuple[str, str], list[MetricPoint]]) -> None:
    rows: list[tuple[Any, ...]] = []
    blocks: list[tuple[int, Points]] = []
    crowded: list[int] = []
    marks = {name: [mark_of(point) for point in points] for name, points in gathered.items()}
    for series in _grow(tx, marks):
        mine = marks[series.run, series.key]
        if len(mine) >= AT_ONCE:
            columns = points_of((one.timestamp_ms, one.step, math.nan if one.is_nan else one.value) for one in mine)
            blocks.append((series.id, merged([columns])))
        else:
            rows += [(series.id, *mark) for mark in mine]
        if series.row_count >= ROWS or series.loose_count >= LOOSE:
            crowded.append(series.id)
    _insert(tx, f"metric_point (series, {', '.join(Mark._fields)})", rows, end="ON CONFLICT DO NOTHING")
    _insert_blocks(tx, blocks)
    for series_id in crowded:
        _pack(tx, series_id)


def _grow(tx: Tx, marks: dict[tuple[str, str], list[Mark]]) -> list[_Grown]:
    """Make or move forward the series, and return them."""
    rows: list[tuple[Any, ...]] = []
    for (run_id, key), mine in marks.items():
        latest = mine[0] if len(mine) == 1 else max(mine, key=_rank)
        in_block = len(mine) >= AT_ONCE
        rows.append((run_id, key, *latest, 0 if in_block else len(mine), 1 if in_block else 0))
    later = "(excluded.step, excluded.timestamp_ms, excluded.value) > (series.step, series.timestamp_ms, series.value)"
    moved = (f"{name} = CASE WHEN {later} THEN excluded.{name} ELSE series.{name} END" for name in Mark._fields)
    counted = (f"{name} = series.{name} + excluded.{name}" for name in ("row_count", "loose_count"))
    into = f"series (run, key, {', '.join(Mark._fields)}, row_count, loose_count)"
    end = (
        f"ON CONFLICT (run, key) DO UPDATE SET {', '.join((*moved, *counted))}"
        " RETURNING id, run, key, row_count, loose_count"
    )
    return [_Grown._make(row) for row in _insert(tx, into, rows, end=end)]


def _insert_blocks(tx: Tx, added: Iterable[tuple[int, Points]]) -> None:
    """Keep the points of each series as blocks behind those that it has."""
    rows: list[tuple[Any, ...]] = []
    for series, points in added:
        for number, start in enumerate(range(0, points.total, FULL), 1):
            part = points.part(slice(start, start + FULL))
            times = int(part.timestamps_ms[0]), int(part.timestamps_ms[-1])
            rows.append((series, series, number, part.total, *times, pack(part)))
    _insert(tx, f"metric_block ({', '.join(METRIC_BLOCK.c.keys())})", rows, row=_BLOCK_ROW)


def _insert(tx: Tx, into: str, rows: list[tuple[Any, ...]], *, row: str = "", end: str = "") -> list[Any]:
    """Insert the rows by the driver itself, and return what they return: this is the hottest write there is."""
    found: list[Any] = []
    for start in range(0, len(rows), MANY):
        part = rows[start : start + MANY]
        sql = _insert_sql(
            into, len(part), row or f"({', '.join('?' * len(part[0]))})", end, "%s" if tx.is_postgres else "?"
        )
        result = tx.connection.exec_driver_sql(sql, tuple(itertools.chain.from_iterable(part)))
        found += result.all() if result.returns_rows else ()
    return found


@lru_cache(1024)
def _insert_sql(into: str, count: int, row: str, end: str, mark: str) -> str:
    return f"INSERT INTO {into} VALUES {', '.join([row.replace('?', mark)] * count)} {end}"


def _pack(tx: Tx, series: int) -> None:
    """Move the series' rows and loose blocks into blocks, full ones but for the last."""
    loose = sa.and_(METRIC_BLOCK.c.series == series, METRIC_BLOCK.c.point_count < FULL)
    parts = [unpack(row.body) for row in tx.execute(sa.select(METRIC_BLOCK.c.body).where(loose))]
    points = merged([*parts, _rows_of(tx, series)])
    tx.execute(METRIC_POINT.delete().where(METRIC_POINT.c.series == series))
    tx.execute(METRIC_BLOCK.delete().where(loose))
    _insert_blocks(tx, [(series, points)])
    counts = {"row_count": 0, "loose_count": 1 if points.total % FULL else 0}
    tx.execute(SERIES.update().where(SERIES.c.id == series).values(**counts))


def _rows_of(tx: Reader, series: int, *, since_ms: int | None = None, until_ms: int | None = None) -> Points:
    point = METRIC_POINT.c
    statement = sa.select(*(point[name] for name in Mark._fields)).where(point.series == series)
    if since_ms is not None:
        statement = statement.where(point.timestamp_ms >= since_ms)
    if until_ms is not None:
        statement = statement.where(point.timestamp_ms <= until_ms)
    rows: Any = tx.execute(statement.order_by(point.timestamp_ms, point.step, point.value, point.is_nan)).all()
    return points_of((at, step, math.nan if is_nan else value) for at, step, value, is_nan in rows)


def series_of(tx: Reader, run_id: str, keys: Sequence[str]) -> dict[str, int]:
    """Return the ids of those series of the run that there are, by key."""
    statement = sa.select(SERIES.c.key, SERIES.c.id).where(SERIES.c.run == run_id, SERIES.c.key.in_(keys))
    return {row.key: row.id for row in tx.execute(statement)}


def all_points(tx: Reader, series: int) -> Points:
    """Return the whole series by timestamp, step, value."""
    blocks = tx.execute(_blocks(METRIC_BLOCK.c.body).where(METRIC_BLOCK.c.series == series))
    return merged([*(unpack(row.body) for row in blocks), _rows_of(tx, series)])


def _blocks(*columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).order_by(METRIC_BLOCK.c.first_ms, METRIC_BLOCK.c.number)


def page(tx: Reader, series: int, *, after: Mark | None, limit: int) -> tuple[Points, bool]:
    """Return at most `limit` points that follow `after`, and whether more follow; costs what the page costs."""
    block = METRIC_BLOCK.c
    heads = _blocks(block.number, block.point_count, block.first_ms, block.last_ms).where(block.series == series)
    if after is not None:
        heads = heads.where(block.last_ms >= after.timestamp_ms)
    for numbers, until_ms in _windows(tx.execute(heads).all(), limit):
        bodies = tx.execute(_blocks(block.body).where(block.series == series, block.number.in_(numbers)))
        rows = _rows_of(tx, series, since_ms=None if after is None else after.timestamp_ms, until_ms=until_ms)
        points = _after(merged([*(unpack(row.body) for row in bodies), rows]), after)
        if until_ms is not None:
            points = points.part(points.timestamps_ms <= until_ms)
        if until_ms is None or points.total > limit:
            return points.part(slice(limit)), points.total > limit
    raise AssertionError("the last window has no end")


def _windows(heads: Sequence[Any], limit: int) -> Iterator[tuple[list[int], int | None]]:
    """Give ever more of the blocks, each time with the moment up to which they hold all there is (None: all)."""
    wanted = limit + 1
    while True:
        count, until_ms = 0, None
        for head in heads:
            count += head.point_count
            if count >= wanted:
                until_ms = head.last_ms
                break
        chosen = [head for head in heads if until_ms is None or head.first_ms <= until_ms]
        if len(chosen) == len(heads):
            until_ms = None
        yield [head.number for head in chosen], until_ms
        wanted *= 2


def _after(points: Points, mark: Mark | None) -> Points:
    if mark is None:
        return points
    beyond = points.timestamps_ms > mark.timestamp_ms
    for at in (points.timestamps_ms == mark.timestamp_ms).nonzero()[0]:
        beyond[at] = mark_at(points, at) > mark
    return points.part(beyond)


def latest_of(tx: Reader, run_ids: Iterable[str]) -> dict[str, tuple[MetricPoint, ...]]:
    """Return the latest points of each run, by key."""
    columns = (SERIES.c.run, SERIES.c.key, SERIES.c.timestamp_ms, SERIES.c.step, SERIES.c.value, SERIES.c.is_nan)
    rows: Any = tx.execute(sa.select(*columns).where(SERIES.c.run.in_(list(run_ids))).order_by(SERIES.c.key)).all()
    found: dict[str, list[MetricPoint]] = {}
    for run, key, timestamp_ms, step, value, is_nan in rows:
        point = MetricPoint(key=key, value=math.nan if is_nan else value, timestamp_ms=timestamp_ms, step=step)
        found.setdefault(run, []).append(point)
    return {run: tuple(points) for run, points in found.items()}
