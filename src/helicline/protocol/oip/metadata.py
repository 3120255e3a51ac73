"""The metadata of the server and of a model, from the model's signature."""

from __future__ import annotations

import json
from typing import Any

from helicline.protocol.oip.datatypes import column_datatype, datatype_of
from helicline.protocol.scoring.signature import Column, Signature, Tensor


def server_metadata(version: str) -> bytes:
    """Return the body of the answer to `GET /v2`."""
    extensions = ["binary_tensor_data", "parameters"]
    return json.dumps({"name": "helicline", "version": version, "extensions": extensions}).encode()


def model_metadata(name: str, versions: list[str], *, signature: Signature) -> bytes:
    """Return the body of the answer to `GET /v2/models/{name}`."""
    inputs = _tensors(signature.columns, signature.tensors, unnamed="input-0")
    outputs = _tensors(signature.output_columns, signature.output_tensors, unnamed="output-1")
    body = {
        "name": name,
        "versions": versions,
        "platform": "mlflow_pyfunc",
        "inputs": inputs,
        "outputs": outputs,
    }
    return json.dumps(body).encode()


def output_names(signature: Signature) -> list[str]:
    """Return the names of the output tensors, in the order of the signature."""
    return [t["name"] for t in _tensors(signature.output_columns, signature.output_tensors, unnamed="output-1")]


def _tensors(columns: tuple[Column, ...], tensors: tuple[Tensor, ...], *, unnamed: str) -> list[dict[str, Any]]:
    return [_column(column, unnamed) for column in columns] + [_tensor(tensor, unnamed) for tensor in tensors]


def _column(column: Column, unnamed: str) -> dict[str, Any]:
    return {"name": column.name or unnamed, "datatype": column_datatype(column.type), "shape": [-1, 1]}


def _tensor(tensor: Tensor, unnamed: str) -> dict[str, Any]:
    import numpy as np

    shape = list(tensor.shape) if len(tensor.shape) > 1 else [*tensor.shape, 1]
    try:
        datatype = datatype_of(np.dtype(tensor.dtype))
    except TypeError:
        datatype = "BYTES"
    return {"name": tensor.name or unnamed, "datatype": datatype, "shape": shape}
