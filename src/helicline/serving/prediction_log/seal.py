"""Seals closed segments to Parquet, exactly once: the segment's id names the file, the rename is the commit."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb

from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.columns import Array, Batch, batches
from helicline.serving.prediction_log.names import Name, id_span, text_of
from helicline.serving.prediction_log.segment import read
from helicline.store import durable

OnSealed = Callable[[Path, dict[str, Array]], None]


def closed_segments(folder: Path) -> list[Path]:
    """Return the segments to seal, oldest first."""
    return sorted(folder.glob("*.wal"))


def seal(segment: Path, tables: Path, *, on_sealed: OnSealed | None = None) -> list[Path]:
    """Write the Parquet files of a segment, then remove it; return the files.

    Safe to repeat and to run twice at once: the same segment always makes the same files.
    `on_sealed` is called for each file of predictions, after its rename.
    """
    try:
        sealed = batches(read(segment))
    except FileNotFoundError:
        return []
    name = segment.stem.partition("-")[2]
    written: list[Path] = []
    part_counts: dict[tuple[str, str, str], int] = {}
    for batch in sealed:
        place = (batch.table, batch.deployment, batch.date)
        part_counts[place] = part_counts.get(place, 0) + 1
        if not len(batch.columns["prediction_id"]):
            continue  # calls without rows
        suffix = f".{part_counts[place]}" if part_counts[place] > 1 else ""
        folder = tables / batch.table / f"deployment={batch.deployment}" / f"date={batch.date}"
        # an earlier version may have ended between this file and the removal of the segment
        (folder / f"{name}{suffix}.parquet").unlink(missing_ok=True)
        path = folder / _name(batch, name + suffix).file_name
        _write(batch, path)
        written.append(path)
        if on_sealed is not None and batch.table == "predictions":
            on_sealed(path, batch.columns)
    segment.unlink(missing_ok=True)
    return written


def _name(batch: Batch, file_id: str) -> Name:
    times = batch.columns["ts" if batch.table == "predictions" else "received_ts"]
    ids = id_span(batch.columns["prediction_id"].tolist())
    first, last = (text_of(moment.astype(datetime).replace(tzinfo=UTC)) for moment in (times.min(), times.max()))
    return Name(
        first=first,
        last=last,
        first_id=ids.first,
        last_id=ids.last,
        level="s",
        has_untimed=ids.has_untimed,
        id=file_id,
    )


def _write(batch: Batch, path: Path) -> None:
    durable.make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    selected = ", ".join(
        f"TRY_CAST({sql.identifier(name)} AS {kind}) AS {sql.identifier(name)}" for name, kind in batch.types.items()
    )
    with connection() as cursor:
        cursor.register("batch", {sql.column_name(name): values for name, values in batch.columns.items()})
        target = sql.literal(str(partial))
        cursor.execute(f"COPY (SELECT {selected} FROM batch) TO {target} (FORMAT parquet, COMPRESSION zstd)")
    durable.sync(partial)
    durable.replace(partial, path)  # the segment is deleted next, so its rows must be durable here first


def connection() -> duckdb.DuckDBPyConnection:
    """Return a connection to the process's single database, of one thread; the caller closes it."""
    return _database().cursor()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return the process's single database, because creating one costs far more than writing a small file."""
    return duckdb.connect(config={"threads": 1})
