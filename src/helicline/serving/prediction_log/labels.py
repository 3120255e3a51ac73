"""Labels of predictions: the last label of a (prediction, row, name) wins, here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.files import LogFile, label_files
from helicline.serving.prediction_log.names import NO_ID, moment_of

LATE_LABELS = timedelta(days=7)  # labels of these days tell how long after its prediction one may come
_START = datetime.fromtimestamp(0, UTC)


def labelled_span(file: LogFile) -> tuple[datetime, datetime] | None:
    """Return the earliest prediction with labels in a file, and when its last label came; None for ids without time.

    The name of a file of an earlier version does not tell: any prediction. A merge names it anew.
    """
    if file.name.first_id == NO_ID:
        return None
    return moment_of(file.name.first_id) if file.name.is_exact else _START, moment_of(file.name.last)


def longest_delay(home: Path, deployment: str, since: datetime) -> timedelta | None:
    """Return up to how long after their predictions the labels came since then, None where no file tells."""
    files = [file for file in label_files(home, deployment, since) if file.name.is_exact]
    spans = (labelled_span(file) for file in files)
    return max((arrived_at - made_at for made_at, arrived_at in filter(None, spans)), default=None)


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
