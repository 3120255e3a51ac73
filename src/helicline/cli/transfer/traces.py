"""Traces with their spans and assessments."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from helicline.cli.transfer.artifacts import root_of
from helicline.cli.transfer.job import Job
from helicline.cli.transfer.tracker import STORE, Tracker
from helicline.errors import Invalid, NotFound

V3 = "/api/3.0/mlflow"
FILE_TAG, LOCATION_TAG = LOCATION_TAGS = ("mlflow.artifactLocation", "mlflow.trace.spansLocation")
HEX = re.compile(r"[0-9a-fA-F]{8,32}")
REQUEST_ID = "mlflow.traceRequestId"
OTLP_ID_NAMES = {"trace_id": "traceId", "span_id": "spanId", "parent_span_id": "parentSpanId"}


def traces_of(server: Tracker, experiment_id: str) -> Iterator[dict[str, Any]]:
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    yield from server.pages("/traces/search", "traces", {"locations": [location], "max_results": 100}, api=V3)


def spans_of(server: Tracker, info: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trace's spans as OTLP JSON, from the server's database or from the trace's file."""
    if info.get("tags", {}).get(LOCATION_TAG) == "TRACKING_STORE":
        trace = server.get("/traces/get", api=V3, trace_id=info["trace_id"], allow_partial="true")["trace"]
        return [_as_otlp(span) for span in trace.get("spans", ())]
    try:
        file = b"".join(_file_of_spans(server, info))
        return [_otlp_of_file_span(span, info["trace_id"]) for span in msgspec.json.decode(file, type=SpanFile).spans]
    except NotFound:
        return []
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        raise Invalid("traces.json", str(error), "spans as MLflow's client writes them") from None


class SpanFile(msgspec.Struct):
    spans: list[dict[str, Any]]


def _file_of_spans(server: Tracker, info: dict[str, Any]) -> Iterator[bytes]:
    root = root_of(info.get("tags", {}).get(FILE_TAG, ""))
    if root is not None:
        return server.pieces(f"{STORE}/{quote(f'{root}/traces.json')}")
    return server.pieces("/ajax-api/2.0/mlflow/get-trace-artifact", request_id=info["trace_id"])


def copy_trace(job: Job, info: dict[str, Any]) -> None:
    trace_id = info["trace_id"]
    experiment = info["trace_location"]["mlflow_experiment"]["experiment_id"]
    if not job.checkpoint.is_done("trace", trace_id):
        with job.reporting_errors("trace", trace_id):
            target_experiment = job.experiments[experiment]
            body = {"trace": {"trace_info": _info_for_target(job, info, target_experiment)}}
            created = job.target.post("/traces", body, api=V3)["trace"]["trace_info"]
            if spans := spans_of(job.source, info):
                _put_spans(job, created, spans=spans, experiment_id=target_experiment)
            if info.get("state") != "IN_PROGRESS":
                job.checkpoint.record("trace", trace_id, trace_id, done=True)
    job.step("traces")


def _put_spans(job: Job, info: dict[str, Any], *, spans: list[dict[str, Any]], experiment_id: str) -> None:
    trace_id = info["trace_id"]
    root = root_of(info.get("tags", {}).get(FILE_TAG, ""))
    if trace_id.startswith("tr-") or job.target.keeps_ids or root is None:
        document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
        job.target.post("/v1/traces", document, api="", x_mlflow_experiment_id=experiment_id)
        return
    # a stock server accepts spans only for trace ids of its own form; other traces have a file, as their clients wrote
    file = msgspec.json.encode({"spans": [_file_span_of_otlp(span, trace_id) for span in spans]})
    job.target.put_file(f"{root}/traces.json", iter([file]), len(file))


def _info_for_target(job: Job, info: dict[str, Any], experiment_id: str) -> dict[str, Any]:
    metadata = dict(info.get("trace_metadata", {}))
    if "mlflow.sourceRun" in metadata:
        metadata["mlflow.sourceRun"] = job.target_of("run", metadata["mlflow.sourceRun"])
    return info | {
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}},
        "trace_metadata": metadata,
        "tags": {key: value for key, value in info.get("tags", {}).items() if key not in LOCATION_TAGS},
    }


def _as_otlp(span: dict[str, Any]) -> dict[str, Any]:
    """Return the span with hex ids, as in OTLP JSON."""
    converted = {
        OTLP_ID_NAMES.get(key, key): _hex(value) if key in OTLP_ID_NAMES else value for key, value in span.items()
    }
    if "links" in span:
        converted["links"] = [
            {OTLP_ID_NAMES.get(key, key): _hex(value) if key in OTLP_ID_NAMES else value for key, value in link.items()}
            for link in span["links"]
        ]
    return converted


def _hex(text: str) -> str:
    return base64.b64decode(text or "").hex()


def _otlp_of_file_span(span: dict[str, Any], trace_id: str) -> dict[str, Any]:
    """Return the OTLP JSON of a span in `traces.json`, from clients since MLflow 3, from 3.5, or from older ones."""
    context = span.get("context", span)
    attributes = {key: _decoded_json(text) for key, text in (span.get("attributes") or {}).items()} | {
        REQUEST_ID: trace_id
    }
    own_id = trace_id.removeprefix("tr-")
    status = span.get("status") or {"code": span.get("status_code"), "message": span.get("status_message")}
    code = str(status.get("code") or "UNSET").rpartition("_")[2]
    converted = {
        # readers derive the trace id from this one where they can
        "traceId": own_id if HEX.fullmatch(own_id) and len(own_id) == 32 else _any_id(context["trace_id"], 32),
        "spanId": _any_id(context["span_id"], 16),
        "parentSpanId": _any_id(span.get("parent_span_id") or span.get("parent_id") or "", 16),
        "name": span["name"],
        "startTimeUnixNano": span.get("start_time_unix_nano", span.get("start_time")),
        "endTimeUnixNano": span.get("end_time_unix_nano", span.get("end_time")),
        "status": {"code": code, "message": status.get("message")},
        "attributes": _pairs(attributes),
        "events": [
            {"name": event["name"], "timeUnixNano": event.get("time_unix_nano", event.get("timestamp"))}
            | {"attributes": _pairs(event.get("attributes") or {})}
            for event in span.get("events") or ()
        ],
        "links": [
            {"traceId": _any_id(link["trace_id"], 32), "spanId": _any_id(link["span_id"], 16)}
            | {"attributes": _pairs(link.get("attributes") or {})}
            for link in span.get("links") or ()
        ],
    }
    return {key: value for key, value in converted.items() if value not in (None, [])}


def _file_span_of_otlp(span: dict[str, Any], trace_id: str) -> dict[str, Any]:
    """Return an OTLP JSON span in the form that clients since MLflow 3 write to `traces.json`."""
    attributes = _decoded_attributes(span.get("attributes")) | {REQUEST_ID: trace_id}
    parent, status = span.get("parentSpanId"), span.get("status") or {}
    return {
        "trace_id": _base64(span["traceId"]),
        "span_id": _base64(span["spanId"]),
        "parent_span_id": _base64(parent) if parent else None,
        "name": span["name"],
        "start_time_unix_nano": int(_field(span, "startTimeUnixNano", 0)),
        "end_time_unix_nano": int(_field(span, "endTimeUnixNano", 0)) or None,
        "status": {"code": _status(status.get("code")), "message": status.get("message", "")},
        "attributes": {key: msgspec.json.encode(value).decode() for key, value in attributes.items()},
        "events": [
            {
                "name": event["name"],
                "time_unix_nano": int(_field(event, "timeUnixNano", 0)),
                "attributes": _decoded_attributes(event.get("attributes")),
            }
            for event in span.get("events", ())
        ],
        "links": [
            {
                "trace_id": _base64(link["traceId"]),
                "span_id": _base64(link["spanId"]),
                "attributes": _decoded_attributes(link.get("attributes")),
            }
            for link in span.get("links", ())
        ],
    }


def _base64(hex_text: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_text)).decode()


def _status(code: Any) -> str:
    names = ("UNSET", "OK", "ERROR")
    name = names[code] if isinstance(code, int) and 0 <= code < len(names) else str(code or "UNSET")
    return f"STATUS_CODE_{name.removeprefix('STATUS_CODE_')}"


def _field(item: dict[str, Any], name: str, default: Any) -> Any:
    """Return a field by its camelCase name, or by its snake_case name, which servers use in answers."""
    snake = re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)
    return item.get(name, item.get(snake, default))


def _decoded_attributes(attributes: Any) -> dict[str, Any]:
    return {attribute["key"]: _decoded_value(attribute.get("value") or {}) for attribute in attributes or ()}


def _decoded_value(value: dict[str, Any]) -> Any:
    """Return the Python value of an OTLP value; the inverse of `_value`."""
    if (fields := _field(value, "kvlistValue", None)) is not None:
        return _decoded_attributes(fields.get("values"))
    if (items := _field(value, "arrayValue", None)) is not None:
        return [_decoded_value(item) for item in items.get("values", ())]
    if (number := _field(value, "intValue", None)) is not None:
        return int(number)
    return next(iter(value.values()), None)


def _any_id(identifier: str, digits: int) -> str:
    """Return an id in hex from hex, from `tr-` or `0x` and hex, or from base64."""
    digits_text = identifier.removeprefix("tr-").removeprefix("0x")
    if not digits_text:
        return ""
    # an id in hex could also be base64, but its bytes would be too many
    return (
        digits_text.zfill(digits) if HEX.fullmatch(digits_text) else base64.b64decode(digits_text, validate=True).hex()
    )


def _decoded_json(text: Any) -> Any:
    """Return an attribute's value, which the file has as JSON in a string."""
    try:
        return msgspec.json.decode(text) if isinstance(text, str) else text
    except msgspec.MsgspecError:
        return text


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return {"stringValue": str(value)}
    if isinstance(value, int | float):
        return {"intValue" if isinstance(value, int) else "doubleValue": value}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _pairs(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {} if value is None else {"stringValue": str(value)}
