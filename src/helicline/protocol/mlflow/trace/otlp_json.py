"""Spans of an OTLP request in JSON: ids are hex there, 64-bit numbers are strings, enums are numbers or names."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from helicline.protocol.mlflow.trace.otlp import Malformed, check

T = TypeVar("T")
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
CODES = ("UNSET", "OK", "ERROR")
# messages within one another, as the parser of protobuf counts them: 47 lists, or 31 lists of pairs
MAX_DEPTH = 94
NUMBERS = {"NaN", "Infinity", "-Infinity"}


def spans_of(body: bytes) -> list[Span]:
    """Return every span of an ExportTraceServiceRequest in JSON. Raises Malformed; all or nothing."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    spans = [
        _span(span)
        for resource in _objects(_object(document), "resourceSpans")
        for scope in _objects(resource, "scopeSpans")
        for span in _objects(scope, "spans")
    ]
    for number, span in enumerate(spans):
        check(number, span)
    return spans


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{type(value).__name__} where an object is due")
    return value


def _get(item: dict[str, Any], name: str) -> Any:
    """Return the field under its camelCase or its snake_case name."""
    found = item.get(name)
    return item.get(re.sub(r"([A-Z])", r"_\1", name).lower()) if found is None else found


def _objects(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = _get(item, name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Malformed(f"{name} is no list")
    return [_object(one) for one in found]


def _id(item: dict[str, Any], name: str) -> str:
    """Return the id in base64, as protobuf's own JSON has it."""
    told = _get(item, name)
    if told in (None, ""):
        return ""
    if not isinstance(told, str) or not re.fullmatch(r"[0-9a-fA-F]*", told) or len(told) % 2:
        raise Malformed(f"{name} is not hex")
    return base64.b64encode(bytes.fromhex(told)).decode()


def _text(item: dict[str, Any], name: str) -> str:
    told = _get(item, name)
    if told is not None and not isinstance(told, str):
        raise Malformed(f"{name} is no text")
    return told or ""


def _whole(told: Any, name: str, *, low: int = 0, high: int = 2**64) -> int:
    if isinstance(told, str) and re.fullmatch(r"-?[0-9]{1,20}", told):
        told = int(told)
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    if not isinstance(told, int) or isinstance(told, bool) or not low <= told < high:
        raise Malformed(f"{name} is no whole number that fits")
    return told


def _number(item: dict[str, Any], name: str, *, high: int = 2**64) -> int | None:
    told = _get(item, name)
    return None if told is None else _whole(told, name, high=high)


def _enum(item: dict[str, Any], name: str, names: tuple[str, ...]) -> int | None:
    told = _get(item, name)
    if told is None:
        return None
    if isinstance(told, str) and told.rpartition("_")[2] in names:
        return names.index(told.rpartition("_")[2])
    return _whole(told, name, high=2**31)


def _span(item: dict[str, Any]) -> Span:
    told: dict[str, Any] = {
        "trace_id": _id(item, "traceId"),
        "span_id": _id(item, "spanId"),
        "parent_span_id": _id(item, "parentSpanId"),
        "trace_state": _text(item, "traceState"),
        "name": _text(item, "name"),
        "kind": _enum(item, "kind", KINDS),
        "flags": _number(item, "flags", high=2**32),
        "start_time_unix_nano": _number(item, "startTimeUnixNano"),
        "end_time_unix_nano": _number(item, "endTimeUnixNano"),
        "attributes": _pairs(item, 0),
        "events": _each(item, "events", _event),
        "links": _each(item, "links", _link),
    }
    if (status := _get(item, "status")) is not None:
        told["status"] = {"message": _text(_object(status), "message"), "code": _enum(status, "code", CODES)}
    span = Span()
    try:
        ParseDict(told, span, max_recursion_depth=2 * MAX_DEPTH)
    except ParseError as error:
        raise Malformed(str(error)) from None
    return span


def _each(item: dict[str, Any], name: str, read: Callable[[dict[str, Any]], T]) -> list[T]:
    return [read(one) for one in _objects(item, name)]


def _event(item: dict[str, Any]) -> dict[str, Any]:
    at = _number(item, "timeUnixNano")
    return {"name": _text(item, "name"), "time_unix_nano": at, "attributes": _pairs(item, 0)}


def _link(item: dict[str, Any]) -> dict[str, Any]:
    return {"trace_id": _id(item, "traceId"), "span_id": _id(item, "spanId"), "attributes": _pairs(item, 0)}


def _pairs(item: dict[str, Any], depth: int, name: str = "attributes") -> list[dict[str, Any]]:
    return [
        {"key": _text(pair, "key"), "value": _any(_object(_get(pair, "value") or {}), depth)}
        for pair in _objects(item, name)
    ]


def _any(value: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Malformed("attributes nested too deep")
    if (text := _get(value, "stringValue")) is not None:
        return {"string_value": _text({"stringValue": text}, "stringValue")}
    if (flag := _get(value, "boolValue")) is not None:
        if not isinstance(flag, bool):
            raise Malformed("boolValue is no boolean")
        return {"bool_value": flag}
    if (number := _get(value, "intValue")) is not None:
        return {"int_value": _whole(number, "intValue", low=-(2**63), high=2**63)}
    if (number := _get(value, "doubleValue")) is not None:
        return {"double_value": _double(number)}
    if (array := _get(value, "arrayValue")) is not None:
        return {"array_value": {"values": [_any(one, depth + 2) for one in _objects(_object(array), "values")]}}
    if (pairs := _get(value, "kvlistValue")) is not None:
        return {"kvlist_value": {"values": _pairs(_object(pairs), depth + 3, "values")}}
    if (data := _get(value, "bytesValue")) is not None:
        return {"bytes_value": _bytes(data)}
    return {}


def _double(told: Any) -> float | str:
    if isinstance(told, str) and told in NUMBERS:
        return told
    try:
        value = float(told)
    except (TypeError, ValueError, OverflowError):
        raise Malformed("doubleValue is no number") from None
    return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")


def _bytes(told: Any) -> str:
    try:
        return base64.b64encode(base64.b64decode(told, validate=True)).decode()
    except (TypeError, ValueError, binascii.Error):
        raise Malformed("bytesValue is not base64") from None
