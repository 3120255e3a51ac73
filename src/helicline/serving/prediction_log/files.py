"""The sealed files of the prediction log, listed by the times in their names.

A file that was merged into another one stays for a while, beside the list of what the other one replaces; it is not
listed any more (`merge`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import duckdb
import msgspec

from helicline.serving.prediction_log import names
from helicline.serving.prediction_log.names import IdSpan, Name, id_time, text_of

UNKNOWN = "_unknown"  # the deployment of feedback without one
REPLACED = ".replaces"
_DAY = timedelta(days=1)
_TRIES = 3
P = ParamSpec("P")
R = TypeVar("R")


class Replaced(msgspec.Struct, frozen=True, array_like=True):
    """The files that a merged file replaces, and when (microseconds since 1970)."""

    at_us: int
    names: list[str]


class LogFile(msgspec.Struct, frozen=True):
    """A sealed file and what its name tells."""

    path: Path
    name: Name

    @property
    def begun_at(self) -> datetime:
        segment_begun_at = None if self.name.is_exact else id_time(self.name.id[:36])
        return segment_begun_at or names.moment_of(self.name.first)

    @property
    def opened_at(self) -> datetime:
        """When the segment was opened, from which the file was made; of a merged file, when its first row was made.

        The rows of a segment may have begun before that (a slow call is logged when it is answered), but segments are
        sealed in the order in which they were opened.
        """
        return (id_time(self.name.id[:36]) if self.name.level == "s" else None) or self.begun_at


def unsealed_since(home: Path, *tables: str) -> datetime | None:
    """Return when the oldest segment of the tables (predictions) was opened that is not sealed yet, None for none."""
    prefixes = tuple(f"{table}-" for table in tables or ("predictions",))
    segments = (name for name in names_in(home / "log") if name.startswith(prefixes))
    unsealed = (name for name in segments if name.endswith((".open", ".wal")))
    return min(filter(None, (id_time(name.partition("-")[2][:36]) for name in unsealed)), default=None)


def listed(
    home: Path, table: str, *, deployment: str, since: datetime | None = None, until: datetime | None = None
) -> list[LogFile]:
    """Return the files of a table and deployment ("*" for all) with rows from `since` to `until`, oldest first."""
    first, last = text_of(since) if since else "", text_of(until) if until else "9"
    files = [
        file
        for folder in _folders(home / "tables" / table, deployment)
        for day in _days(folder, first[:8], last[:8])
        for file in files_in(day)
        if file.name.last >= first and file.name.first <= last
    ]
    return sorted(files, key=lambda file: (file.name.first, file.path.name))


def segments(home: Path, deployment: str, since: datetime | None = None) -> list[Path]:
    """Return the files of predictions whose rows all were made at or after `since`, oldest first."""
    first = text_of(since) if since else ""
    files = listed(home, "predictions", deployment=deployment, since=since)
    return paths_of(file for file in files if file.name.first >= first)


def label_files(home: Path, deployment: str, since: datetime | None = None) -> list[LogFile]:
    """Return the files of feedback that arrived since then: the deployment's, and that without a deployment."""
    own = listed(home, "labels", deployment=deployment, since=since)
    return own + listed(home, "labels", deployment=UNKNOWN, since=since)


def holding(home: Path, prediction_id: str) -> Iterator[list[LogFile]]:
    """Yield the files that may hold a prediction: first those whose name tells so, then those of earlier versions.

    The time of an id that a client made may differ from the time of its call by a day at most.
    """
    made_at = id_time(prediction_id)
    around = (made_at - _DAY, made_at + _DAY) if made_at else (None, None)
    files = listed(home, "predictions", deployment="*", since=around[0], until=around[1])
    possible = holding_some(files, names.id_span([prediction_id]))
    moment = text_of(made_at) if made_at else ""
    near = [file for file in possible if file.name.is_exact or file.name.first <= moment <= file.name.last]
    yield near
    yield [file for file in possible if file not in near]


def paths_of(files: Iterable[LogFile]) -> list[Path]:
    """Return the paths of the files."""
    return [file.path for file in files]


def holding_some(files: Iterable[LogFile], ids: IdSpan) -> list[LogFile]:
    """Return the files that may hold rows of some of the ids."""
    return [file for file in files if file.name.may_hold(ids)]


def _folders(table: Path, deployment: str) -> list[Path]:
    if deployment != "*":
        return [table / f"deployment={deployment}"]
    return [table / name for name in names_in(table) if name.startswith("deployment=")]


def deployments_in(home: Path) -> list[str]:
    """Return the deployments that have files, with the one of feedback without a deployment."""
    folders = {folder.name for table in ("predictions", "labels") for folder in _folders(home / "tables" / table, "*")}
    return sorted(name.removeprefix("deployment=") for name in folders)


def days_of(home: Path, table: str) -> list[Path]:
    """Return the folders of all days of a table."""
    return [day for folder in _folders(home / "tables" / table, "*") for day in _days(folder, "", "9")]


def _days(folder: Path, first: str, last: str) -> Iterator[Path]:
    """Yield the folders of the days between two dates, written as in names."""
    for name in names_in(folder):
        if name.startswith("date=") and first <= name[5:].replace("-", "") <= last:
            yield folder / name


def files_in(day: Path) -> list[LogFile]:
    """Return the files in the folder of a day but those that were merged into another one."""
    text = day.name.removeprefix("date=")
    parsed = {name: names.parsed(name, day=text) for name in names_in(day) if not name.startswith(".")}
    files = {name: content for name, content in parsed.items() if content is not None}
    # asked by name, not listed: what a merge adds while the folder is read may or may not be in its list
    merged = [name for name, content in files.items() if content.level != "s" and len(files) > 1]
    listings = [replaced_by(day / name) for name in merged]
    replaced = {name for listing in listings if listing is not None for name in listing.names}
    return [LogFile(day / name, content) for name, content in files.items() if name not in replaced]


def replaced_by(merged: Path) -> Replaced | None:
    """Return the list of what a merged file replaces, as long as it may still be there."""
    try:
        return msgspec.msgpack.decode(merged.with_name(merged.name + REPLACED).read_bytes(), type=Replaced)
    except FileNotFoundError:
        return None


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, none where it is not there."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def again_when_merged(read: Callable[P, R]) -> Callable[P, R]:
    """Return a reader that lists its files anew where some went while it read: they are in a merged one now."""

    @wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_TRIES - 1):
            try:
                return read(*args, **kwargs)
            except (duckdb.IOException, FileNotFoundError):
                continue
        return read(*args, **kwargs)

    return reading
