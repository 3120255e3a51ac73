"""Just enough protobuf to read OTLP spans: the wire format, without generated classes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_DEPTH = 32


class Malformed(ValueError):
    """The bytes are not a protobuf message."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each field's number and raw value: an int for varints and fixed widths, else bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(message, at)
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            if at + width > end:
                raise Malformed("cut short")
            value, at = int.from_bytes(message[at : at + width], "little"), at + width
        elif kind == 2:
            size, at = _varint(message, at)
            if at + size > end:
                raise Malformed("cut short")
            value, at = message[at : at + size], at + size
        else:
            raise Malformed(f"wire type {kind}")
        if number == 0:
            raise Malformed("field number 0")
        yield number, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise Malformed("cut short or too long a number")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def inside(value: int | bytes) -> bytes:
    """Return the bytes of a length-delimited field."""
    if isinstance(value, int):
        raise Malformed("a number where bytes are due")
    return value


def number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise Malformed("bytes where a number is due")
    return value


def text(value: int | bytes) -> str:
    try:
        return inside(value).decode()
    except UnicodeDecodeError:
        raise Malformed("text that is no UTF-8") from None


def signed(value: int | bytes) -> int:
    """Return a varint as the int64 it stands for."""
    plain = number(value) & (2**64 - 1)
    return plain - 2**64 if plain >= 2**63 else plain


def double(value: int | bytes) -> float:
    return float(struct.unpack("<d", number(value).to_bytes(8, "little"))[0])
