"""Spans of an OTLP request as records; their body is OTLP JSON in snake_case with base64 ids, as clients read it."""

from __future__ import annotations

import base64
import math
from typing import Any

import msgspec

from helicline.protocol.mlflow.trace.protobuf import MAX_DEPTH, Malformed, double, fields, inside, number, signed, text
from helicline.records.run import SpanRecord

REQUEST_ID = "mlflow.traceRequestId"
SPECIAL = {math.inf: "Infinity", -math.inf: "-Infinity"}
MAX_NS = 2**63


def spans_of(body: bytes) -> list[SpanRecord]:
    """Return every span of an ExportTraceServiceRequest. Raises Malformed; all or nothing."""
    found = []
    for resource_number, resource in fields(body):
        if resource_number != 1:
            continue
        for scope_number, scope in fields(inside(resource)):
            if scope_number == 2:
                found += [_span(inside(span)) for n, span in fields(inside(scope)) if n == 2]
    return found


def _span(message: bytes) -> SpanRecord:
    body: dict[str, Any] = {}
    attributes, events, links = [], [], []
    for n, value in fields(message):
        if n in (1, 2, 4):
            body[{1: "trace_id", 2: "span_id", 4: "parent_span_id"}[n]] = inside(value)
        elif n in (3, 5):
            body[{3: "trace_state", 5: "name"}[n]] = text(value)
        elif n in (6, 7, 8, 16):
            body[{6: "kind", 7: "start_time_unix_nano", 8: "end_time_unix_nano", 16: "flags"}[n]] = number(value)
        elif n == 9:
            attributes.append(_pair(inside(value), 0))
        elif n == 11:
            events.append(_event(inside(value)))
        elif n == 13:
            links.append(_link(inside(value)))
        elif n == 15:
            body["status"] = _status(inside(value))
    return checked_span(body, attributes=attributes, events=events, links=links)


def checked_span(
    body: dict[str, Any], *, attributes: list[dict[str, Any]], events: list[dict[str, Any]], links: list[dict[str, Any]]
) -> SpanRecord:
    """Return the span whose ids are still bytes in `body`. Raises Malformed where they are none."""
    _check(body)
    hex_id, span_id = body["trace_id"].hex(), body["span_id"].hex()
    for key in ("trace_id", "span_id", "parent_span_id"):
        if key in body:
            body[key] = _b64(body[key])
    body |= {key: value for key, value in (("attributes", attributes), ("events", events), ("links", links)) if value}
    start = int(body.get("start_time_unix_nano", 0))
    return SpanRecord(trace_id=_trace_id(attributes, hex_id), span_id=span_id, start_ns=start, body=body)


def _check(body: dict[str, Any]) -> None:
    for key, size in (("trace_id", 16), ("span_id", 8)):
        if len(body.get(key, b"")) != size or not any(body[key]):
            raise Malformed(f"{key} is not {size} bytes that are not all zero")
    if any(body.get(key, 0) >= MAX_NS for key in ("start_time_unix_nano", "end_time_unix_nano")):
        raise Malformed("a time beyond the year 2262")


def _trace_id(attributes: list[dict[str, Any]], hex_id: str) -> str:
    for pair in attributes:
        if pair["key"] == REQUEST_ID:
            told = pair["value"].get("string_value", "")
            try:
                return msgspec.json.decode(told, type=str)
            except msgspec.MsgspecError:
                return str(told) or f"tr-{hex_id}"
    return f"tr-{hex_id}"


def _event(message: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for n, value in fields(message):
        if n == 1:
            event["time_unix_nano"] = number(value)
        elif n == 2:
            event["name"] = text(value)
        elif n == 3:
            event.setdefault("attributes", []).append(_pair(inside(value), 0))
    return event


def _link(message: bytes) -> dict[str, Any]:
    link: dict[str, Any] = {}
    for n, value in fields(message):
        if n in (1, 2):
            link["trace_id" if n == 1 else "span_id"] = _b64(inside(value))
        elif n == 4:
            link.setdefault("attributes", []).append(_pair(inside(value), 0))
    return link


def _status(message: bytes) -> dict[str, Any]:
    status: dict[str, Any] = {}
    for n, value in fields(message):
        if n == 2:
            status["message"] = text(value)
        elif n == 3:
            status["code"] = number(value)
    return status


def _pair(message: bytes, depth: int) -> dict[str, Any]:
    pair: dict[str, Any] = {"key": "", "value": {}}
    for n, value in fields(message):
        if n == 1:
            pair["key"] = text(value)
        elif n == 2:
            pair["value"] = _any(inside(value), depth + 1)
    return pair


def _any(message: bytes, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise Malformed("attributes nested too deep")
    for n, value in fields(message):
        if n == 1:
            return {"string_value": text(value)}
        if n == 2:
            return {"bool_value": bool(number(value))}
        if n == 3:
            return {"int_value": signed(value)}
        if n == 4:
            return {"double_value": _finite(double(value))}
        if n == 5:
            return {"array_value": {"values": [_any(inside(v), depth + 1) for _, v in fields(inside(value))]}}
        if n == 6:
            return {"kvlist_value": {"values": [_pair(inside(v), depth + 1) for _, v in fields(inside(value))]}}
        if n == 7:
            return {"bytes_value": _b64(inside(value))}
    return {}


def _finite(value: float) -> float | str:
    return "NaN" if math.isnan(value) else SPECIAL.get(value, value)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
