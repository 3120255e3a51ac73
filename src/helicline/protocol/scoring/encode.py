"""Encodes model outputs as JSON bodies of the MLflow scoring protocol."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from typing import Any

import numpy as np

try:
    import msgspec as _msgspec
except ImportError:  # in the environment of a model
    _msgspec = None  # type: ignore[assignment]


def answer(output: Any) -> bytes:
    """Return `{"predictions": ...}`; NaN is the bare token NaN, as in MLflow."""
    return b'{"predictions": ' + dumps(output) + b"}"


def dumps(output: Any) -> bytes:
    """Return the JSON of any model output: arrays as lists, frames as records, bytes as base64."""
    if _is_plain(output):
        return plain_json(output.tolist())
    return json.dumps(jsonable(output), default=_jsonable_value).encode()


def plain_json(value: Any) -> bytes:
    """Return the JSON of what holds no number but finite ones, and no text that is not Unicode.

    Raises:
        UnicodeEncodeError, OverflowError, TypeError: it holds something else; `json.dumps` may take it.
    """
    return json.dumps(value).encode() if _msgspec is None else _msgspec.json.encode(value)


def _is_plain(output: Any) -> bool:
    if not isinstance(output, np.ndarray) or output.dtype.kind not in "fiub":
        return False
    return output.dtype.kind != "f" or bool(np.isfinite(output).all())


def jsonable(output: Any) -> Any:
    """Return `output` with the outermost array or frame as lists."""
    if isinstance(output, np.ndarray):
        return _jsonable_value(output)
    if hasattr(output, "to_frame"):
        return output.to_frame().to_dict(orient="records")
    if hasattr(output, "to_dict") and hasattr(output, "columns"):
        return output.to_dict(orient="records")
    return output


def _jsonable_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "M":
            return np.datetime_as_string(value).tolist()
        return value.tolist()
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes | bytearray):
        return base64.encodebytes(bytes(value)).decode("ascii")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "model_dump"):
        return value.model_dump()
    raise TypeError(f"a model output of type {type(value).__name__} has no JSON form")
