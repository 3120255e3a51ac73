"""Spans of an OTLP request in JSON: ids are hex, 64-bit numbers are strings, enums are numbers or names."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from helicline.protocol.mlflow.trace.otlp import Export, Malformed, checked
from helicline.trace import Rejection

T = TypeVar("T")
M = TypeVar("M", bound=Message)
SPAN_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS_CODES = ("UNSET", "OK", "ERROR")
# nesting of messages as protobuf's parser counts it: 47 lists, or 31 lists of pairs
MAX_DEPTH = 94
SPECIAL_DOUBLES = {"NaN", "Infinity", "-Infinity"}


def read(body: bytes) -> Export:
    """Return the spans of an ExportTraceServiceRequest in JSON. Raises Malformed where the document is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    resource_spans: list[ResourceSpans] = []
    rejections: list[Rejection] = []
    for item in _objects(_object(document), "resourceSpans"):
        scopes = _objects(item, "scopeSpans")
        try:
            group = ResourceSpans(resource=_resource(item), schema_url=_text(item, "schemaUrl"))
        except Malformed as error:
            count = sum(len(_objects(scope, "spans")) for scope in scopes)
            rejections.append(Rejection(span_count=count, reason=f"the resource: {error}"))
            continue
        for scope in scopes:
            rejections += _add_scope(group, scope)
        resource_spans.append(group)
    return checked(resource_spans, rejections)


def _add_scope(group: ResourceSpans, item: dict[str, Any]) -> Iterator[Rejection]:
    """Add the valid spans of a scope to the group, and yield the others."""
    spans = _items(item, "spans")
    try:
        scope_spans = group.scope_spans.add(scope=_scope(item), schema_url=_text(item, "schemaUrl"))
    except Malformed as error:
        yield Rejection(span_count=len(spans), reason=f"the scope: {error}")
        return
    for number, span in enumerate(spans):
        try:
            scope_spans.spans.append(_span(_object(span)))
        except Malformed as error:
            yield Rejection(span_count=1, reason=f"span {number} ({str(_name(span))[:100]!r}): {error}")


def _name(span: Any) -> Any:
    return span.get("name") if isinstance(span, dict) else None


def _resource(item: dict[str, Any]) -> Resource | None:
    resource = _get(item, "resource")
    return None if resource is None else _parsed(Resource(), {"attributes": _pairs(_object(resource), 0)})


def _scope(item: dict[str, Any]) -> InstrumentationScope | None:
    scope = _get(item, "scope")
    if scope is None:
        return None
    body = {"name": _text(_object(scope), "name"), "version": _text(scope, "version")}
    return _parsed(InstrumentationScope(), body | {"attributes": _pairs(scope, 0)})


def _parsed(message: M, body: dict[str, Any]) -> M:
    try:
        ParseDict(body, message, max_recursion_depth=2 * MAX_DEPTH)
    except ParseError as error:
        raise Malformed(str(error)) from None
    return message


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{type(value).__name__} where an object is due")
    return value


def _get(item: dict[str, Any], name: str) -> Any:
    """Return the field under its camelCase or its snake_case name."""
    value = item.get(name)
    return item.get(re.sub(r"([A-Z])", r"_\1", name).lower()) if value is None else value


def _objects(item: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [_object(element) for element in _items(item, name)]


def _items(item: dict[str, Any], name: str) -> list[Any]:
    items = _get(item, name)
    if items is None:
        return []
    if not isinstance(items, list):
        raise Malformed(f"{name} is no list")
    return items


def _id(item: dict[str, Any], name: str) -> str:
    """Return the id in base64, as protobuf's JSON mapping requires."""
    text = _get(item, name)
    if text in (None, ""):
        return ""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-fA-F]*", text) or len(text) % 2:
        raise Malformed(f"{name} is not hex")
    return base64.b64encode(bytes.fromhex(text)).decode()


def _text(item: dict[str, Any], name: str) -> str:
    text = _get(item, name)
    if text is not None and not isinstance(text, str):
        raise Malformed(f"{name} is no text")
    return text or ""


def _integer(value: Any, name: str, *, low: int = 0, high: int = 2**64) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value < high:
        raise Malformed(f"{name} is no whole number that fits")
    return value


def _number(item: dict[str, Any], name: str, *, high: int = 2**64) -> int | None:
    value = _get(item, name)
    return None if value is None else _integer(value, name, high=high)


def _enum(item: dict[str, Any], name: str, names: tuple[str, ...]) -> int | None:
    value = _get(item, name)
    if value is None:
        return None
    if isinstance(value, str) and value.rpartition("_")[2] in names:
        return names.index(value.rpartition("_")[2])
    return _integer(value, name, high=2**31)


def _span(item: dict[str, Any]) -> Span:
    body: dict[str, Any] = {
        "trace_id": _id(item, "traceId"),
        "span_id": _id(item, "spanId"),
        "parent_span_id": _id(item, "parentSpanId"),
        "trace_state": _text(item, "traceState"),
        "name": _text(item, "name"),
        "kind": _enum(item, "kind", SPAN_KINDS),
        "flags": _number(item, "flags", high=2**32),
        "start_time_unix_nano": _number(item, "startTimeUnixNano"),
        "end_time_unix_nano": _number(item, "endTimeUnixNano"),
        "attributes": _pairs(item, 0),
        "events": _list_of(item, "events", _event),
        "links": _list_of(item, "links", _link),
    }
    if (status := _get(item, "status")) is not None:
        body["status"] = {"message": _text(_object(status), "message"), "code": _enum(status, "code", STATUS_CODES)}
    return _parsed(Span(), body)


def _list_of(item: dict[str, Any], name: str, decode: Callable[[dict[str, Any]], T]) -> list[T]:
    return [decode(element) for element in _objects(item, name)]


def _event(item: dict[str, Any]) -> dict[str, Any]:
    time_unix_nano = _number(item, "timeUnixNano")
    return {"name": _text(item, "name"), "time_unix_nano": time_unix_nano, "attributes": _pairs(item, 0)}


def _link(item: dict[str, Any]) -> dict[str, Any]:
    return {"trace_id": _id(item, "traceId"), "span_id": _id(item, "spanId"), "attributes": _pairs(item, 0)}


def _pairs(item: dict[str, Any], depth: int, name: str = "attributes") -> list[dict[str, Any]]:
    return [
        {"key": _text(pair, "key"), "value": _any_value(_object(_get(pair, "value") or {}), depth)}
        for pair in _objects(item, name)
    ]


def _any_value(value: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Malformed("attributes nested too deep")
    if (text := _get(value, "stringValue")) is not None:
        return {"string_value": _text({"stringValue": text}, "stringValue")}
    if (flag := _get(value, "boolValue")) is not None:
        if not isinstance(flag, bool):
            raise Malformed("boolValue is no boolean")
        return {"bool_value": flag}
    if (number := _get(value, "intValue")) is not None:
        return {"int_value": _integer(number, "intValue", low=-(2**63), high=2**63)}
    if (number := _get(value, "doubleValue")) is not None:
        return {"double_value": _double(number)}
    if (array := _get(value, "arrayValue")) is not None:
        return {
            "array_value": {
                "values": [_any_value(element, depth + 2) for element in _objects(_object(array), "values")]
            }
        }
    if (pairs := _get(value, "kvlistValue")) is not None:
        return {"kvlist_value": {"values": _pairs(_object(pairs), depth + 3, "values")}}
    if (data := _get(value, "bytesValue")) is not None:
        return {"bytes_value": _bytes(data)}
    return {}


def _double(value: Any) -> float | str:
    if isinstance(value, str) and value in SPECIAL_DOUBLES:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Malformed("doubleValue is no number") from None
    return number if math.isfinite(number) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, "NaN")


def _bytes(text: Any) -> str:
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except (TypeError, ValueError, binascii.Error):
        raise Malformed("bytesValue is not base64") from None
