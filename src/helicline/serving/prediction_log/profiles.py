"""Profiles that the gateway left beside sealed segments of the prediction log: one a revision and segment."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from helicline.serving.prediction_log.files import again_when_merged, listed
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


@again_when_merged
def between(home: Path, deployment: str, *, revision: int, since: datetime, until: datetime) -> list[bytes]:
    """Return the profiles of a revision's traffic in segments begun within the time, oldest first."""
    parts = []
    for file in listed(home, "predictions", deployment=deployment, since=since, until=until):
        path = beside(file.path)
        if not since <= file.begun_at < until or not path.is_file():
            continue
        part = msgspec.msgpack.decode(path.read_bytes(), type=Sidecar).by_revision.get(revision)
        if part is not None:
            parts.append(part)
    return parts
