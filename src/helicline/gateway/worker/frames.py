"""Frames between front and worker on a Unix stream socket: 20 bytes of head, then meta, then body."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

HEAD = struct.Struct("<HBBIIII")
MAGIC = 0x4C48

SCORING_JSON, SCORING_CSV, SCORING_PARQUET, OIP_JSON, OIP_BINARY, V1_JSON = 1, 2, 3, 4, 5, 6
RESULT, ERROR = 20, 21
HELLO, DRAIN, STOP, LOAD = 40, 42, 44, 45

MAX_CALLS = 64
"""How many calls a worker takes from its socket at once."""

HANDLED = "(the call failed, the worker goes on)"
"""The line after a traceback of a failed call in the worker's log: what stands before it ended no worker."""

USER_FAULT = 1
"""Flag of an ERROR frame: the caller's input is at fault, not the model."""

BINARY_OUTPUT = 2
"""Flag of a RESULT frame: its body is in the binary form of tensors, as that of a call of kind OIP_BINARY."""

_HEAD_LENGTH = struct.Struct("<I")


class Frame(NamedTuple):
    """One message. `number`: a request's deadline, a result's batch size, an error's status."""

    kind: int
    flags: int
    id: int
    number: int
    meta: bytes
    body: bytes


class ProtocolError(Exception):
    """The stream does not hold frames: the peer is broken or hostile."""


def pack(kind: int, call_id: int, *, flags: int = 0, number: int = 0, meta: bytes = b"", body: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return HEAD.pack(MAGIC, kind, flags, call_id, number, len(meta), len(body)) + meta + body


def with_head_length(head_length: int, body: bytes) -> bytes:
    """Return a body in the binary form of tensors as it travels: the length of its JSON head comes first."""
    return _HEAD_LENGTH.pack(head_length) + body


def cut_head_length(body: bytes) -> tuple[int, bytes]:
    """Return the length of the JSON head, and the body that `with_head_length` was given."""
    return _HEAD_LENGTH.unpack_from(body)[0], body[_HEAD_LENGTH.size :]


class FrameReader:
    """Cuts a byte stream into frames; `feed` takes pieces of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames completed by `data`."""
        self._buffer += data
        buffer, position, end = self._buffer, 0, len(self._buffer)
        while end - position >= HEAD.size:
            magic, kind, flags, call_id, number, meta_len, body_len = HEAD.unpack_from(buffer, position)
            if magic != MAGIC:
                raise ProtocolError(f"frame begins with {magic:#06x}")
            start = position + HEAD.size
            if end - start < meta_len + body_len:
                break
            middle = start + meta_len
            position = middle + body_len
            yield Frame(kind, flags, call_id, number, bytes(buffer[start:middle]), bytes(buffer[middle:position]))
        if position:
            del buffer[:position]


def deadline_at(moment: float) -> int:
    """Return a monotonic time as 32 bits of milliseconds; all processes of a machine share this clock."""
    return int(moment * 1000) & 0xFFFFFFFF


def expired(deadline: int) -> bool:
    """Return whether the deadline has passed (0 = no deadline)."""
    if not deadline:
        return False
    remaining = (deadline - int(time.monotonic() * 1000)) & 0xFFFFFFFF
    return remaining == 0 or remaining >= 0x80000000
