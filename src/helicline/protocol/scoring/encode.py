"""Encodes model outputs as JSON bodies of the MLflow scoring protocol."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime
from typing import Any

import numpy as np

from helicline.protocol.scoring.decode import optional_msgspec


def answer(output: Any) -> bytes:
    """Return `{"predictions": ...}`; what is missing or not finite is null (MLflow sends NaN, which is no JSON)."""
    return b'{"predictions": ' + dumps(output) + b"}"


def dumps(output: Any) -> bytes:
    """Return the JSON of any model output: arrays as lists, frames as records, bytes as base64."""
    if _is_plain(output):
        return plain_json(output.tolist())
    value = jsonable(output)
    try:
        return json.dumps(value, default=_jsonable_value, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_with_nulls(value), default=_jsonable_value).encode()


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for none: None, NaN, and what pandas and NumPy write for a missing time or text."""
    return value is None or (isinstance(value, float | datetime | np.datetime64) and value != value) or _is_na(value)


def _is_na(value: Any) -> bool:
    return type(value).__name__ in ("NAType", "NaTType")


def _with_nulls(value: Any) -> Any:
    """Return the value with null for every number that is not finite."""
    if isinstance(value, dict):
        return {key: _with_nulls(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(part) for part in value]
    if isinstance(value, np.ndarray | np.generic):
        return _with_nulls(_jsonable_value(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


def plain_json(value: Any) -> bytes:
    """Return the JSON of what holds no number but finite ones, and no text that is not Unicode.

    Raises:
        UnicodeEncodeError, OverflowError, TypeError: it holds something else; `json.dumps` may take it.
    """
    return json.dumps(value).encode() if optional_msgspec is None else optional_msgspec.json.encode(value)


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
            texts = np.datetime_as_string(value).astype(object)
            texts[np.isnat(value)] = None
            return texts.tolist()
        return value.tolist()
    if is_missing(value):
        return None
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
