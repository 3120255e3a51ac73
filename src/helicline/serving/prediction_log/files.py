"""The sealed files of the prediction log: their paths, and the times in their names."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from pathlib import Path

UNKNOWN = "_unknown"  # the deployment of feedback without one


def files_of(home: Path, table: str, *, deployment: str, since: datetime | None = None) -> list[Path]:
    """Return the sealed files of a table and deployment ("*" for all) from the day of `since` on, the oldest first."""
    paths = (home / "tables" / table).glob(f"deployment={deployment}/date=*/*.parquet")
    first_day = since.astimezone(UTC).date() if since else date.min
    return sorted(
        (path for path in paths if not path.name.startswith(".") and date_of(path) >= first_day),
        key=lambda path: path.name,
    )


def segments(home: Path, deployment: str, since: datetime | None = None) -> list[Path]:
    """Return the sealed files of predictions whose segment began at or after `since`, oldest first."""
    files = files_of(home, "predictions", deployment=deployment, since=since)
    return [path for path in files if since is None or segment_time(path) >= since]


def label_files(home: Path, deployment: str, since: datetime | None = None) -> list[Path]:
    """Return the sealed files of a deployment's feedback, and of feedback without a deployment."""
    own = files_of(home, "labels", deployment=deployment, since=since)
    return own + files_of(home, "labels", deployment=UNKNOWN, since=since)


def date_of(path: Path) -> date:
    """Return the day of the rows in a sealed file."""
    return date.fromisoformat(path.parent.name.removeprefix("date="))


def segment_time(path: Path) -> datetime:
    """Return the time at which the segment of a sealed file began."""
    return id_time(path.name[:36]) or datetime.fromtimestamp(0, UTC)


def id_time(prediction_id: str) -> datetime | None:
    """Return the time in a prediction id (UUIDv7), or None for an id that the client chose."""
    try:
        value = uuid.UUID(prediction_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC) if value.version == 7 else None
