"""The entry that an answered call leaves in the prediction log: its features and predictions, packed.

u8 feature form (0 none, 1 float64 matrix, 2 JSON rows), u8 prediction form (0 none, 1 float64, 2 int64,
3 JSON list), u16 unused, u32 rows, u32 bytes of features; then features, then predictions.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from helicline.gateway.worker.call import Call
from helicline.protocol.scoring.encode import jsonable

HEAD = struct.Struct("<BBHII")
NONE, MATRIX, ROWS = 0, 1, 2
FLOATS, INTEGERS, LISTED = 1, 2, 3
_LIMIT, _ROW_LIMIT = 64 * 1024, 256


def entry(call: Call) -> bytes:
    """Return the packed entry of a call that has its output."""
    row_count = len(call.rows) if call.rows is not None else _row_count(call.output)
    return pack(call.features, call.output, row_count=row_count)


def pack(features: Any, output: Any, *, row_count: int) -> bytes:
    """Return a packed entry; `features` is a float64 matrix, a list of rows or None."""
    feature_form, feature_bytes = _packed_features(features)
    prediction_form, prediction_bytes = _packed_predictions(output, row_count)
    head = HEAD.pack(feature_form, prediction_form, 0, row_count, len(feature_bytes))
    return head + feature_bytes + prediction_bytes


def _row_count(output: Any) -> int:
    return len(output) if hasattr(output, "__len__") and not isinstance(output, dict | str | bytes) else 1


def _packed_features(features: Any) -> tuple[int, bytes]:
    if features is None:
        return NONE, b""
    if isinstance(features, np.ndarray):
        return MATRIX, features.tobytes()
    return ROWS, json.dumps(features, default=str).encode()


def _packed_predictions(output: Any, row_count: int) -> tuple[int, bytes]:
    if isinstance(output, np.ndarray) and (output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)):
        if output.dtype.kind == "f":
            return FLOATS, output.astype(np.float64).tobytes()
        if output.dtype.kind in "iu":
            return INTEGERS, output.astype(np.int64).tobytes()
    limit = _LIMIT + _ROW_LIMIT * row_count  # an answer a row is logged however many rows there are
    if hasattr(output, "shape") and 2 * output.size > limit:
        return LISTED, b"[]"  # each value has two characters at least
    value = jsonable(output)
    predictions = value if isinstance(value, list) and len(value) == row_count else [value]
    text = json.dumps(predictions, default=_plain).encode()
    return (LISTED, text) if len(text) <= limit else (LISTED, b"[]")


def _plain(value: Any) -> Any:
    """Return a number of NumPy, as lists of objects hold them, as one of Python, and everything else as text."""
    return value.item() if isinstance(value, np.generic) else str(value)
