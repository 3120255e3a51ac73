"""Encodes model outputs as the JSON infer response."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.protocol.oip.decode import DTYPES
from helicline.protocol.scoring.encode import is_missing, jsonable, plain_json

_DATATYPES = {name: datatype for datatype, name in DTYPES.items() if name != "object"}


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the protocol's name of a NumPy dtype; BYTES for every dtype that it does not define."""
    return _DATATYPES.get(dtype.name, "BYTES")


def output_tensors(output: Any, names: list[str]) -> list[dict[str, Any]]:
    """Return the output tensors of any model output; `names` are those of the signature."""
    if isinstance(output, dict):
        return [_tensor(str(name), np.asarray(value)) for name, value in output.items()]
    if hasattr(output, "columns") and hasattr(output, "to_numpy"):
        return [_tensor(str(name), output[name].to_numpy()) for name in output.columns]
    array = output.to_numpy() if hasattr(output, "to_numpy") else np.asarray(output)
    return [_tensor(names[0] if names else "output-1", array)]


def _tensor(name: str, array: np.ndarray[Any, Any]) -> dict[str, Any]:
    datatype = datatype_of(array.dtype)
    shape = [*array.shape, 1] if array.ndim == 1 else list(array.shape) or [1, 1]
    flat = array.reshape(-1)
    data: list[Any]
    if datatype == "BYTES":
        data = [value if isinstance(value, str) else _text(value) for value in flat.tolist()]  # None: a missing text
    elif array.dtype.kind == "f" and not np.isfinite(array).all():
        data = [value if np.isfinite(value) else None for value in flat.tolist()]
    else:
        data = flat.tolist()
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _text(value: Any) -> str | None:
    if is_missing(value):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.dumps(jsonable(value), default=_own_text)


def _own_text(value: Any) -> str:
    """Return the text of a date, a decimal or the like. Raises TypeError for what has no text of its own."""
    text = str(value)
    if text == object.__repr__(value):
        raise TypeError(f"a model output of type {type(value).__name__} has no JSON form")
    return text


def infer_response(head: dict[str, Any], output: Any, *, names: list[str], requested: list[str]) -> bytes:
    """Return the body: `head` (model_name, id, parameters, ...) and the requested outputs, or all outputs.

    Raises:
        Invalid: an output is requested that the model does not give.
    """
    tensors = output_tensors(output, names)
    by_name = {tensor["name"]: tensor for tensor in tensors}
    if unknown := sorted(set(requested) - by_name.keys()):
        raise Invalid("outputs", unknown[0], f"one of {', '.join(by_name)}")
    if requested:
        tensors = [by_name[name] for name in requested]
    response = {**head, "outputs": tensors}
    try:
        return plain_json(response)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return json.dumps(response).encode()
