"""From the tensors of an infer request to the inputs of a model's signature: rows, a matrix, or named arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.protocol.oip.datatypes import column_datatype, datatype_of
from helicline.protocol.oip.decode import InferRequest, InputTensor
from helicline.protocol.scoring.decode import MAX_FLOAT32, Row
from helicline.protocol.scoring.exact import bytes_of
from helicline.protocol.scoring.signature import SCALAR, Column, Signature, Tensor

_COLUMN_ACCEPTS = {
    "double": ("FP64", "FP32", "FP16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32"),
    "float": ("FP32", "FP64", "FP16", "INT8", "INT16", "INT32", "UINT8", "UINT16"),
    "long": ("INT64", "INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32"),
    "integer": ("INT32", "INT8", "INT16", "INT64", "UINT8", "UINT16"),
    "boolean": ("BOOL",),
    "string": ("BYTES",),
    "datetime": ("BYTES",),
    "binary": ("BYTES",),
}


def takes_rows(signature: Signature) -> bool:
    """Return whether every input is a named column of scalars or bytes, as `rows_for` requires."""
    columns = signature.columns
    return bool(columns) and all(c.name and (c.type in SCALAR or c.type == "binary") for c in columns)


def rows_for(request: InferRequest, signature: Signature) -> list[Row]:
    """Return the rows for a signature of columns: from one tensor per column, or from one matrix of all columns.

    Raises:
        Invalid: a tensor is missing, unknown, or has the wrong datatype or shape.
    """
    columns = signature.columns
    matrix, width = _matrix_of_columns(request, columns), len(columns)
    if matrix is not None and not any(column.type == "binary" for column in columns):
        flat = matrix.flat
        return [flat[start : start + width] for start in range(0, len(flat), width)]
    tensors: list[InputTensor | None]
    if matrix is not None:
        shape, values = (matrix.rows, 1), matrix.values
        tensors = [InputTensor(matrix.name, "BYTES", shape, values[place::width]) for place in range(width)]
    else:
        tensors = _tensors_of_columns(request, signature)
    gap = [None] * request.inputs[0].rows
    series = [
        gap if tensor is None else _cells(column, tensor) for column, tensor in zip(columns, tensors, strict=True)
    ]
    return [list(row) for row in zip(*series, strict=True)]


def matrix_for(request: InferRequest, signature: Signature, limits: Sequence[int]) -> np.ndarray[Any, Any] | None:
    """Return the rows for a signature of numbers as one float64 matrix, without a list of each.

    None where a value has to be looked at: the tensors are lists, or hold what is no finite number or no whole number
    up to the limit of its column.

    Raises:
        Invalid: as `rows_for`.
    """
    matrix = _matrix_of_columns(request, signature.columns)
    tensors = [matrix] if matrix is not None else _tensors_of_columns(request, signature)
    arrays = [tensor.values for tensor in tensors if tensor is not None and not isinstance(tensor.values, list)]
    if len(arrays) != len(tensors):
        return None
    for array, limit in zip(arrays, limits if matrix is None else [min(limits)], strict=True):
        if array.dtype.kind in "iu" and len(array) and not -limit <= int(array.min()) <= int(array.max()) <= limit:
            return None
    width = len(signature.columns)
    numbers = arrays[0].reshape(-1, width) if matrix is not None else np.column_stack(arrays)
    numbers = numbers.astype(np.float64)
    has_float32 = any(column.type == "float" for column in signature.columns)
    largest = MAX_FLOAT32 if has_float32 else np.finfo(np.float64).max
    return numbers if (np.abs(numbers) <= largest).all() else None


def _matrix_of_columns(request: InferRequest, columns: tuple[Column, ...]) -> InputTensor | None:
    """Return the one tensor that holds all columns, checked; None where each column has its own."""
    tensor = request.inputs[0]
    is_matrix = len(request.inputs) == 1 and len(tensor.shape) == 2
    if not is_matrix or (len(columns) > 1 and tensor.name in {column.name for column in columns}):
        return None
    if tensor.width != len(columns):
        raise Invalid(f"inputs.{tensor.name}.shape", list(tensor.shape), f"[-1, {len(columns)}], a column each")
    for column in columns:
        _check_column(column, tensor)
    return tensor


def _tensors_of_columns(request: InferRequest, signature: Signature) -> list[InputTensor | None]:
    """Return the tensor of each column, checked; None for an optional one that was not sent."""
    by_name = {tensor.name: tensor for tensor in request.inputs}
    for unknown in sorted(set(by_name) - set(signature.names)):
        raise Invalid(f"inputs.{unknown}", "an unknown tensor", f"the columns {', '.join(signature.names)}")
    count = request.inputs[0].rows
    return [_tensor_of_column(column, by_name.get(column.name), count=count) for column in signature.columns]


def _tensor_of_column(column: Column, tensor: InputTensor | None, *, count: int) -> InputTensor | None:
    if tensor is None:
        if column.required:
            raise Invalid(f"inputs.{column.name}", None, f"a tensor of type {column_datatype(column.type)}")
        return None
    _check_column(column, tensor)
    if tensor.width != 1 or tensor.rows != count:
        raise Invalid(f"inputs.{column.name}.shape", list(tensor.shape), f"[{count}] or [{count}, 1]")
    return tensor


def _cells(column: Column, tensor: InputTensor) -> list[Any]:
    return tensor.flat if column.type != "binary" else [_bytes(value, column.name) for value in tensor.values]


def _bytes(value: str | bytes | None, name: str) -> bytes | None:
    """Return the value of a column of bytes; JSON has no bytes, so that its text is base64, as for `/invocations`."""
    if not isinstance(value, str):
        return value
    try:
        return bytes_of(value)
    except ValueError:
        raise Invalid(f"inputs.{name}.data", value, "base64") from None


def _check_column(column: Column, tensor: InputTensor) -> None:
    accepted = _COLUMN_ACCEPTS.get(column.type, ("BYTES",))
    if tensor.datatype not in accepted:
        where = f"column {column.name!r} (tensor {tensor.name!r})"
        raise Invalid(where, tensor.datatype, f"{column_datatype(column.type)} (the signature says {column.type})")


def arrays_for(request: InferRequest, signature: Signature) -> dict[str, np.ndarray[Any, Any]]:
    """Return arrays by tensor name for a signature of tensors; an unnamed tensor has the name ''.

    Raises:
        Invalid: a tensor is missing, unknown, or has the wrong datatype or shape.
    """
    expected = {tensor.name: tensor for tensor in signature.tensors}
    if len(expected) == 1 and len(request.inputs) == 1:
        (tensor,) = expected.values()
        if tensor.name in ("", request.inputs[0].name):
            return {tensor.name: _checked_array(request.inputs[0], tensor)}
    by_name = {tensor.name: tensor for tensor in request.inputs}
    for unknown in sorted(set(by_name) - set(expected)):
        raise Invalid(f"inputs.{unknown}", "an unknown tensor", f"the tensors {', '.join(expected)}")
    for missing in sorted(set(expected) - set(by_name)):
        raise Invalid(f"inputs.{missing}", None, f"a tensor of type {expected[missing].dtype}")
    return {name: _checked_array(by_name[name], tensor) for name, tensor in expected.items()}


def _checked_array(tensor: InputTensor, expected: Tensor) -> np.ndarray[Any, Any]:
    shape = tensor.shape
    if len(shape) != len(expected.shape) or any(
        expected_size not in (-1, size) for size, expected_size in zip(shape, expected.shape, strict=True)
    ):
        raise Invalid(f"inputs.{tensor.name}.shape", list(shape), str(list(expected.shape)))
    array = tensor.array()
    if not expected.dtype.startswith(("str", "object", "bytes", "<U")):
        dtype = np.dtype(expected.dtype)
        whole_to_float = dtype.kind == "f" and array.dtype.kind in "iuf"
        if not whole_to_float and (array.dtype.kind == "O" or not np.can_cast(array.dtype, dtype, "same_kind")):
            raise Invalid(f"inputs.{tensor.name}.datatype", tensor.datatype, datatype_of(dtype))
        _check_fit(array, dtype, name=tensor.name)
        array = array.astype(dtype)
    return array


def _check_fit(array: np.ndarray[Any, Any], dtype: np.dtype[Any], *, name: str) -> None:
    """Raise Invalid where a number is too large for the dtype of the model: it would become another one."""
    if array.dtype == dtype or not array.size or dtype.kind not in "iuf":
        return
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    limits: Any = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    number_type = int if dtype.kind in "iu" else float
    low, high = number_type(limits.min), number_type(limits.max)
    for number in (finite.min().item(), finite.max().item()) if finite.size else ():
        if not low <= number <= high:
            raise Invalid(f"inputs.{name}", number, f"{datatype_of(dtype)}, {low} to {high}")
