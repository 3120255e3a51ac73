"""Values that MLflow's own parser would change in silence: refused here, with column, value and expected type.

The stock server makes 1 of 1.7 for a long, true of "false" and false of null for a boolean, 1970 of a time in
milliseconds, and wraps what an integer cannot hold. What is merely converted (1.0 for a long, "5.1" for a double) is
left to it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from helicline.errors import Invalid
from helicline.protocol.scoring.decode import MAX_FLOAT32
from helicline.protocol.scoring.signature import SCALAR, Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AS_BASE64 = "binary, as base64"


def _fits_integer(bits: int) -> Callable[[Any], bool]:
    limit = 2 ** (bits - 1)

    def fits(value: Any) -> bool:
        if isinstance(value, float):
            return value.is_integer() and -limit <= value < limit
        return not isinstance(value, int) or -limit <= value < limit

    return fits


def _fits_boolean(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1))


def _fits_float(value: Any) -> bool:
    return not isinstance(value, int | float) or not math.isfinite(value) or abs(value) <= MAX_FLOAT32


def _fits_text(value: Any) -> bool:
    return not isinstance(value, list | dict)


def bytes_of(text: str) -> bytes:
    """Return the bytes of base64, which may be cut into lines. Raises ValueError for other text."""
    return base64.b64decode("".join(text.split()), validate=True)


def bytes_of_cell(column: Column, cell: Any, *, row: int) -> bytes | None:
    """Return the bytes of a cell of base64, None for a missing one of an optional column.

    Raises:
        Invalid: another text, or nothing in a required column.
    """
    if not column.required and not isinstance(cell, str):
        return None
    if not _fits_bytes(cell):
        raise Invalid(f"row {row}, column {column.name!r}", cell, _AS_BASE64)
    return bytes_of(cell)


def _fits_bytes(value: Any) -> bool:
    try:
        bytes_of(value)
    except (ValueError, AttributeError):
        return False
    return True


_FITS: dict[str, Callable[[Any], bool]] = {
    "long": _fits_integer(64),
    "integer": _fits_integer(32),
    "boolean": _fits_boolean,
    "float": _fits_float,
    "string": _fits_text,
    "binary": _fits_bytes,
}


def fitted(columns: tuple[Column, ...], payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload with numbers for datetimes (milliseconds since 1970, as pandas writes them) as ISO 8601.

    Raises:
        Invalid: a value would become another.
    """
    by_name = {column.name: column for column in columns if column.type in _FITS or column.type == "datetime"}
    return {key: _fitted_table(by_name, value) for key, value in payload.items()} if by_name else payload


def as_table(columns: tuple[Column, ...], payload: dict[str, Any]) -> dict[str, Any]:
    """Return named scalars under `inputs` or `instances` as a table, every other payload as it is.

    It is the only form whose base64 MLflow decodes, and in which all rows reach a model with the same types.
    """
    names = payload.keys() & {"inputs", "instances"}
    is_scalar = all(column.name and (column.type in SCALAR or column.type == "binary") for column in columns)
    if not is_scalar or len(names) != 1 or payload.keys() & {"dataframe_split", "dataframe_records"}:
        return payload
    more = {name: value for name, value in payload.items() if name not in names}
    value = payload[names.pop()]
    if isinstance(value, list) and value and all(isinstance(record, dict) for record in value):
        return {**more, "dataframe_records": value}
    if not isinstance(value, dict):
        return payload
    lists = [cells if isinstance(cells, list) else [cells] for cells in value.values()]
    if len({len(cells) for cells in lists}) > 1 or any(isinstance(cell, list) for cells in lists for cell in cells):
        return payload
    rows = [list(row) for row in zip(*lists, strict=True)]
    return {**more, "dataframe_split": {"columns": list(value), "data": rows}}


def _fitted_table(by_name: dict[str, Column], table: Any) -> Any:
    """Return one of the four formats with its values checked; what has not the shape of one is MLflow's to refuse."""
    if isinstance(table, list):
        return [_fitted_record(by_name, record, row) for row, record in enumerate(table)]
    if not isinstance(table, dict):
        return table
    names, data = table.get("columns"), table.get("data")
    if isinstance(names, list) and isinstance(data, list) and table.keys() <= {"columns", "data", "index"}:
        return {**table, "data": [_fitted_row(by_name, names, cells, row=row) for row, cells in enumerate(data)]}
    return {name: _fitted_cells(by_name.get(name), cells) for name, cells in table.items()}


def _fitted_record(by_name: dict[str, Column], record: Any, row: int) -> Any:
    if not isinstance(record, dict):
        return record
    return {name: _fitted_value(by_name.get(name), value, row) for name, value in record.items()}


def _fitted_row(by_name: dict[str, Column], names: list[Any], cells: Any, *, row: int) -> Any:
    if not isinstance(cells, list) or len(cells) != len(names):
        return cells
    return [
        _fitted_value(by_name.get(name) if isinstance(name, str) else None, value, row)
        for name, value in zip(names, cells, strict=True)
    ]


def _fitted_cells(column: Column | None, cells: Any) -> Any:
    if not isinstance(cells, list):
        return _fitted_value(column, cells, 0)
    return [_fitted_value(column, value, row) for row, value in enumerate(cells)]


def _fitted_value(column: Column | None, value: Any, row: int) -> Any:
    if column is None or (value is None and (column.type != "boolean" or not column.required)):
        return value
    if column.type == "datetime":
        return _iso(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not _FITS[column.type](value):
        allowed = _AS_BASE64 if column.type == "binary" else column.type
        raise Invalid(f"row {row}, column {column.name!r}", value, allowed)
    return value


def _iso(milliseconds: float) -> Any:
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).replace(tzinfo=None).isoformat()
    except (OverflowError, ValueError):
        raise Invalid("a datetime", milliseconds, "milliseconds since 1970 or an ISO 8601 time") from None
