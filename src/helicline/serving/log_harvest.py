"""Labelled production rows as training data: the model's inputs under their own names, and the label."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from helicline.serving.predictions import labels_of, segments

KINDS = ("BIGINT", "DOUBLE")


def write(home: Path, deployment: str, target: Path, *, label: str, since_ms: int) -> int:
    """Write the rows whose label came in since then as Parquet, in the order of their predictions; return how many.

    The last label of a row wins; a label column of whole numbers is kept as such, so that it joins older data.
    """
    files = [str(path) for path in segments(home, deployment)]
    labels = [str(path) for path in labels_of(home, deployment)]
    if not files or not labels:
        return 0
    since = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        session.read_parquet(files, union_by_name=True, hive_partitioning=False).create_view("logged")
        session.read_parquet(labels, union_by_name=True, hive_partitioning=False).create_view("feedback")
        session.execute(
            """CREATE TEMP TABLE latest AS SELECT prediction_id, row, arg_max(value, received_ts) AS value
               FROM feedback WHERE name = ? AND received_ts >= ?::TIMESTAMP GROUP BY ALL""",
            [label, since],
        )
        features = [name for name in session.table("logged").columns if name.startswith("f_")]
        inputs = ", ".join(f'p."{name}" AS "{name[2:]}"' for name in features)
        value = _typed(session)
        rows = session.sql(
            f"""SELECT {inputs}, {value} AS "{label.replace('"', "")}" FROM logged p JOIN latest l
                USING (prediction_id, row) WHERE p.status = 200 ORDER BY p.ts, p.prediction_id, p.row"""
        )
        rows.write_parquet(str(target), compression="zstd")
        return int(session.read_parquet(str(target)).shape[0])


def _typed(session: duckdb.DuckDBPyConnection) -> str:
    """Return the SQL of the label in the narrowest type that holds every one of them."""
    for kind in KINDS:
        misfits = f"TRY_CAST(value AS {kind}) IS NULL OR ('{kind}' = 'BIGINT' AND value LIKE '%.%')"
        if session.execute(f"SELECT 1 FROM latest WHERE {misfits} LIMIT 1").fetchone() is None:
            return f"CAST(l.value AS {kind})"
    return "l.value"
