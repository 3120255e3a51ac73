"""What one answered call leaves in the prediction log: its features and predictions, packed.

u8 feature form (0 none, 1 float64 matrix, 2 JSON rows), u8 prediction form (0 none, 1 float64, 2 int64,
3 JSON list), u16 unused, u32 rows, u32 bytes of features; then features, then predictions.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from helicline.protocol.scoring.encode import jsonable

HEAD = struct.Struct("<BBHII")
NONE, MATRIX, ROWS = 0, 1, 2
FLOATS, INTEGERS, LISTED = 1, 2, 3
_LIMIT = 64 * 1024


def pack(features: Any, output: Any, *, rows: int) -> bytes:
    """Return the packed log of one call; `features` is a float64 matrix, a list of rows or None."""
    form, head = _features(features)
    kind, tail = _predictions(output, rows)
    return HEAD.pack(form, kind, 0, rows, len(head)) + head + tail


def _features(features: Any) -> tuple[int, bytes]:
    if features is None:
        return NONE, b""
    if isinstance(features, np.ndarray):
        return MATRIX, features.tobytes()
    return ROWS, json.dumps(features, default=str).encode()


def _predictions(output: Any, rows: int) -> tuple[int, bytes]:
    if isinstance(output, np.ndarray) and (output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)):
        if output.dtype.kind == "f":
            return FLOATS, output.astype(np.float64).tobytes()
        if output.dtype.kind in "iu":
            return INTEGERS, output.astype(np.int64).tobytes()
    value = jsonable(output)
    listed = value if isinstance(value, list) and len(value) == rows else [value]
    text = json.dumps(listed, default=str).encode()
    return (LISTED, text) if len(text) <= _LIMIT else (LISTED, b"[]")
