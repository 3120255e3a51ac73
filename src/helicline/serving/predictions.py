"""What the server reads from the prediction log: one prediction, recent ones, labelled ones, new segments."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from helicline.records.deployment import Prediction

Columns = dict[str, np.ndarray[Any, Any]]
_NEAR = timedelta(minutes=10)
_LABELLED = ("ts", "revision", "variant", "rollout", "stage", "prediction", "label", "received_ts")


def find(home: Path, prediction_id: str) -> list[Prediction]:
    """Return the rows of one prediction with their latest labels; empty if it is not in the log (yet)."""
    made_at = id_time(prediction_id)
    files = _files(home, "predictions", deployment="*", since=made_at and made_at - timedelta(days=1))
    if made_at is not None:
        files = [path for path in files if _date_of(path) <= (made_at + timedelta(days=1)).date()]
        near = [path for path in files if abs(segment_time(path) - made_at) < _NEAR]
        if rows := _predictions(home, near, condition=f"prediction_id = {_literal(prediction_id)} ORDER BY row"):
            return rows
    return _predictions(home, files, condition=f"prediction_id = {_literal(prediction_id)} ORDER BY row")


def recent(home: Path, deployment: str, limit: int) -> list[Prediction]:
    """Return the latest rows of a deployment, the newest first."""
    files = _files(home, "predictions", deployment=deployment)[-max(64, limit) :]
    return _predictions(home, files, condition=f"TRUE ORDER BY ts DESC, row LIMIT {int(limit)}")


def segments(home: Path, deployment: str, since: datetime | None = None) -> list[Path]:
    """Return the sealed files of a deployment that were begun at or after `since`, the oldest first."""
    files = _files(home, "predictions", deployment=deployment, since=since)
    return [path for path in files if since is None or segment_time(path) >= since]


def labelled(
    home: Path, deployment: str, *, since: datetime, until: datetime | None = None, label: str = "label"
) -> Columns:
    """Return predictions that have the label, as columns; the last label of a (prediction, row) wins.

    Times are UTC `datetime64[us]`; `prediction` and `label` are text. Empty columns when there are none.
    """
    files = _files(home, "predictions", deployment=deployment, since=since)
    labels = _files(home, "labels", deployment=deployment, since=since) + _files(
        home, "labels", deployment="_unknown", since=since
    )
    if not files or not labels:
        return {name: np.array([], dtype=object) for name in _LABELLED}
    end = f"AND p.ts < {_timestamp(until)}" if until else ""
    return _columns(
        f"""WITH l AS (SELECT prediction_id, row, arg_max(value, received_ts) AS label,
                              max(received_ts) AS received_ts
                       FROM {_source(labels)} WHERE name = {_literal(label)} GROUP BY ALL)
            SELECT p.ts, p.revision, p.variant, p.rollout, p.stage, p.prediction, l.label, l.received_ts
            FROM {_source(files)} p JOIN l USING (prediction_id, row)
            WHERE p.status = 200 AND p.ts >= {_timestamp(since)} {end} ORDER BY p.ts"""
    )


def labels_of(home: Path, deployment: str) -> list[Path]:
    """Return the sealed files of a deployment's feedback, those that named no deployment among them."""
    return _files(home, "labels", deployment=deployment) + _files(home, "labels", deployment="_unknown")


def id_time(prediction_id: str) -> datetime | None:
    """Return when a prediction id was made, or None for an id that the client chose."""
    try:
        value = uuid.UUID(prediction_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC) if value.version == 7 else None


def segment_time(path: Path) -> datetime:
    """Return when the segment of a sealed file was begun."""
    return id_time(path.name[:36]) or datetime.fromtimestamp(0, UTC)


def _files(home: Path, table: str, *, deployment: str, since: datetime | None = None) -> list[Path]:
    paths = (home / "tables" / table).glob(f"deployment={deployment}/date=*/*.parquet")
    selected = [
        path for path in paths if not path.name.startswith(".") and (since is None or _on_or_after(path, since))
    ]
    return sorted(selected, key=lambda path: path.name)


def _on_or_after(path: Path, since: datetime) -> bool:
    return _date_of(path) >= since.astimezone(UTC).date()


def _date_of(path: Path) -> date:
    return date.fromisoformat(path.parent.name.removeprefix("date="))


def _predictions(home: Path, files: list[Path], *, condition: str) -> list[Prediction]:
    if not files:
        return []
    columns = _columns(f"SELECT * FROM {_source(files)} WHERE {condition}")
    count = len(columns["prediction_id"])
    rows = [{name: _plain(values, at) for name, values in columns.items()} for at in range(count)]
    labels = _labels_of(home, rows)
    return [_record(row, labels.get((row["prediction_id"], row["row"]), {})) for row in rows]


def _labels_of(home: Path, rows: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, str]]:
    if not rows:
        return {}
    since = min(row["ts"] for row in rows)
    files = [
        f for name in {row["deployment"] for row in rows} for f in _files(home, "labels", deployment=name, since=since)
    ]
    files += _files(home, "labels", deployment="_unknown", since=since)
    if not files:
        return {}
    ids = ", ".join(sorted({_literal(row["prediction_id"]) for row in rows}))
    columns = _columns(
        f"""SELECT prediction_id, row, name, arg_max(value, received_ts) AS value FROM {_source(files)}
            WHERE prediction_id IN ({ids}) GROUP BY ALL"""
    )
    labels: dict[tuple[str, int], dict[str, str]] = {}
    for at in range(len(columns["row"])):
        key = (str(columns["prediction_id"][at]), int(columns["row"][at]))
        labels.setdefault(key, {})[str(columns["name"][at])] = str(columns["value"][at])
    return labels


def _record(row: dict[str, Any], labels: dict[str, str]) -> Prediction:
    fields = {name: row[name] for name in Prediction.__struct_fields__ if name in row}
    fields["prediction"] = "" if row["prediction"] is None else row["prediction"]
    features = {name[2:]: value for name, value in row.items() if name.startswith("f_")}
    return Prediction(**fields, at=row["ts"], features=features, labels=labels)


def _plain(values: np.ndarray[Any, Any], at: int) -> Any:
    value = values[at]
    if value is np.ma.masked:
        return None
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").astype(datetime).replace(tzinfo=UTC)
    return value.item() if isinstance(value, np.generic) else value


def _columns(query: str) -> Columns:
    with _database().cursor() as connection:
        return dict(connection.execute(query).fetchnumpy())


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return the process's one database, which keeps nothing: making it takes longer than most queries."""
    database = duckdb.connect()
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    return database


def _source(files: list[Path]) -> str:
    listed = ", ".join(_literal(str(path)) for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"
