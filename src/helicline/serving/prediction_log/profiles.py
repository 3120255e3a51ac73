"""Profiles that the gateway left beside sealed segments of the prediction log: one a revision and segment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from helicline.serving.prediction_log.files import LogFile, again_when_merged, listed
from helicline.serving.prediction_log.names import LONGEST_CALL, LONGEST_SEGMENT, micros_of, moment_at
from helicline.store import durable

SUFFIX = ".profiles"


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The encoded profile of each revision in a part of a merged file, and when its first segment was opened."""

    begun_us: int
    by_revision: dict[int, bytes]

    @property
    def begun_at(self) -> datetime:
        return moment_at(self.begun_us)


class Sidecar(msgspec.Struct, frozen=True):
    """The encoded profile of each revision in a segment; or, of a merged file, the profiles of its parts."""

    by_revision: dict[int, bytes] = {}
    parts: tuple[Part, ...] = ()


def beside(segment: Path) -> Path:
    """Return the path of a file's profiles."""
    return segment.with_name(segment.name + SUFFIX)


def write(segment: Path, by_revision: dict[int, bytes]) -> None:
    """Store the profiles of a sealed segment."""
    durable.write(beside(segment), msgspec.msgpack.encode(Sidecar(by_revision)))


def write_parts(merged: Path, parts: Sequence[Part]) -> None:
    """Store the profiles of a merged file."""
    durable.write(beside(merged), msgspec.msgpack.encode(Sidecar(parts=tuple(parts))))


def parts_of(file: LogFile) -> tuple[Part, ...]:
    """Return the profiles of a file, of a segment as one part; none where there are none."""
    try:
        content = beside(file.path).read_bytes()
    except FileNotFoundError:
        return ()
    sidecar = msgspec.msgpack.decode(content, type=Sidecar)
    return sidecar.parts or (Part(micros_of(file.opened_at), sidecar.by_revision),)


@again_when_merged
def between(home: Path, deployment: str, *, revision: int, since: datetime, until: datetime) -> list[bytes]:
    """Return the profiles of a revision's traffic in the segments opened within the time, oldest first.

    So times that meet share no row, and leave none out, once all segments opened before the end are sealed.
    """
    around = since - LONGEST_CALL, until + LONGEST_SEGMENT  # files are listed by the times of their rows
    files = listed(home, "predictions", deployment=deployment, since=around[0], until=around[1])
    near = (file for file in files if file.name.level != "s" or since <= file.opened_at < until)
    parts = [part for file in near for part in parts_of(file) if since <= part.begun_at < until]
    return [part.by_revision[revision] for part in parts if revision in part.by_revision]
