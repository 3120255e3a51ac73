"""Converts records of a segment to columns of the prediction log and of labels, grouped by partition."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from helicline.serving.prediction_log.segment import Label, Line, Record, Schema

Array = np.ndarray[Any, Any]
_PACKED = struct.Struct("<BBHII")
_MATRIX, _ROWS = 1, 2
_FLOATS, _INTEGERS, _LISTED = 1, 2, 3
_DAY_US = 86_400_000_000
_SQL = {"double": "DOUBLE", "float": "FLOAT", "long": "BIGINT", "integer": "INTEGER", "boolean": "BOOLEAN"}
_TIME = "datetime"
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")  # as texts of numbers
_ROUNDING = 1e-3
_COPIED = (
    ("prediction_id", "VARCHAR"),
    ("row", "INTEGER"),
    ("ts_us", "TIMESTAMP"),
    ("deployment", "VARCHAR"),
    ("revision", "INTEGER"),
    ("model", "VARCHAR"),
    ("model_version", "INTEGER"),
    ("variant", "VARCHAR"),
    ("served_by", "INTEGER"),
    ("fallback_reason", "VARCHAR"),
    ("rollout", "INTEGER"),
    ("stage", "INTEGER"),
    ("weight_bp", "INTEGER"),
    ("unit_key_hash", "VARCHAR"),
    ("point", "INTEGER"),
    ("protocol", "VARCHAR"),
    ("status", "INTEGER"),
    ("batch_rows", "INTEGER"),
    ("latency_us", "BIGINT"),
)


class Batch(msgspec.Struct, kw_only=True):
    """The columns of one file: name -> values, and name -> SQL type."""

    table: str
    deployment: str
    date: str
    columns: dict[str, Array]
    types: dict[str, str]


def batches(records: Iterable[Record]) -> list[Batch]:
    """Return one batch for each (table, deployment, day, set of feature columns) in the records."""
    schemas: dict[tuple[str, int], tuple[tuple[str, str], ...]] = {}
    lines: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Line]] = {}
    labels: dict[tuple[str, str], list[Label]] = {}
    for record in records:
        if isinstance(record, Schema):
            schemas[record.deployment, record.revision] = record.features
        elif isinstance(record, Line):
            features = schemas.get((record.deployment, record.served_by), ())
            lines.setdefault((record.deployment, _date(record.ts_us), features), []).append(record)
        else:
            labels.setdefault((record.deployment, _date(record.received_us)), []).append(record)
    tables = [_predictions(key, group) for key, group in lines.items()]
    return tables + [_labels(key, group) for key, group in labels.items()]


def _date(micros: int) -> str:
    return datetime.fromtimestamp(micros // _DAY_US * 86_400, UTC).strftime("%Y-%m-%d")


def _predictions(key: tuple[str, str, tuple[tuple[str, str], ...]], lines: list[Line]) -> Batch:
    deployment, date, features = key
    heads = [_PACKED.unpack_from(line.packed) if line.packed else (0, 0, 0, 1, 0) for line in lines]
    counts = np.array([head[3] for head in heads])
    columns: dict[str, Array] = {}
    types: dict[str, str] = {}
    for name, kind in _COPIED:
        types[name.removesuffix("_us") if name == "ts_us" else name] = kind
        if name == "row":
            columns["row"] = np.concatenate([np.arange(count) for count in counts])
        elif name == "ts_us":
            values = np.array([line.ts_us for line in lines], dtype="datetime64[us]")
            columns["ts"] = np.repeat(values, counts)
        else:
            dtype: Any = object if kind == "VARCHAR" else np.int64
            columns[name] = np.repeat(np.array([getattr(line, name) for line in lines], dtype=dtype), counts)
    types |= {name: "TIMESTAMP" if kind == _TIME else _SQL.get(kind, "VARCHAR") for name, kind in features}
    feature_columns = _features(lines, heads, kinds=[kind for _, kind in features])
    columns |= dict(zip((name for name, _ in features), feature_columns, strict=True))
    types |= {"prediction": "VARCHAR", "score": "DOUBLE"}
    columns["prediction"], columns["score"] = _outputs(lines, heads)
    return Batch(table="predictions", deployment=deployment, date=date, columns=columns, types=types)


def _features(lines: list[Line], heads: list[Any], *, kinds: list[str]) -> list[Array]:
    """Return the feature columns. Each line is decoded once; matrices of one width are joined as bytes."""
    if not kinds:
        return []
    packed = [line.packed[_PACKED.size : _PACKED.size + head[4]] for line, head in zip(lines, heads, strict=True)]
    row_bytes = {
        len(data) / head[3] if head[0] == _MATRIX and head[3] else 0 for data, head in zip(packed, heads, strict=True)
    }
    if len(row_bytes) == 1 and (width := int(row_bytes.pop() / 8)) >= len(kinds):
        matrix = np.frombuffer(b"".join(packed), np.float64).reshape(-1, width)
        return [_typed(matrix[:, place], kind) for place, kind in enumerate(kinds)]
    rows = [row for data, head in zip(packed, heads, strict=True) for row in _rows(data, form=head[0], count=head[3])]
    cells = [np.array([_cell(row, place) for row in rows], dtype=object) for place in range(len(kinds))]
    return [_typed(values, kind) for values, kind in zip(cells, kinds, strict=True)]


def _rows(data: bytes, *, form: int, count: int) -> list[Any]:
    """Return the rows of one line; None for each that has no features."""
    if form == _MATRIX and count:
        return list(np.frombuffer(data, np.float64).reshape(count, -1).tolist())
    if form == _ROWS and count:
        return list(json.loads(data))
    return [None] * count


def _cell(row: Any, place: int) -> Any:
    return row[place] if isinstance(row, list) and place < len(row) else None


def _typed(values: Array, kind: str) -> Array:
    if values.dtype == np.float64 and kind in _SQL:
        return values.astype({"long": np.int64, "integer": np.int64, "boolean": np.bool_}.get(kind, np.float64))
    if kind in _SQL:
        shape = {"long": int, "integer": int, "boolean": bool}.get(kind, float)
        return np.array([_cast(value, shape) for value in values], dtype=object)
    if kind == _TIME:
        return np.array([_moment(value) for value in values], dtype="datetime64[us]")
    is_missing = [value is None or value != value for value in values]  # NaN stands for missing text in frames
    texts = [None if missing else _unicode(str(value)) for value, missing in zip(values, is_missing, strict=True)]
    return np.array(texts, dtype=object)


def _cast(value: Any, shape: type) -> Any:
    if value is None or value != value:
        return None
    try:
        return shape(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _moment(text: Any) -> datetime | None:
    """Return the time in UTC that the text says, without a zone, None where it says none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _outputs(lines: list[Line], heads: list[Any]) -> tuple[Array, Array]:
    parts = []
    for line, (_, form, _, rows, length) in zip(lines, heads, strict=True):
        data = line.packed[_PACKED.size + length :]
        parts.append(_numbers(form, data, rows=rows) or outputs(_values(form, data, rows=rows)))
    texts, scores = zip(*parts, strict=True)
    return np.concatenate(texts), np.concatenate(scores)


def _numbers(form: int, data: bytes, *, rows: int) -> tuple[Array, Array] | None:
    """Return texts and scores of outputs that are one finite number a row; None for all others."""
    if form not in (_FLOATS, _INTEGERS):
        return None
    numbers = np.frombuffer(data, np.float64 if form == _FLOATS else np.int64)
    if len(numbers) != rows or not np.isfinite(numbers).all():
        return None
    texts = np.array(list(map(repr, numbers.tolist())), dtype=object)  # the digits that JSON has too
    return texts, numbers.astype(np.float64)


def outputs(values: Iterable[Any]) -> tuple[Array, Array]:
    """Return the answers to some rows as texts, None where there is none, and as numbers, NaN where they are none."""
    singles = [_single(value) for value in values]
    texts = [_text(value) for value in singles]
    return np.array(texts, dtype=object), np.array([_score(value) for value in singles], dtype=np.float64)


def answers(texts: Array, scores: Array) -> Array | None:
    """Return what a model answered as one column: numbers where all are, else text.

    None where nothing was answered, or several values a row.
    """
    is_given = np.array([text is not None for text in texts], dtype=bool)
    if not is_given.any():
        return None
    is_number = np.isfinite(scores) | np.isin(texts, _NO_NUMBERS)
    if is_number[is_given].all():
        return scores
    return None if any(str(text).startswith(("[", "{")) for text in texts[is_given]) else texts


def _values(form: int, data: bytes, *, rows: int) -> list[Any]:
    if form == _FLOATS:
        values: list[Any] = np.frombuffer(data, np.float64).tolist()
    elif form == _INTEGERS:
        values = np.frombuffer(data, np.int64).tolist()
    elif form == _LISTED:
        values = json.loads(data)
    else:
        values = []
    return (values + [None] * rows)[:rows]


def _single(value: Any) -> Any:
    """Return the value of a one-column record or one-element list, and other values unchanged."""
    if isinstance(value, dict | list) and len(value) == 1:
        return next(iter(value.values())) if isinstance(value, dict) else value[0]
    return value


def _score(value: Any) -> float:
    """Return an answer as a number: itself, or of the probabilities of two classes the second."""
    if isinstance(value, int | float):
        return float(value)
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    are_numbers = len(parts) == 2 and all(isinstance(part, int | float) for part in parts)
    return float(parts[1]) if are_numbers and abs(sum(parts) - 1) <= _ROUNDING and min(parts) >= 0 else math.nan


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value and _unicode(value)
    return json.dumps(value)


def _unicode(text: str) -> str:
    """Return the text with a question mark for each lone surrogate, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _labels(key: tuple[str, str], labels: list[Label]) -> Batch:
    types = {"prediction_id": "VARCHAR", "row": "INTEGER", "name": "VARCHAR", "value": "VARCHAR"}
    columns: dict[str, Array] = {}
    for name in types:
        dtype: Any = np.int64 if name == "row" else object
        columns[name] = np.array([getattr(label, name) for label in labels], dtype=dtype)
    columns["ts"] = np.array([label.ts_us for label in labels], dtype="datetime64[us]")
    columns["received_ts"] = np.array([label.received_us for label in labels], dtype="datetime64[us]")
    types |= {"ts": "TIMESTAMP", "received_ts": "TIMESTAMP"}
    for name in ("source", "unit_key_hash", "event_id"):
        types[name] = "VARCHAR"
        columns[name] = np.array([getattr(label, name) for label in labels], dtype=object)
    return Batch(table="labels", deployment=key[0], date=key[1], columns=columns, types=types)
