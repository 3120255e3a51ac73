"""Labelled production rows as training data: the model's inputs under their own names, and the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from helicline.records.pipeline import HarvestSpan
from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.files import again_when_merged, holding_some, label_files, listed, paths_of
from helicline.serving.prediction_log.labels import latest_labels
from helicline.serving.prediction_log.names import IdSpan, span_of, text_of

KINDS = ("BIGINT", "DOUBLE")
_IS_TAKEN = "EXISTS (SELECT 1 FROM taken t WHERE t.prediction_id = p.prediction_id AND t.row = p.row)"
_START = datetime.fromtimestamp(0, UTC)
Range = tuple[datetime, datetime]  # from, and up to but without


class Harvest(NamedTuple):
    """How many rows were written, left out because they came in with broken data, and left for the next harvest.

    `corrected` rows are not written either: an earlier harvest took them, with the label that they had then.
    """

    rows: int
    left_out: int = 0
    waiting: int = 0
    corrected: int = 0


def nothing_broken(_since: datetime, _until: datetime) -> Sequence[Range]:
    return ()


@again_when_merged
def write(
    home: Path,
    deployment: str,
    target: Path,
    *,
    label: str,
    since: HarvestSpan | None = None,
    until: HarvestSpan | None = None,
    broken: Callable[[datetime, datetime], Sequence[Range]] = nothing_broken,
) -> Harvest:
    """Write labelled rows as Parquet, in the order of their predictions; return how many.

    They are those up to `until` that a harvest up to `since` did not take: a label that came again since then brings no
    row a second time. The last label of a row wins; a label column
    of whole numbers is kept as such, so that it joins older data. `broken` returns the times within two others whose
    rows are left out.
    """
    labels_since = min(since.labels_until, since.predictions_until) if since else _START
    labels = label_files(home, deployment, labels_since)
    if not labels:
        return Harvest(0)
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        labels_until = until.labels_until if until else None
        latest = latest_labels(paths_of(labels), name=label, since=labels_since, until=labels_until)
        session.execute(f"CREATE TEMP TABLE latest AS {latest}")
        logged = holding_some(listed(home, "predictions", deployment=deployment), _ids(session))
        if not logged:
            return Harvest(0)
        if since is not None:
            _mark_taken(session, home, deployment, label=label, since=since)
        files = paths_of(logged)
        columns = session.sql(f"SELECT * FROM {sql.parquet(files)} LIMIT 0").columns
        inputs = [
            f"p.{sql.identifier(name)} AS {sql.identifier(name[2:])}" for name in columns if name.startswith("f_")
        ]
        selected = ", ".join([*inputs, f"{_typed(session)} AS {sql.identifier(label)}"])
        joined_rows = f"{sql.parquet(files)} p JOIN latest l USING (prediction_id, row) WHERE p.status = 200"
        corrected = f"SELECT count(*) FROM {joined_rows} {_corrected(since)}"
        corrected_count = session.execute(corrected).fetchall()[0][0] if since else 0
        new = f"{joined_rows} {_after(since)}"
        all_new = session.execute(f"SELECT count(*) FROM {new}").fetchall()[0][0]
        labelled = f"{new} {_before(until)}"
        count, first, last = session.execute(f"SELECT count(*), min(p.ts), max(p.ts) FROM {labelled}").fetchall()[0]
        ranges = broken(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)) if count else ()
        outside = " ".join(
            f"AND NOT (p.ts >= {sql.timestamp(start)} AND p.ts < {sql.timestamp(end)})" for start, end in joined(ranges)
        )
        rows = session.sql(f"SELECT {selected} FROM {labelled} {outside} ORDER BY p.ts, p.prediction_id, p.row")
        rows.write_parquet(str(target), compression="zstd")
        written = int(session.read_parquet(str(target)).shape[0])
        return Harvest(written, count - written, all_new - count, corrected_count)


def _after(since: HarvestSpan | None) -> str:
    """Return the condition on labels and predictions that an earlier harvest has not taken."""
    if since is None:
        return ""
    labels, predictions = sql.timestamp(since.labels_until), sql.timestamp(since.predictions_until)
    return f"AND (p.ts >= {predictions} OR (l.received_ts >= {labels} AND NOT {_IS_TAKEN}))"


def _corrected(since: HarvestSpan | None) -> str:
    """Return the condition on rows that an earlier harvest has taken, and whose label came again since."""
    if since is None:
        return ""
    labels, predictions = sql.timestamp(since.labels_until), sql.timestamp(since.predictions_until)
    return f"AND p.ts < {predictions} AND l.received_ts >= {labels} AND {_IS_TAKEN}"


def _mark_taken(
    session: duckdb.DuckDBPyConnection, home: Path, deployment: str, *, label: str, since: HarvestSpan
) -> None:
    """Make a table of the rows among the latest labels that had a label when the last harvest was made."""
    session.execute("CREATE TEMP TABLE taken AS SELECT prediction_id, row FROM latest LIMIT 0")
    before = [file for file in label_files(home, deployment) if file.name.first < text_of(since.labels_until)]
    if files := paths_of(holding_some(before, _ids(session))):
        earlier = latest_labels(files, name=label, until=since.labels_until)
        session.execute(
            f"INSERT INTO taken SELECT prediction_id, row FROM ({earlier}) SEMI JOIN latest USING (prediction_id, row)"
        )


def _before(until: HarvestSpan | None) -> str:
    if until is None:
        return ""
    labels, predictions = sql.timestamp(until.labels_until), sql.timestamp(until.predictions_until)
    return f"AND l.received_ts < {labels} AND p.ts < {predictions}"


def joined(ranges: Sequence[Range]) -> list[Range]:
    """Return the ranges in order, those that overlap or touch as one."""
    apart: list[Range] = []
    for start, end in sorted(ranges):
        if apart and start <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end))
        else:
            apart.append((start, end))
    return apart


def _ids(session: duckdb.DuckDBPyConnection) -> IdSpan:
    """Return the times in the ids of the labels."""
    first, last, has_untimed = session.execute(f"SELECT {sql.id_bounds()} FROM latest").fetchall()[0]
    return span_of(first or "", last or "", has_untimed=bool(has_untimed))


def _typed(session: duckdb.DuckDBPyConnection) -> str:
    """Return the SQL of the label in the narrowest type that holds every one of them."""
    for kind in KINDS:
        misfits = f"TRY_CAST(value AS {kind}) IS NULL OR ('{kind}' = 'BIGINT' AND value LIKE '%.%')"
        if session.execute(f"SELECT 1 FROM latest WHERE {misfits} LIMIT 1").fetchone() is None:
            return f"CAST(l.value AS {kind})"
    return "l.value"
