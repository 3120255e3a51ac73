"""Queries of the server on the prediction log: one prediction, recent ones, labelled ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from helicline.records.deployment import Prediction
from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.files import (
    LogFile,
    again_when_merged,
    holding,
    holding_some,
    label_files,
    listed,
    paths_of,
)
from helicline.serving.prediction_log.labels import latest_labels
from helicline.serving.prediction_log.names import IdSpan, id_span, text_of
from helicline.serving.prediction_log.sql import Columns

_FEW = 4  # files to begin with
_CLOCK_STEP = timedelta(minutes=10)  # by so much a label may seem older than its prediction
_CLIENT_CLOCK = timedelta(days=1)
_LABELLED = ("ts", "revision", "variant", "rollout", "stage", "prediction", "label", "received_ts")


@again_when_merged
def find(home: Path, prediction_id: str) -> list[Prediction]:
    """Return the rows of one prediction with their latest labels; empty if it is not in the log (yet)."""
    condition = f"prediction_id = {sql.literal(prediction_id)} ORDER BY row"
    for files in holding(home, prediction_id):
        if rows := _predictions(home, files, condition=condition):
            return rows
    return []


@again_when_merged
def recent(home: Path, deployment: str, limit: int) -> list[Prediction]:
    """Return the latest rows of a deployment, the newest first."""
    files = sorted(listed(home, "predictions", deployment=deployment), key=lambda file: file.name.last, reverse=True)
    condition = f"TRUE ORDER BY ts DESC, row LIMIT {int(limit)}"
    count = _FEW
    rows = _predictions(home, files[:count], condition=condition)
    while count < len(files) and (len(rows) < limit or text_of(rows[-1].at) < files[count].name.last):
        count *= 2
        rows = _predictions(home, files[:count], condition=condition)
    return rows


@again_when_merged
def labelled(
    home: Path, deployment: str, *, since: datetime, until: datetime | None = None, label: str = "label"
) -> Columns:
    """Return predictions that have the label, as columns; the last label of a (prediction, row) wins.

    Times are UTC `datetime64[us]`; `prediction` and `label` are text. Empty columns when there are none.
    """
    files = listed(home, "predictions", deployment=deployment, since=since, until=until)
    # an id that a client made may tell another time than that of its call
    spans = IdSpan(text_of(since - _CLIENT_CLOCK), text_of(until + _CLIENT_CLOCK) if until else "9", has_untimed=True)
    labels = holding_some(label_files(home, deployment, since), spans)
    if not files or not labels:
        return {name: np.array([], dtype=object) for name in _LABELLED}
    latest = latest_labels(paths_of(labels), name=label)
    end = f"AND p.ts < {sql.timestamp(until)}" if until else ""
    return sql.fetch(
        f"""SELECT p.ts, p.revision, p.variant, p.rollout, p.stage, p.prediction, l.value AS label, l.received_ts
            FROM {sql.parquet(paths_of(files))} p JOIN ({latest}) l USING (prediction_id, row)
            WHERE p.status = 200 AND p.prediction IS NOT NULL AND p.ts >= {sql.timestamp(since)} {end} ORDER BY p.ts"""
    )


@again_when_merged
def service_of(
    home: Path, deployment: str, *, revision: int, since: datetime, until: datetime, slow_ms: float
) -> tuple[int, int, int, float]:
    """Return how many calls of a revision there were, failed, and took longer than `slow_ms`, and the p99 in ms.

    A call that its caller got wrong is none that failed; one that another revision had to answer is.
    """
    files = listed(home, "predictions", deployment=deployment, since=since, until=until)
    if not files:
        return 0, 0, 0, 0.0
    answered = "status < 500 AND coalesce(fallback_reason, '') = ''"
    rows = sql.fetch(
        f"""SELECT count(*) AS n, count(*) FILTER (NOT ({answered})) AS failed,
                   count(*) FILTER (latency_us > {round(slow_ms * 1000)}) AS slow,
                   coalesce(quantile_cont(latency_us, 0.99), 0) / 1000 AS p99_ms
            FROM {sql.parquet(paths_of(files))}
            WHERE row = 0 AND revision = {int(revision)}
              AND ts >= {sql.timestamp(since)} AND ts < {sql.timestamp(until)}"""
    )
    return int(rows["n"][0]), int(rows["failed"][0]), int(rows["slow"][0]), float(rows["p99_ms"][0])


def _predictions(home: Path, files: list[LogFile], *, condition: str) -> list[Prediction]:
    if not files:
        return []
    columns = sql.fetch(f"SELECT * FROM {sql.parquet(paths_of(files))} WHERE {condition}")
    count = len(columns["prediction_id"])
    rows = [{name: _plain(values, at) for name, values in columns.items()} for at in range(count)]
    labels = _labels_of(home, rows)
    return [_record(row, labels.get((row["prediction_id"], row["row"]), {})) for row in rows]


def _labels_of(home: Path, rows: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, str]]:
    if not rows:
        return {}
    since = min(row["ts"] for row in rows) - _CLOCK_STEP
    ids = id_span(row["prediction_id"] for row in rows)
    deployments = {row["deployment"] for row in rows}
    every = {file.path: file for name in deployments for file in label_files(home, name, since)}
    files = holding_some(every.values(), ids)
    if not files:
        return {}
    columns = sql.fetch(latest_labels(paths_of(files), prediction_ids={row["prediction_id"] for row in rows}))
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
