"""Metric points of runs: new points in the tail of their run, all others in blocks by series.

A series is one key of one run; its row holds the latest point, so that search never reads history. Small writes are
appended to the run's tail, whatever their keys; many points of a series in one write become a block at once, and so
does a tail that is long enough. An exact duplicate may be stored twice for a while; readers drop it. See note 0010.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from helicline.records.run import MetricPoint
from helicline.store.noun import metadata
from helicline.store.rows.block import BLOCK_POINTS, Points, merged, pack, points_of, unpack
from helicline.store.rows.by_ids import by_run, rows_by_ids
from helicline.store.rows.experiment import Exact, lock_topics
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
    # blocks that are not full, since the series was last packed
    sa.Column("loose_count", sa.Integer, nullable=False),
    sa.UniqueConstraint("run", "key", name="uq_series_run_key"),
    sa.Index("ix_series_key_value", "key", "is_nan", "value", "run"),
    sqlite_autoincrement=True,  # the id of a deleted series is never used again
)
METRIC_TAIL = sa.Table(
    "metric_tail",
    metadata,
    sa.Column("run", Exact, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("point_count", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
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
MIN_BLOCK_POINTS = 32  # points of a series in one write that become a block at once
MAX_TAIL_ROWS, MAX_TAIL_POINTS = 512, 32_768  # a run's tail with so many rows or points is packed
COUNT_INTERVAL = 32  # its points are counted each time so many rows, or the points of so many average rows, were added
MAX_LOOSE_BLOCKS = 16  # loose blocks of a series that are packed
BATCH_ROWS = 250  # rows of one INSERT
TAIL_DTYPE = np.dtype([("series", "<i8"), ("timestamp_ms", "<i8"), ("step", "<i8"), ("value", "<f8")])
# the number of a new block follows the greatest one of its series
_LAST_NUMBER = "(SELECT coalesce(max(number), 0) FROM metric_block WHERE series = ?)"
_BLOCK_ROW = f"(?, {_LAST_NUMBER} + ?, ?, ?, ?, ?)"
_TAIL_ROWS = (
    "SELECT run, (SELECT coalesce(max(number), 0) + 1 FROM metric_tail AS t WHERE t.run = new.run), point_count, body"
    " FROM unnest(%s::text[], %s::int[], %s::bytea[]) AS new (run, point_count, body)"
)
_TAIL_ROW = "(?, (SELECT coalesce(max(number), 0) + 1 FROM metric_tail WHERE run = ?), ?, ?)"


Latest = tuple[str, float, int, int]  # key, value, milliseconds, step


class PointPosition(NamedTuple):
    """A point in its sort order: NaN is 0 with `is_nan`, and so follows 0."""

    timestamp_ms: int
    step: int
    value: float
    is_nan: bool


class _UpdatedSeries(NamedTuple):
    """A series to which a write has added points."""

    id: int
    run: str
    key: str
    loose_count: int


def position_of(point: MetricPoint) -> PointPosition:
    is_nan = math.isnan(point.value)
    # -0.0 and 0.0 are one value
    return PointPosition(point.timestamp_ms, point.step, 0.0 if is_nan else point.value + 0.0, is_nan)


def position_at(points: Points, at: int) -> PointPosition:
    value = float(points.values[at])
    is_nan = math.isnan(value)
    return PointPosition(int(points.timestamps_ms[at]), int(points.steps[at]), 0.0 if is_nan else value, is_nan)


def _rank(position: PointPosition) -> tuple[int, int, float]:
    """Return the sort key by which the greatest point is the latest; NaN ranks as 0."""
    return (position.step, position.timestamp_ms, position.value)


def add(tx: Tx, batches: Iterable[tuple[str, Sequence[MetricPoint]]]) -> None:
    """Store the points of each run, and update the latest point of each series."""
    by_series: dict[tuple[str, str], list[PointPosition]] = {}
    for run_id, points in batches:
        for point in points:
            by_series.setdefault((run_id, point.key), []).append(position_of(point))
    tails: dict[str, list[tuple[Any, ...]]] = {}
    # one writer per run: each appends after the last row, and a writer that packs sees all rows
    lock_topics(tx, *(f"metrics:{run_id}" for run_id in {run_id for run_id, _ in by_series}))
    # sorted, so that two units on PostgreSQL lock the rows in one order and cannot deadlock
    order = sorted(by_series)
    for start in range(0, len(order), BATCH_ROWS):
        _add_to_series(tx, {name: by_series[name] for name in order[start : start + BATCH_ROWS]}, tails)
    _add_to_tails(tx, tails)


def _add_to_series(
    tx: Tx, positions: dict[tuple[str, str], list[PointPosition]], tails: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Store the points of each series that fill a block, and collect all others in `tails`."""
    blocks: list[tuple[int, Points]] = []
    to_pack: list[int] = []
    for series in _upsert_series(tx, positions):
        rows = [
            (point.timestamp_ms, point.step, math.nan if point.is_nan else point.value)
            for point in positions[series.run, series.key]
        ]
        if len(rows) >= MIN_BLOCK_POINTS:
            blocks.append((series.id, merged([points_of(rows)])))
        else:
            tails.setdefault(series.run, []).extend((series.id, *row) for row in rows)
        if series.loose_count >= MAX_LOOSE_BLOCKS:
            to_pack.append(series.id)
    _insert_blocks(tx, blocks)
    for series_id in to_pack:
        _pack(tx, series_id)


def _add_to_tails(tx: Tx, tails: dict[str, list[tuple[Any, ...]]]) -> None:
    """Append the points of each run to its tail."""
    into = f"metric_tail ({', '.join(METRIC_TAIL.c.keys())})"
    returning = "RETURNING run, number, point_count"
    rows = [(run, len(points), np.array(points, dtype=TAIL_DTYPE).tobytes()) for run, points in tails.items()]
    if tx.is_postgres and rows:
        inserted = _insert_columns(tx, f"{into} {_TAIL_ROWS} {returning}", rows)
    else:
        inserted = _insert(tx, into, [(row[0], *row) for row in rows], row=_TAIL_ROW, end=returning)
    for run_id, number, count in inserted:
        may_be_long = number % COUNT_INTERVAL == 0 or count >= MAX_TAIL_POINTS // COUNT_INTERVAL
        if number >= MAX_TAIL_ROWS or (may_be_long and _tail_points(tx, run_id) >= MAX_TAIL_POINTS):
            _pack_tail(tx, run_id)


def _tail_points(tx: Tx, run_id: str) -> int:
    counted = sa.select(sa.func.sum(METRIC_TAIL.c.point_count)).where(METRIC_TAIL.c.run == run_id)
    return int(tx.execute(counted).scalar() or 0)


def _tail(tx: Reader, run_id: str) -> np.ndarray[Any, Any]:
    statement = sa.select(METRIC_TAIL.c.body).where(METRIC_TAIL.c.run == run_id).order_by(METRIC_TAIL.c.number)
    return np.frombuffer(b"".join(bytes(row.body) for row in tx.execute(statement)), dtype=TAIL_DTYPE)


def _columns(rows: np.ndarray[Any, Any]) -> Points:
    return Points(*(np.ascontiguousarray(rows[name]) for name in TAIL_DTYPE.names[1:]))  # type: ignore[index]


def _pack_tail(tx: Tx, run_id: str) -> None:
    """Move the run's tail into blocks, one for each series."""
    tail = _tail(tx, run_id)
    tail = tail[np.argsort(tail["series"], kind="stable")]
    series, starts = np.unique(tail["series"], return_index=True)
    parts = [merged([_columns(rows)]) for rows in np.split(tail, starts[1:])]
    tx.execute(METRIC_TAIL.delete().where(METRIC_TAIL.c.run == run_id))
    ids = series.tolist()
    _insert_blocks(tx, zip(ids, parts, strict=True))
    for start in range(0, len(ids), BATCH_ROWS):
        condition = SERIES.c.id.in_(ids[start : start + BATCH_ROWS])
        loose = SERIES.update().where(condition).values(loose_count=SERIES.c.loose_count + 1)
        updated: Any = tx.execute(loose.returning(SERIES.c.id, SERIES.c.loose_count)).all()
        for series_id, count in updated:
            if count >= MAX_LOOSE_BLOCKS:
                _pack(tx, series_id)


def _upsert_series(tx: Tx, positions: dict[tuple[str, str], list[PointPosition]]) -> list[_UpdatedSeries]:
    """Insert or update the series, and return them."""
    rows: list[tuple[Any, ...]] = []
    for (run_id, key), points in positions.items():
        latest = points[0] if len(points) == 1 else max(points, key=_rank)
        in_block = len(points) >= MIN_BLOCK_POINTS
        rows.append((run_id, key, *latest, 1 if in_block else 0))
    if tx.is_postgres:
        inserted = _insert_columns(tx, f"{_INTO_SERIES} SELECT * FROM unnest({_SERIES_ARRAYS}) {_ON_CONFLICT}", rows)
    else:
        inserted = _insert(tx, _INTO_SERIES, rows, end=_ON_CONFLICT)
    return [_UpdatedSeries._make(row) for row in inserted]


_IS_LATER = "(excluded.step, excluded.timestamp_ms, excluded.value) > (series.step, series.timestamp_ms, series.value)"
_INTO_SERIES = f"series (run, key, {', '.join(PointPosition._fields)}, loose_count)"
_SERIES_ARRAYS = ", ".join(f"%s::{kind}[]" for kind in ("text", "text", "bigint", "bigint", "float8", "bool", "int"))
_ON_CONFLICT = (
    "ON CONFLICT (run, key) DO UPDATE SET "
    + ", ".join(
        f"{name} = CASE WHEN {_IS_LATER} THEN excluded.{name} ELSE series.{name} END" for name in PointPosition._fields
    )
    + ", loose_count = series.loose_count + excluded.loose_count RETURNING id, run, key, loose_count"
)


def _insert_blocks(tx: Tx, new_points: Iterable[tuple[int, Points]]) -> None:
    """Store the points of each series as blocks after its existing blocks."""
    rows: list[tuple[Any, ...]] = []
    for series, points in new_points:
        for number, start in enumerate(range(0, points.total, BLOCK_POINTS), 1):
            part = points.part(slice(start, start + BLOCK_POINTS))
            times = int(part.timestamps_ms[0]), int(part.timestamps_ms[-1])
            rows.append((series, series, number, part.total, *times, pack(part)))
    _insert(tx, f"metric_block ({', '.join(METRIC_BLOCK.c.keys())})", rows, row=_BLOCK_ROW)


def _insert(tx: Tx, into: str, rows: list[tuple[Any, ...]], *, row: str = "", end: str = "") -> list[Any]:
    """Insert the rows on the driver's connection, and return the rows of RETURNING: the hottest write of the store."""
    inserted: list[Any] = []
    for start in range(0, len(rows), BATCH_ROWS):
        part = rows[start : start + BATCH_ROWS]
        sql = _insert_sql(into, len(part), row or f"({', '.join('?' * len(part[0]))})", end, tx.placeholder)
        inserted += tx.run_text(sql, tuple(itertools.chain.from_iterable(part)))
    return inserted


def _insert_columns(tx: Tx, into: str, rows: list[tuple[Any, ...]]) -> list[Any]:
    """Insert the rows column by column, which PostgreSQL reads far faster than parameters of rows."""
    return tx.run_text(f"INSERT INTO {into}", [list(column) for column in zip(*rows, strict=True)])


@lru_cache(1024)
def _insert_sql(into: str, count: int, row: str, end: str, position: str) -> str:
    return f"INSERT INTO {into} VALUES {', '.join([row.replace('?', position)] * count)} {end}"


def _pack(tx: Tx, series: int) -> None:
    """Replace the loose blocks of the series by full ones; the last may be loose again."""
    loose = sa.and_(METRIC_BLOCK.c.series == series, METRIC_BLOCK.c.point_count < BLOCK_POINTS)
    points = merged([unpack(row.body) for row in tx.execute(sa.select(METRIC_BLOCK.c.body).where(loose))])
    tx.execute(METRIC_BLOCK.delete().where(loose))
    _insert_blocks(tx, [(series, points)])
    counts = {"loose_count": 1 if points.total % BLOCK_POINTS else 0}
    tx.execute(SERIES.update().where(SERIES.c.id == series).values(**counts))


def _in_tail(tx: Reader, series: int, *, since_ms: int | None = None, until_ms: int | None = None) -> Points:
    """Return the points of the series that are not in a block."""
    run_id = tx.execute(sa.select(SERIES.c.run).where(SERIES.c.id == series)).scalar_one()
    tail = _tail(tx, run_id)
    selection = tail["series"] == series
    if since_ms is not None:
        selection &= tail["timestamp_ms"] >= since_ms
    if until_ms is not None:
        selection &= tail["timestamp_ms"] <= until_ms
    return _columns(tail[selection])


def series_of(tx: Reader, run_id: str, keys: Sequence[str]) -> dict[str, int]:
    """Return the ids of the run's existing series, by key."""
    statement = sa.select(SERIES.c.key, SERIES.c.id).where(SERIES.c.run == run_id, SERIES.c.key.in_(keys))
    return {row.key: row.id for row in tx.execute(statement)}


def all_points(tx: Reader, series: int) -> Points:
    """Return the whole series by timestamp, step, value."""
    blocks = tx.execute(_blocks(METRIC_BLOCK.c.body).where(METRIC_BLOCK.c.series == series))
    return merged([*(unpack(row.body) for row in blocks), _in_tail(tx, series)])


def _blocks(*columns: Any) -> sa.Select[Any]:
    return sa.select(*columns).order_by(METRIC_BLOCK.c.first_ms, METRIC_BLOCK.c.number)


def page(tx: Reader, series: int, *, after: PointPosition | None, limit: int) -> tuple[Points, bool]:
    """Return at most `limit` points that follow `after`, and whether more follow; reads only the blocks of the page."""
    block = METRIC_BLOCK.c
    heads = _blocks(block.number, block.point_count, block.first_ms, block.last_ms).where(block.series == series)
    if after is not None:
        heads = heads.where(block.last_ms >= after.timestamp_ms)
    for numbers, until_ms in _windows(tx.execute(heads).all(), limit):
        bodies = tx.execute(_blocks(block.body).where(block.series == series, block.number.in_(numbers)))
        rows = _in_tail(tx, series, since_ms=None if after is None else after.timestamp_ms, until_ms=until_ms)
        points = _after(merged([*(unpack(row.body) for row in bodies), rows]), after)
        if until_ms is not None:
            points = points.part(points.timestamps_ms <= until_ms)
        if until_ms is None or points.total > limit:
            return points.part(slice(limit)), points.total > limit
    raise AssertionError("the last window has no end")


def _windows(heads: Sequence[Any], limit: int) -> Iterator[tuple[list[int], int | None]]:
    """Yield growing sets of blocks, each with the time up to which the set is complete (None: all blocks)."""
    wanted_count = limit + 1
    while True:
        count, until_ms = 0, None
        for head in heads:
            count += head.point_count
            if count >= wanted_count:
                until_ms = head.last_ms
                break
        selection = [head for head in heads if until_ms is None or head.first_ms <= until_ms]
        if len(selection) == len(heads):
            until_ms = None
        yield [head.number for head in selection], until_ms
        wanted_count *= 2


def _after(points: Points, position: PointPosition | None) -> Points:
    if position is None:
        return points
    is_after = points.timestamps_ms > position.timestamp_ms
    for at in (points.timestamps_ms == position.timestamp_ms).nonzero()[0]:
        is_after[at] = position_at(points, at) > position
    return points.part(is_after)


_LATEST = "SELECT run, key, timestamp_ms, step, value, is_nan FROM series WHERE run IN {ids} ORDER BY run, key"


def latest_of(tx: Reader, run_ids: Sequence[str]) -> dict[str, list[Latest]]:
    """Return the latest points of each run, by key."""
    return {
        run: [(key, math.nan if is_nan else value, at, step) for _, key, at, step, value, is_nan in points]
        for run, points in by_run(rows_by_ids(tx, _LATEST, run_ids))
    }
