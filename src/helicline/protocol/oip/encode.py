"""Encodes model outputs as infer responses, in JSON or in the binary form of tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.protocol.oip.binary import Values, raw_of
from helicline.protocol.oip.datatypes import datatype_of
from helicline.protocol.oip.decode import InferRequest
from helicline.protocol.scoring.encode import dumps, is_missing, jsonable, plain_json


@dataclass(slots=True, frozen=True)
class OutputTensor:
    """One output tensor: `head` is its name, shape and datatype."""

    head: dict[str, Any]
    array: np.ndarray[Any, Any]

    def with_data(self) -> dict[str, Any]:
        """Return the tensor with its values as JSON; null stands for what is missing."""
        flat = self.array.reshape(-1)
        data: list[Any]
        if self.head["datatype"] == "BYTES":
            data = [value if isinstance(value, str) else _text(value) for value in flat.tolist()]
        elif flat.dtype.kind == "f" and not np.isfinite(flat).all():
            data = [value if np.isfinite(value) else None for value in flat.tolist()]
        else:
            data = flat.tolist()
        return {**self.head, "data": data}

    def raw(self) -> bytes | None:
        """Return the values in the binary form; None where text is missing or no UTF-8, which that form cannot hold."""
        values: Values = self.array
        if self.head["datatype"] == "BYTES":
            parts = [_bytes(value) for value in self.array.reshape(-1).tolist()]
            values = [part for part in parts if part is not None]
            if len(values) < len(parts):
                return None
        return raw_of(values)


def output_tensors(output: Any, names: list[str]) -> list[OutputTensor]:
    """Return the output tensors of any model output; `names` are those of the signature."""
    if isinstance(output, dict):
        return [_tensor(str(name), _array(value)) for name, value in output.items()]
    if hasattr(output, "columns") and hasattr(output, "to_numpy"):
        return [_tensor(str(name), output[name].to_numpy()) for name in output.columns]
    return [_tensor(names[0] if names else "output-1", _array(output))]


def _array(output: Any) -> np.ndarray[Any, Any]:
    if hasattr(output, "to_numpy"):
        return np.asarray(output.to_numpy())
    try:
        return np.asarray(output)
    except ValueError:  # rows of unequal length: a text of each
        rows = np.empty(len(output), dtype=object)
        rows[:] = output
        return rows


def _tensor(name: str, array: np.ndarray[Any, Any]) -> OutputTensor:
    if array.dtype.kind == "M":
        array = np.array(jsonable(array), dtype=object)
    shape = [*array.shape, 1] if array.ndim == 1 else list(array.shape) or [1, 1]
    return OutputTensor({"name": name, "shape": shape, "datatype": datatype_of(array.dtype)}, array)


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else _text(value)
    try:
        return None if text is None else text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        return None


def _text(value: Any) -> str | None:
    if is_missing(value):
        return None
    try:
        document = dumps(value)
    except TypeError:
        return json.dumps(jsonable(value), default=_own_text)
    decoded = json.loads(document)
    return decoded if isinstance(decoded, str) else document.decode()  # times and base64 are text on other faces too


def _own_text(value: Any) -> str:
    """Return the text of a date, a decimal or the like. Raises TypeError for what has no text of its own."""
    text = str(value)
    if text == object.__repr__(value):
        raise TypeError(f"a model output of type {type(value).__name__} has no JSON form")
    return text


def infer_response(head: dict[str, Any], output: Any, *, names: list[str], request: InferRequest) -> tuple[bytes, int]:
    """Return the body, and the length of its JSON head where it is in the binary form (0 for a body of JSON alone).

    The body is `head` (model_name, id, parameters, ...) with the outputs that the request names, or all. An output of
    text with gaps, or with half of a surrogate pair, is in JSON whatever was requested.

    Raises:
        Invalid: an output is requested that the model does not give.
    """
    by_name = {str(tensor.head["name"]): tensor for tensor in output_tensors(output, names)}
    forms = {requested.name: requested.binary for requested in request.outputs} or dict.fromkeys(by_name)
    if unknown := sorted(forms.keys() - by_name.keys()):
        raise Invalid("outputs", unknown[0], f"one of {', '.join(by_name)}")
    tensors, parts = [], []
    for name, binary in forms.items():
        tensor = by_name[name]
        raw = tensor.raw() if (request.binary_output if binary is None else binary) else None
        if raw is None:
            tensors.append(tensor.with_data())
        else:
            tensors.append({**tensor.head, "parameters": {"binary_data_size": len(raw)}})
            parts.append(raw)
    json_head = _json({**head, "outputs": tensors})
    return json_head + b"".join(parts), len(json_head) if parts else 0


def _json(response: dict[str, Any]) -> bytes:
    try:
        return plain_json(response)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return json.dumps(response).encode()
