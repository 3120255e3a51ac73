"""Labels of predictions: the last label of a (prediction, row, name) wins, here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from helicline.serving.prediction_log import sql


def latest_labels(
    files: Iterable[Path],
    *,
    name: str | None = None,
    prediction_ids: Iterable[str] | None = None,
    since: datetime | None = None,
) -> str:
    """Return a query for the last label of each prediction, row and name, of those received at or after `since`.

    Its columns: prediction_id, row, name, value (text), received_ts.
    """
    conditions = ["TRUE"]
    if name is not None:
        conditions.append(f"name = {sql.literal(name)}")
    if prediction_ids is not None:
        conditions.append(f"prediction_id IN ({', '.join(sorted(map(sql.literal, prediction_ids)))})")
    if since is not None:
        conditions.append(f"received_ts >= {sql.timestamp(since)}")
    return f"""SELECT prediction_id, row, name, arg_max(value, received_ts) AS value, max(received_ts) AS received_ts
               FROM {sql.parquet(files)} WHERE {" AND ".join(conditions)} GROUP BY prediction_id, row, name"""
