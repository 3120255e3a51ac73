"""The names of sealed files: `<first>_<last>_<first id>_<last id>_<level>_<id>.parquet`.

`first` and `last` are the times of the rows (predictions: of the call; labels: of their arrival), the next two the
times in the prediction ids (UUIDv7). So a file that a question needs is known without a look into it. The level is `s`
for a segment, `m`, `h` and `d` for what was merged; an `x` behind it says that some ids have no time, because a client
chose them. Earlier versions named a file by its segment alone; such a name stands for all that the file may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

import msgspec

Level = Literal["s", "m", "h", "d"]
SUFFIX = ".parquet"
# ids whose time is known: UUIDv7 as this program writes them, up to the year 9999; their order is that of their times
TIMED = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TIMED_BEFORE = "e677d21f-dc"
_timed = re.compile(TIMED).fullmatch
_FORM = "%Y%m%dT%H%M%S%f"
_MOMENT = r"\d{8}T\d{12}"
_NAME = re.compile(rf"({_MOMENT})_({_MOMENT})_({_MOMENT}|0)_({_MOMENT}|0)_([smhd])(x?)_(.+)\.parquet").fullmatch
_SEGMENT_NAME = re.compile(rf"({TIMED})(?:\.\d+)?\.parquet").fullmatch
_EPOCH = datetime.fromtimestamp(0, UTC)
_EARLIEST, _LATEST = "1", "9"
NO_ID = "0"
# a segment is open for `log_seal_s`, seconds; a call may have begun so long before its segment
LONGEST_CALL, LONGEST_SEGMENT = timedelta(minutes=10), timedelta(hours=1)


class IdSpan(msgspec.Struct, frozen=True):
    """The first and the last time in some prediction ids, and whether some of them have no time."""

    first: str
    last: str
    has_untimed: bool


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a sealed file as its name tells it; times are texts that sort as the times do."""

    first: str
    last: str
    first_id: str
    last_id: str
    level: Level
    has_untimed: bool
    id: str
    is_exact: bool = True

    @property
    def file_name(self) -> str:
        untimed = "x" if self.has_untimed else ""
        return "_".join((self.first, self.last, self.first_id, self.last_id, self.level + untimed, self.id)) + SUFFIX

    def may_hold(self, ids: IdSpan) -> bool:
        """Tell whether rows of some of these predictions may be in the file."""
        overlaps = self.first_id <= ids.last and ids.first <= self.last_id
        return (self.has_untimed and ids.has_untimed) or (overlaps and ids.first != NO_ID != self.first_id)


def text_of(moment: datetime) -> str:
    """Return an aware moment as it is written in names."""
    return moment.astimezone(UTC).strftime(_FORM)


def moment_of(text: str) -> datetime:
    """Return the moment that a name tells."""
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)


def micros_of(moment: datetime) -> int:
    """Return the microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_at(micros: int) -> datetime:
    """Return the moment of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def id_time(prediction_id: str) -> datetime | None:
    """Return the time in a prediction id (UUIDv7), or None for an id that the client chose."""
    if not _timed(prediction_id) or prediction_id >= TIMED_BEFORE:
        return None
    return datetime.fromtimestamp(int(prediction_id[:8] + prediction_id[9:13], 16) / 1000, UTC)


def id_span(prediction_ids: Iterable[str]) -> IdSpan:
    """Return the times in the ids."""
    ids = set(prediction_ids)
    timed = [value for value in ids if id_time(value)]
    return span_of(min(timed, default=""), max(timed, default=""), has_untimed=len(timed) < len(ids))


def span_of(first_id: str, last_id: str, *, has_untimed: bool) -> IdSpan:
    """Return the span of ids of which these are the first and the last one with a time; empty for none."""
    first, last = id_time(first_id), id_time(last_id)
    return IdSpan(text_of(first) if first else NO_ID, text_of(last) if last else NO_ID, has_untimed)


def segment_name(file_name: str, *, day: str) -> Name | None:
    """Return what an earlier version's name may stand for: rows of that day, near the time of its segment."""
    match = _SEGMENT_NAME(file_name)
    begun_at = id_time(match[1]) if match else None
    if begun_at is None:
        return None
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    end = start + timedelta(days=1) - timedelta(microseconds=1)
    first, last = max(begun_at - LONGEST_CALL, start), max(min(begun_at + LONGEST_SEGMENT, end), start)
    return Name(
        first=text_of(min(first, end)),
        last=text_of(last),
        first_id=_EARLIEST,
        last_id=_LATEST,
        level="s",
        has_untimed=True,
        id=file_name.removesuffix(SUFFIX),
        is_exact=False,
    )


def parsed(file_name: str, *, day: str) -> Name | None:
    """Return what the name of a file tells; None for files that are not of the log."""
    match = _NAME(file_name)
    if match is None:
        return segment_name(file_name, day=day)
    first, last, first_id, last_id, level, untimed, file_id = match.groups()
    return Name(
        first=first,
        last=last,
        first_id=first_id,
        last_id=last_id,
        level=cast("Level", level),
        has_untimed=bool(untimed),
        id=file_id,
    )
