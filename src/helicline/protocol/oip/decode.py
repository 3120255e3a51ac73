"""Reads an infer request: named tensors, and what is asked about the outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.protocol.oip.binary import RawTensors, Values, values_of
from helicline.protocol.oip.datatypes import DTYPES, column_datatype, datatype_of
from helicline.protocol.scoring.decode import parse, total
from helicline.protocol.scoring.signature import Signature

_OWN_TYPES = {"BOOL": (bool,), "BYTES": (str, type(None))} | dict.fromkeys(
    ("FP16", "FP32", "FP64"), (float, int, type(None))
)
_ALLOWED = {datatype: frozenset[type](_OWN_TYPES.get(datatype, (int,))) for datatype in DTYPES}
_RANGES: dict[str, tuple[float, float]] = {
    datatype: (int(np.iinfo(name).min), int(np.iinfo(name).max)) for datatype, name in DTYPES.items() if "int" in name
} | {
    datatype: (float(np.finfo(DTYPES[datatype]).min), float(np.finfo(DTYPES[datatype]).max))
    for datatype in ("FP16", "FP32")
}
_MAX_DIMENSIONS = 32  # as many as NumPy had; the product of more would take seconds
_MIN_ARRAY = 64  # of fewer values an array costs more than it spares
_WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32")
_RESERVED = {"content_type", "headers", "binary_data_output", "timeout", "priority", "prediction_id"} | {
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "user_id",
    "assignment_key",
}


@dataclass(slots=True)
class InputTensor:
    """One input tensor; `values` in row-major order are a list as JSON has them, or as the binary form has them."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Values

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def width(self) -> int:
        return math.prod(self.shape[1:])

    @property
    def flat(self) -> list[Any]:
        """The values as JSON has them: None for what is missing, text for BYTES.

        Raises:
            Invalid: bytes that are not text.
        """
        if self.datatype == "BYTES":
            return [self._text(value) for value in self.values]
        if isinstance(self.values, list):
            return self.values
        missing = self.values.dtype.kind == "f" and bool(np.isnan(self.values).any())
        values: list[Any] = self.values.tolist()
        return [None if value != value else value for value in values] if missing else values

    def _text(self, value: str | bytes | None) -> str | None:
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            raise Invalid(f"inputs.{self.name}", "bytes that are not text", "text in UTF-8") from None

    def array(self) -> np.ndarray[Any, Any]:
        """Return the tensor as an array; null in a float tensor becomes NaN, BYTES that are all text become text."""
        if not isinstance(self.values, list):
            return self.values.reshape(self.shape)
        if self.datatype == "BYTES":
            values = _texts_or_bytes(self.values)
        else:
            values = [math.nan if v is None else v for v in self.values] if None in self.values else self.values
        try:
            return np.array(values, dtype=DTYPES[self.datatype]).reshape(self.shape)
        except OverflowError:
            raise Invalid(f"inputs.{self.name}.data", "a number out of range", self.datatype) from None


def _texts_or_bytes(values: list[Any]) -> list[Any]:
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in values]
    except UnicodeDecodeError:
        return values


@dataclass(slots=True, frozen=True)
class RequestedOutput:
    """An output that a request names; `binary` tells in which form it is to come, None as the request says."""

    name: str
    binary: bool | None = None


@dataclass(slots=True)
class InferRequest:
    """A checked infer request. `binary_output` is the form of the outputs that say nothing of their own."""

    id: str | None
    inputs: list[InputTensor]
    params: dict[str, Any] = field(default_factory=dict)
    outputs: list[RequestedOutput] = field(default_factory=list)
    binary_output: bool = False


def read(body: bytes, raw: bytes = b"") -> InferRequest:
    """Return the infer request of a JSON body, with the bytes that follow it in the binary form.

    Raises:
        Invalid: malformed JSON, a wrong shape, datatype, size or value; the message names the tensor.
    """
    payload = parse(body)
    if type(payload) is not dict:
        raise Invalid("body", type(payload).__name__, "a JSON object with inputs")
    tensors = payload.get("inputs")
    if type(tensors) is not list or not tensors:
        raise Invalid("inputs", tensors, "a non-empty list of tensors")
    behind = RawTensors(raw)
    inputs = [_tensor(tensor, index, raw=behind) for index, tensor in enumerate(tensors)]
    behind.check_end()
    if len({tensor.name for tensor in inputs}) != len(inputs):
        raise Invalid("inputs", [tensor.name for tensor in inputs], "tensors with distinct names")
    request_id = payload.get("id")
    if request_id is not None and type(request_id) is not str:
        raise Invalid("id", request_id, "text")
    parameters = _object(payload.get("parameters"), "parameters")
    binary_output = _flag(parameters, "parameters.binary_data_output") or False
    return InferRequest(request_id, inputs, _params(parameters), _outputs(payload.get("outputs")), binary_output)


def read_raw(raw: bytes, signature: Signature) -> InferRequest:
    """Return the infer request of a body without a JSON head: the values of the model's only input.

    Raises:
        Invalid: the model has another signature, or the bytes are not rows of its input.
    """
    if len(signature.tensors) == 1 and not signature.columns:
        tensor = signature.tensors[0]
        name, datatype, shape = tensor.name or "input-0", datatype_of(np.dtype(tensor.dtype)), list(tensor.shape)
    elif len(signature.columns) == 1 and not signature.tensors:
        column = signature.columns[0]
        name, datatype, shape = column.name, column_datatype(column.type), [-1]
    else:
        allowed = "the length of the JSON head; 0 is for a model of one input"
        raise Invalid("Inference-Header-Content-Length", 0, allowed)
    if datatype == "BYTES":
        return InferRequest(None, [InputTensor(name, datatype, tuple(max(n, 1) for n in shape), [raw])], {}, [], True)
    fixed = math.prod(size for size in shape if size >= 0) * np.dtype(DTYPES[datatype]).itemsize
    shape = [size if size >= 0 else len(raw) // max(fixed, 1) for size in shape]
    values = values_of(memoryview(raw), name, datatype=datatype, count=math.prod(shape))
    return InferRequest(None, [InputTensor(name, datatype, tuple(shape), values)], {}, [], True)


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is not None and type(value) is not dict:
        raise Invalid(name, value, "an object")
    return value or {}


def _flag(parameters: dict[str, Any], name: str) -> bool | None:
    value = parameters.get(name.rpartition(".")[2])
    if value is not None and type(value) is not bool:
        raise Invalid(name, value, "true or false")
    return value


def _params(parameters: dict[str, Any]) -> dict[str, Any]:
    for name, value in parameters.items():
        if type(value) not in (str, int, float, bool) and name not in _RESERVED:
            raise Invalid(f"parameters.{name}", value, "text, a number or a boolean")
    return {name: v for name, v in parameters.items() if name not in _RESERVED and not name.startswith("triton_")}


def _outputs(outputs: Any) -> list[RequestedOutput]:
    if outputs is None:
        return []
    if type(outputs) is not list or any(type(o) is not dict or type(o.get("name")) is not str for o in outputs):
        raise Invalid("outputs", outputs, 'a list of {"name": ...}')
    return [_output(output, f"outputs.{output['name']}.parameters") for output in outputs]


def _output(output: dict[str, Any], where: str) -> RequestedOutput:
    binary = _flag(_object(output.get("parameters"), where), f"{where}.binary_data")
    return RequestedOutput(output["name"], binary)


def _tensor(document: Any, index: int, *, raw: RawTensors) -> InputTensor:
    if type(document) is not dict:
        raise Invalid(f"inputs[{index}]", document, "an object {name, shape, datatype, data}")
    name, datatype, shape = document.get("name"), document.get("datatype"), document.get("shape")
    if type(name) is not str or not name:
        raise Invalid(f"inputs[{index}].name", name, "non-empty text")
    if type(datatype) is not str or datatype not in DTYPES:
        raise Invalid(f"inputs.{name}.datatype", datatype, f"one of {', '.join(DTYPES)}")
    if type(shape) is not list or len(shape) > _MAX_DIMENSIONS or set(map(type, shape)) != {int} or min(shape) < 0:
        allowed = f"a list of up to {_MAX_DIMENSIONS} whole numbers >= 0"
        raise Invalid(f"inputs.{name}.shape", shape[:_MAX_DIMENSIONS] if type(shape) is list else shape, allowed)
    parameters = _object(document.get("parameters"), f"inputs.{name}.parameters")
    if "binary_data_size" in parameters:
        if document.get("data") is not None:
            raise Invalid(f"inputs.{name}.data", "data and binary_data_size", "one of the two")
        values = raw.take(name, datatype, shape=tuple(shape), size=parameters["binary_data_size"])
        return InputTensor(name, datatype, tuple(shape), values)
    if "data" not in document:
        raise Invalid(f"inputs.{name}.data", None, "a list of values, or parameters.binary_data_size")
    flat, kinds = _flatten(document["data"], name)
    if len(flat) != math.prod(shape):
        raise Invalid(f"inputs.{name}.data", f"{len(flat)} values", f"{math.prod(shape)} for shape {shape}")
    array = _as_array(flat, kinds, datatype=datatype)
    if array is None:
        _check_values(flat, kinds, name=name, datatype=datatype)
    return InputTensor(name, datatype, tuple(shape), flat if array is None else array)


def _as_array(flat: list[Any], kinds: set[type], *, datatype: str) -> np.ndarray[Any, Any] | None:
    """Return many numbers as an array; None for few, and where one may be none of the datatype: lists are checked."""
    if len(flat) < _MIN_ARRAY:
        return None
    if datatype == "FP64" and kinds <= {float, int}:
        array = _numbers(flat, "float64")
        return array if array is not None and np.isfinite(array).all() else None
    if datatype in _WHOLE and kinds == {int}:
        low, high = _RANGES[datatype]
        array = _numbers(flat, "int64")
        if array is not None and low <= int(array.min()) and int(array.max()) <= high:
            return array.astype(DTYPES[datatype], copy=False)
    return None


def _numbers(flat: list[Any], dtype: str) -> np.ndarray[Any, Any] | None:
    try:
        return np.array(flat, dtype=dtype)
    except OverflowError:
        return None


def _flatten(data: Any, name: str) -> tuple[list[Any], set[type]]:
    """Return the values in one list, and their types."""
    if type(data) is not list:
        raise Invalid(f"inputs.{name}.data", data, "a list, flat or nested, row major")
    flat = data
    for _ in range(_MAX_DIMENSIONS):
        kinds = set(map(type, flat))
        if list not in kinds:
            return flat, kinds
        if kinds != {list} or len(set(map(len, flat))) > 1:
            raise Invalid(f"inputs.{name}.data", "lists of unequal length or depth", "a regular nested list")
        flat = list(chain.from_iterable(flat))
    raise Invalid(f"inputs.{name}.data", f"more than {_MAX_DIMENSIONS} levels", "a regular nested list")


def _check_values(flat: list[Any], kinds: set[type], *, name: str, datatype: str) -> None:
    allowed = _ALLOWED[datatype]
    if not kinds.issubset(allowed):
        wrong = next(value for value in flat if type(value) not in allowed)
        raise Invalid(f"inputs.{name}.data", wrong, datatype)
    if int in kinds or datatype in ("FP16", "FP32"):
        _check_range(flat, name, datatype=datatype)
    if float in kinds and (type(None) in kinds or not math.isfinite(total(flat))):
        for value in flat:
            if type(value) is float and not math.isfinite(value):
                raise Invalid(f"inputs.{name}.data", str(value), "finite numbers (null stands for a missing one)")


def _check_range(flat: list[Any], name: str, *, datatype: str) -> None:
    low, high = _RANGES.get(datatype, (-math.inf, math.inf))
    wrong = next((value for value in flat if value is not None and not low <= value <= high), None)
    if wrong is not None:
        raise Invalid(f"inputs.{name}.data", wrong, f"{datatype}, {low} to {high}")
