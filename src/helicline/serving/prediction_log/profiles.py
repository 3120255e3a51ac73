"""Profiles that the gateway left beside sealed segments of the prediction log: one a revision and segment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from helicline.serving.prediction_log.files import segment_time, segments
from helicline.store import durable

SUFFIX = ".profiles"


class Sidecar(msgspec.Struct, frozen=True):
    """The encoded profile of each revision in a segment."""

    by_revision: dict[int, bytes]


def beside(segment: Path) -> Path:
    """Return the path of a segment's profiles."""
    return segment.with_name(segment.name + SUFFIX)


def write(segment: Path, by_revision: dict[int, bytes]) -> None:
    """Store the profiles of a sealed segment."""
    durable.write(beside(segment), msgspec.msgpack.encode(Sidecar(by_revision)))


def between(home: Path, deployment: str, *, revision: int, since: datetime, until: datetime) -> list[bytes]:
    """Return the profiles of a revision's traffic in segments begun within the time, oldest first."""
    parts = []
    for segment in segments(home, deployment, since):
        path = beside(segment)
        if segment_time(segment) >= until or not path.is_file():
            continue
        part = msgspec.msgpack.decode(path.read_bytes(), type=Sidecar).by_revision.get(revision)
        if part is not None:
            parts.append(part)
    return parts
