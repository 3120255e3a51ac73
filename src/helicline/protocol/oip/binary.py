"""The binary form of tensors: a JSON head, then the raw values of its tensors in their order.

Values are little-endian and row-major without padding; BOOL is one byte, an element of BYTES its length as u32 and its
bytes. As the binary tensor data extension of the Open Inference Protocol defines it.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.protocol.oip.datatypes import DTYPES

_LENGTH = struct.Struct("<I")
Values = list[Any] | np.ndarray[Any, Any]


class RawTensors:
    """The bytes behind the JSON head; each tensor takes its part of them."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._position = memoryview(raw), 0

    def take(self, name: str, datatype: str, *, shape: tuple[int, ...], size: Any) -> Values:
        """Return the values of the next tensor: an array, or a list of bytes for BYTES.

        Raises:
            Invalid: the size is not that of the tensor, or more than there is.
        """
        remaining = len(self._raw) - self._position
        if type(size) is not int or not 0 <= size <= remaining:
            where = f"inputs.{name}.parameters.binary_data_size"
            raise Invalid(where, size, f"a whole number up to the {remaining} bytes")
        part = self._raw[self._position : self._position + size]
        self._position += size
        return values_of(part, name, datatype=datatype, count=math.prod(shape))

    def check_end(self) -> None:
        """Raise `Invalid` where bytes remain that belong to no tensor."""
        if remaining := len(self._raw) - self._position:
            raise Invalid("body", f"{remaining} bytes behind the last tensor", "as many bytes as binary_data_size says")


def values_of(raw: memoryview, name: str, *, datatype: str, count: int) -> Values:
    """Return the `count` values of a tensor: an array that may be written to, or a list of bytes for BYTES.

    Raises:
        Invalid: the bytes are not as many values, or not values of the datatype.
    """
    if datatype == "BYTES":
        return _elements(raw, name, count=count)
    dtype = np.dtype(DTYPES[datatype]).newbyteorder("<")
    if len(raw) != count * dtype.itemsize:
        expected = f"{count * dtype.itemsize} ({count} values of {datatype})"
        raise Invalid(f"inputs.{name}", f"{len(raw)} bytes", expected)
    if datatype == "BOOL" and (np.frombuffer(raw, dtype=np.uint8) > 1).any():
        raise Invalid(f"inputs.{name}", "a byte above 1", "BOOL: 0 or 1")
    return np.frombuffer(raw, dtype=dtype).astype(dtype.newbyteorder("="))


def _elements(raw: memoryview, name: str, *, count: int) -> list[bytes]:
    elements, position = [], 0
    while position < len(raw):
        end = position + _LENGTH.size
        length = _LENGTH.unpack(raw[position:end])[0] if end <= len(raw) else len(raw)
        if end + length > len(raw):
            raise Invalid(f"inputs.{name}", f"an element beyond the {len(raw)} bytes", "a u32 length, then the bytes")
        elements.append(bytes(raw[end : end + length]))
        position = end + length
    if len(elements) != count:
        raise Invalid(f"inputs.{name}", f"{len(elements)} elements", f"{count}")
    return elements


def raw_of(values: Values) -> bytes:
    """Return the bytes of an array of numbers or booleans, or of a list of bytes."""
    if isinstance(values, list):
        return b"".join(_LENGTH.pack(len(value)) + value for value in values)
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
