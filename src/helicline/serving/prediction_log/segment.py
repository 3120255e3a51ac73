"""The write-ahead form of the prediction log: checksummed records appended to a segment file.

A segment is `<kind>-<segment id>.open` while it is written and `.wal` once closed. Each record is u32 length,
u32 CRC-32, then a MessagePack array. A torn last record (the process was killed) ends the segment.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from helicline.ids import new_prediction_id
from helicline.store.durable import make_folder, sync

_HEAD = struct.Struct("<II")


class Schema(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """Names and types of a revision's feature columns; comes before its first line in every segment."""

    deployment: str
    revision: int
    features: tuple[tuple[str, str], ...]


class Line(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """One answered call: assigned to `revision`, answered by `served_by`; `packed` holds its rows.

    `unit_key_hash` is "" for a call without an assignment key, which is a unit of its own. `point` is the place of the
    key in 0..9999 by which a rollout assigned it, -1 outside of rollouts.
    """

    prediction_id: str
    ts_us: int
    deployment: str
    revision: int
    model: str
    model_version: int
    variant: str
    served_by: int
    fallback_reason: str
    rollout: int
    stage: int
    weight_bp: int
    unit_key_hash: str
    protocol: str
    status: int
    batch_rows: int
    latency_us: int
    packed: bytes
    point: int = -1


class Label(msgspec.Struct, frozen=True, array_like=True, tag="l"):
    """One piece of feedback, on a prediction or, with `unit_key_hash` and no prediction id, on a unit.

    What comes again with the same `event_id` corrects what came before.
    """

    deployment: str
    prediction_id: str
    row: int
    name: str
    value: str
    ts_us: int
    received_us: int
    source: str
    unit_key_hash: str = ""
    event_id: str = ""


Record = Schema | Line | Label
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


def framed(record: Record) -> bytes:
    """Return the bytes of a record in a segment: length, checksum, content."""
    payload = _encode(record)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a segment up to its end or its first damaged record."""
    data = memoryview(path.read_bytes())
    at = 0
    while at + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        payload = data[at : at + length]
        # zeros, as a power cut may leave them, are a record of nothing with the right checksum
        if not length or len(payload) < length or zlib.crc32(payload) != crc:
            return
        yield _decode(payload)
        at += length


class SegmentWriter:
    """Appends records to the open segment of one kind; nothing reaches the system before `flush`."""

    def __init__(self, folder: Path, kind: str, *, new_id: Callable[[], str] = new_prediction_id) -> None:
        self._folder, self._kind, self._new_id = folder, kind, new_id
        self._descriptor = -1
        self._path = folder
        self._parts: list[bytes] = []
        self.waiting_bytes = 0

    def append(self, data: bytes) -> None:
        """Buffer the bytes of a framed record."""
        self._parts.append(data)
        self.waiting_bytes += len(data)

    def flush(self) -> None:
        """Write the buffered records to the operating system, so that they survive the death of the process.

        Raises:
            OSError: the disk is full or gone; the buffered records are dropped so that memory stays bounded.
        """
        if not self._parts:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        self.waiting_bytes = 0
        if self._descriptor < 0:
            self._open()
        start = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, data)
        except OSError:
            try:
                os.ftruncate(self._descriptor, start)
            except OSError:  # the file ends with a partial record, so nothing can follow
                with contextlib.suppress(OSError):
                    self._close()
            raise

    def sync(self) -> None:
        """Make the flushed records durable.

        Raises:
            OSError: the disk is full or gone; the segment is closed, since a later sync would not come back to what
                this one has lost, and what is written behind a gap is not read.
        """
        if self._descriptor < 0:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self._close()
            raise

    def _open(self) -> None:
        make_folder(self._folder)
        self._path = self._folder / f"{self._kind}-{self._new_id()}.open"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        sync(self._folder)  # later records are durable only if the name of their file is

    @property
    def is_open(self) -> bool:
        """Whether a segment with records is being written."""
        return self._descriptor >= 0

    def rotate(self) -> bool:
        """Close the segment for sealing; return False if there was none."""
        self.flush()
        if self._descriptor < 0:
            return False
        self._close()
        return True

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
        self._path.rename(self._path.with_suffix(".wal"))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def close_leftovers(folder: Path) -> int:
    """Close the segments that a killed process left open; return their number."""
    leftovers = list(folder.glob("*.open"))
    for path in leftovers:
        path.rename(path.with_suffix(".wal"))
    return len(leftovers)
