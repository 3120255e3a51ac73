"""Merges sealed files: few minutes, then an hour, then a day become one file for each set of columns.

The rename of the merged file is the commit. Before it, a list of the files that it replaces lies beside its name; from
it on, nobody lists those any more. They stay for a while, because readers may have listed them before.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path

import msgspec

from helicline.serving.prediction_log import profiles, sql
from helicline.serving.prediction_log.files import (
    REPLACED,
    LogFile,
    Replaced,
    days_of,
    files_in,
    names_in,
    paths_of,
    replaced_by,
)
from helicline.serving.prediction_log.names import Level, Name, micros_of, moment_at, moment_of, span_of, text_of
from helicline.serving.prediction_log.seal import connection
from helicline.store import durable

# called with the merged file's path before it exists, with the files that become it, and with its level
BeforeMerge = Callable[[Path, list[LogFile], Level], None]
_log = logging.getLogger("helicline.gateway.log_sealer")
_TRIED_AGAIN_AFTER = timedelta(minutes=10)
KEPT_FOR = timedelta(minutes=10)
_SETTLED_FOR = timedelta(minutes=1)
_HOUR_IS_OVER = timedelta(hours=1, minutes=5)
_DAY_IS_OVER = timedelta(days=1, hours=6)  # monitors look a few hours back, and see an hour as one of a day's file
_FEW_MINUTES = 64  # segments that are merged before their hour is over
MAX_BYTES = 256 * 1024 * 1024
_MAX_FILES = 500
_ROW_GROUP = 16_384  # so much is read to find one prediction
TIMES = {"predictions": "ts", "labels": "received_ts"}


class Group(msgspec.Struct, frozen=True):
    """Files that become one."""

    files: list[LogFile]
    level: Level


class Merger:
    """Merges what is due under the tables of one home."""

    def __init__(self, home: Path, before_merge: BeforeMerge | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self._home, self._before_merge, self._max_bytes = home, before_merge, max_bytes
        self._done: dict[Path, int] = {}  # days of the past, with the time of their folder
        self._failed: dict[Path, datetime] = {}

    def run(self, now: datetime, *, goes_on: Callable[[], bool] = lambda: True) -> int:
        """Merge what is due, and remove what was replaced long ago, while `goes_on()`; return how many were merged.

        Nothing is done while a backup reads the files, or another sealer merges.
        """
        count = 0
        for table in TIMES:
            for day in days_of(self._home, table):
                try:
                    count += 0 if self._is_done(day, now) else self._merge_day(day, now, goes_on)
                except FileNotFoundError:
                    continue  # the last files of the day were dropped meanwhile
                except Exception:
                    _log.exception("files in %s cannot be merged; they are read as they are", day)
                    self._failed[day] = now
        return count

    def _is_done(self, day: Path, now: datetime) -> bool:
        failed_at = self._failed.get(day)
        if failed_at is not None and now < failed_at + _TRIED_AGAIN_AFTER:
            return True
        return day in self._done and day.stat().st_mtime_ns == self._done[day]

    def _merge_day(self, day: Path, now: datetime, goes_on: Callable[[], bool]) -> int:
        changed_at = day.stat().st_mtime_ns
        is_tidy = self._locked(lambda: tidy(day, now))
        due = groups(day, now, unsealed=self._unsealed(), max_bytes=self._max_bytes)
        count = 0
        if due and (self._home / "log").is_dir():
            durable.sync(self._home / "log")  # a segment that came back would be sealed again, beside the merged file
        for group in due:
            if not goes_on():
                break
            count += self._locked(partial(self._merge, group, now))
        if is_tidy and not due and now >= _start_of(day) + _DAY_IS_OVER:
            self._done[day] = changed_at
        return count

    def _merge(self, group: Group, now: datetime) -> bool:
        merge(group, now, self._before_merge)
        return True

    def _unsealed(self) -> set[str]:
        """Return the ids of segments that are still there: they may be sealed again, so their files stay."""
        return {Path(name).stem.partition("-")[2] for name in names_in(self._home / "log")}

    def _locked(self, act: Callable[[], bool]) -> bool:
        with durable.lock(self._home / "tables" / durable.MERGE_LOCK) as is_locked:
            return is_locked and act()


def groups(day: Path, now: datetime, *, unsealed: set[str], max_bytes: int = MAX_BYTES) -> list[Group]:
    """Return the groups of a day's files that are to be merged now."""
    latest = text_of(now - _SETTLED_FOR)
    files = [file for file in files_in(day) if file.name.last <= latest and file.name.id[:36] not in unsealed]
    files.sort(key=lambda file: (file.name.first, file.path.name))
    if now >= _start_of(day) + _DAY_IS_OVER:
        return _groups(files, "d", max_bytes)
    by_hour: dict[str, list[LogFile]] = {}
    for file in files:
        by_hour.setdefault(file.name.first[:11], []).append(file)
    due: list[Group] = []
    for hour, inside in by_hour.items():
        if now >= moment_of(f"{hour}0000000000") + _HOUR_IS_OVER:
            due += _groups(inside, "h", max_bytes)
        elif len(segments := [file for file in inside if file.name.level == "s"]) >= _FEW_MINUTES:
            due += _groups(segments, "m", max_bytes)
    return due


def _groups(files: list[LogFile], level: Level, max_bytes: int) -> list[Group]:
    """Return groups of files with the same columns, none too large; a single file only to give it its name."""
    if len(files) < 2 and all(file.name.is_exact for file in files):
        return []
    parts: list[list[LogFile]] = []
    for same in _by_columns(files):
        size = max_bytes
        for file in same:
            size += (file_size := file.path.stat().st_size)
            if size > max_bytes or len(parts[-1]) == _MAX_FILES:
                parts.append([])
                size = file_size
            parts[-1].append(file)
    return [Group(part, level) for part in parts if len(part) > 1 or not part[0].name.is_exact]


def _by_columns(files: list[LogFile]) -> list[list[LogFile]]:
    """Return the files grouped by names and types of their columns: a merge changes neither."""
    by_columns: dict[bytes, list[LogFile]] = {}
    for file in files:
        by_columns.setdefault(_columns_of(file.path), []).append(file)
    return list(by_columns.values())


@lru_cache(maxsize=10_000)  # a file never changes, and files that cannot be merged are looked at again and again
def _columns_of(path: Path) -> bytes:
    """Return a digest of the names and types of a file's columns."""
    with connection() as cursor:
        rows = cursor.execute(
            "SELECT name, type, converted_type, logical_type FROM parquet_schema($1)", [str(path)]
        ).fetchall()
    return hashlib.sha256(repr(rows).encode()).digest()


def merge(group: Group, now: datetime, before_merge: BeforeMerge | None = None) -> Path:
    """Write the merged file of a group, and let it replace them.

    Raises:
        ValueError: it has not as many rows as they have; nothing was replaced.
    """
    day = group.files[0].path.parent
    replaced = sorted(file.path.name for file in group.files)
    digest = hashlib.sha256("\n".join(replaced).encode()).hexdigest()[:32]
    partial = day / f".{digest}.{os.getpid()}.tmp"
    name = _write(group, partial, digest=digest)
    target = day / name.file_name
    if before_merge is not None:
        before_merge(target, group.files, group.level)
    listing = msgspec.msgpack.encode(Replaced(micros_of(now), replaced))
    durable.write(target.with_name(target.name + REPLACED), listing)
    durable.replace(partial, target)
    return target


def _write(group: Group, partial: Path, *, digest: str) -> Name:
    """Write the rows of the group's files, in their order, and return the name of the file."""
    source, target = sql.parquet(paths_of(group.files)), sql.literal(str(partial))
    times = TIMES[partial.parents[2].name]
    with connection() as cursor:
        cursor.execute(
            f"""COPY (SELECT * FROM {source}) TO {target}
                (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"""
        )
        query = f"SELECT count(*), min({times}), max({times}), {sql.id_bounds()} FROM {sql.parquet([partial])}"
        count, first, last, first_id, last_id, has_untimed = cursor.execute(query).fetchall()[0]
        (expected,) = cursor.execute(f"SELECT count(*) FROM {source}").fetchall()[0]
    if count != expected:
        partial.unlink()
        raise ValueError(f"{count} rows were written of {expected}")
    durable.sync(partial)
    ids = span_of(first_id or "", last_id or "", has_untimed=bool(has_untimed))
    return Name(
        first=text_of(first.replace(tzinfo=UTC)),
        last=text_of(last.replace(tzinfo=UTC)),
        first_id=ids.first,
        last_id=ids.last,
        level=group.level,
        has_untimed=ids.has_untimed,
        id=digest,
    )


def tidy(day: Path, now: datetime) -> bool:
    """Remove what was replaced long ago, and what a killed merge left; return whether nothing is left to remove."""
    names = names_in(day)
    for name in names:
        if name.startswith(".") and name.endswith(".tmp") and _is_old(day / name, now):
            (day / name).unlink(missing_ok=True)
    merged = [name.removesuffix(REPLACED) for name in names if name.endswith(REPLACED)]
    return all([_tidied(day / name, now) for name in merged])


def _tidied(merged: Path, now: datetime) -> bool:
    if not merged.exists():  # its merge was killed before the commit
        _remove(profiles.beside(merged), merged.with_name(merged.name + REPLACED))
        return True
    listing = replaced_by(merged)
    if listing is not None and now < moment_at(listing.at_us) + KEPT_FOR:
        return False
    _remove_replaced(merged)
    return True


def _remove_replaced(merged: Path) -> None:
    """Remove the files that it replaces, first those that these replace, and at last its list of them."""
    listing = replaced_by(merged)
    if listing is None:
        return
    for name in listing.names:
        old = merged.with_name(name)
        _remove_replaced(old)
        _remove(old, profiles.beside(old))
    durable.sync(merged.parent)  # a list that went before its files would bring them back
    _remove(merged.with_name(merged.name + REPLACED))


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_old(path: Path, now: datetime) -> bool:
    try:
        return path.stat().st_mtime < (now - timedelta(hours=1)).timestamp()
    except FileNotFoundError:
        return False


def _start_of(day: Path) -> datetime:
    return datetime.fromisoformat(day.name.removeprefix("date=")).replace(tzinfo=UTC)


def remove(files: list[LogFile], now: datetime) -> None:
    """Remove files for good, and what they replaced; the caller holds the lock of merges."""
    for file in files:
        _remove_replaced(file.path)
        _remove(profiles.beside(file.path), file.path)
    for day in {file.path.parent for file in files}:
        # into the folder of a day that is not long over, the sealer may be about to write
        if now >= _start_of(day) + 2 * _DAY_IS_OVER and not names_in(day):
            day.rmdir()
