"""The signature of a saved model, from its `MLmodel` file (as parsed YAML)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

NUMERIC = {"double", "float", "long", "integer", "boolean"}
SCALAR = NUMERIC | {"string", "datetime"}


@dataclass(frozen=True, slots=True)
class Column:
    """One named (or unnamed: '') scalar column."""

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; -1 in `shape` means any length."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs, outputs and parameters of a model; all empty when it was saved without a signature.

    `fields` are those of a row, where the rows are objects without a name (of type hints like `list[Customer]`).
    """

    columns: tuple[Column, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    output_columns: tuple[Column, ...] = ()
    output_tensors: tuple[Tensor, ...] = ()
    params: tuple[str, ...] = ()
    type_hinted: bool = False
    fields: tuple[Column, ...] = ()

    @property
    def is_known(self) -> bool:
        return bool(self.columns or self.tensors)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def logged(self) -> tuple[Column, ...]:
        """The scalar inputs that have a name: each is a typed column of the prediction log."""
        return tuple(column for column in self.columns or () if column.name and column.type in SCALAR) or self.fields

    @property
    def tabular(self) -> bool:
        """Whether every input is a named scalar column, as `RowReader` requires."""
        return bool(self.columns) and all(c.name and c.type in SCALAR for c in self.columns)

    @property
    def numeric(self) -> bool:
        return self.tabular and all(c.type in NUMERIC and c.required for c in self.columns)

    @property
    def matrix(self) -> Tensor | None:
        """Return the tensor where the model takes one unnamed numeric matrix of fixed width, else None."""
        if len(self.tensors) != 1:
            return None
        tensor = self.tensors[0]
        fixed = len(tensor.shape) == 2 and tensor.shape[0] == -1 and tensor.shape[1] > 0
        plain = tensor.dtype in ("float64", "float32", "int64", "int32")
        return tensor if fixed and plain and not tensor.name else None


def read(mlmodel: dict[str, Any]) -> Signature:
    """Return the signature described by an `MLmodel` document."""
    document = mlmodel.get("signature") or {}
    columns, tensors = _inputs(document.get("inputs"))
    output_columns, output_tensors = _inputs(document.get("outputs"))
    params = json.loads(document.get("params") or "null") or []
    return Signature(
        columns=columns,
        tensors=tensors,
        output_columns=output_columns,
        output_tensors=output_tensors,
        params=tuple(str(param.get("name")) for param in params),
        fields=_fields(document.get("inputs")),
        type_hinted=bool(mlmodel.get("is_signature_from_type_hint") or mlmodel.get("type_hint_from_example")),
    )


def _inputs(text: str | None) -> tuple[tuple[Column, ...], tuple[Tensor, ...]]:
    fields = json.loads(text) if text else []
    tensors = [_tensor(field) for field in fields if field.get("type") == "tensor"]
    columns = [_column(field) for field in fields if field.get("type") != "tensor"]
    return tuple(columns), tuple(tensors)


def _fields(text: str | None) -> tuple[Column, ...]:
    inputs = json.loads(text) if text else []
    if len(inputs) != 1 or inputs[0].get("type") != "object" or inputs[0].get("name"):
        return ()
    columns = [_column({**field, "name": name}) for name, field in (inputs[0].get("properties") or {}).items()]
    return tuple(column for column in columns if column.type in SCALAR)


def _column(field: dict[str, Any]) -> Column:
    return Column(str(field.get("name") or ""), str(field["type"]), bool(field.get("required", True)))


def _tensor(field: dict[str, Any]) -> Tensor:
    spec = field["tensor-spec"]
    return Tensor(str(field.get("name") or ""), str(spec["dtype"]), tuple(spec["shape"]))


def feature_columns(signature: Signature) -> list[tuple[str, str]]:
    """Return the columns of the prediction log that hold the inputs, with the type of each."""
    if signature.logged:
        return [(f"f_{column.name}", column.type) for column in signature.logged]
    if len(signature.tensors) == 1 and len(signature.tensors[0].shape) == 2:
        tensor = signature.tensors[0]
        stem = f"f_{tensor.name}_" if tensor.name else "f_"
        return [(f"{stem}{index}", "double") for index in range(max(tensor.shape[1], 0))]
    return []
