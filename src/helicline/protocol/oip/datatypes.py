"""The datatypes of tensors and their NumPy dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
_COLUMN_DATATYPES = {"boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64"}
_DATATYPES = {name: datatype for datatype, name in DTYPES.items() if name != "object"}


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the protocol's name of a NumPy dtype; BYTES for every dtype that it does not define."""
    return _DATATYPES.get(dtype.name, "BYTES")


def column_datatype(type: str) -> str:
    """Return the datatype of a column of a signature; BYTES for text, times and bytes."""
    return _COLUMN_DATATYPES.get(type, "BYTES")
