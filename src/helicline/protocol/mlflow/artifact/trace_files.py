"""What pages read of a trace as files: its spans as `traces.json`, and its attachments."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from helicline import trace as traces
from helicline.errors import NotFound
from helicline.protocol.mlflow.artifact.files import SAFE_HEADERS, file_response
from helicline.protocol.mlflow.artifact.links import file_below
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.request import Request, Response
from helicline.records.model import ArtifactFile
from helicline.records.run import SpanRecord
from helicline.store.unit import Reader
from helicline.trace.attribute import decoded_json, plain_value
from helicline.trace.derived import ARTIFACT_TAG
from helicline.tracking.checks import checked_path

DATA_NAME = "traces.json"
STATUS_NAMES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")


async def of_trace(request: Request) -> Any:
    """Answer `get-trace-artifact`: an attachment by its path, or else all spans, which may have come only in part."""
    trace_id, path = request.fields.text("request_id"), request.fields.text("path")
    if not trace_id:
        raise WireError("BAD_REQUEST", 'Request must include the "request_id" query parameter.')
    if path:
        name = f"attachments/{_attachment_id(path)}"
        return await file_response(request, await request.read(lambda tx: _file(tx, trace_id, name)))
    spans = await request.read(lambda tx: traces.trace_spans(tx, [trace_id]).get(trace_id))
    if not spans:
        try:  # clients before MLflow 3 store the spans as a file
            return await file_response(request, await request.read(lambda tx: _file(tx, trace_id, DATA_NAME)))
        except NotFound as error:
            if error.noun == "trace":
                raise
    headers = (
        ("content-type", "text/plain; charset=utf-8"),
        ("content-disposition", f"attachment; filename={DATA_NAME}"),
    )
    body = msgspec.json.encode({"spans": [_span(span) for span in spans or ()]})
    return Response(body=body, headers=(*headers, *SAFE_HEADERS))


def _attachment_id(path: str) -> str:
    checked_path("path", path)
    try:
        return str(uuid.UUID(path))
    except ValueError:
        message = f"Invalid attachment path: '{path}'. Attachment path must be a valid UUID."
        raise WireError("INVALID_PARAMETER_VALUE", message) from None


def _file(tx: Reader, trace_id: str, name: str) -> ArtifactFile:
    tags = traces.get_trace(tx, trace_id).info.get("tags") or {}
    if ARTIFACT_TAG not in tags:
        raise NotFound("artifact", name)
    return file_below(tx, tags[ARTIFACT_TAG], name)


def _span(span: SpanRecord) -> dict[str, Any]:
    """Return the span as MLflow writes it to a file: each attribute is JSON inside a string."""
    body = span.body
    status = body.get("status") or {}
    return {
        "trace_id": body.get("trace_id"),
        "span_id": body.get("span_id"),
        "parent_span_id": body.get("parent_span_id"),
        "name": body.get("name", ""),
        "start_time_unix_nano": body.get("start_time_unix_nano"),
        "end_time_unix_nano": body.get("end_time_unix_nano"),
        "events": [
            {
                "name": event.get("name", ""),
                "time_unix_nano": event.get("time_unix_nano"),
                "attributes": _decoded(event.get("attributes", ())),
            }
            for event in body.get("events", ())
        ],
        "status": {"code": STATUS_NAMES[status.get("code", 0)], "message": status.get("message", "")},
        "attributes": {
            key: msgspec.json.encode(value).decode() for key, value in _decoded(body.get("attributes", ())).items()
        },
        "links": [link | {"attributes": _decoded(link.get("attributes", ()))} for link in body.get("links", ())],
    }


def _decoded(pairs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _document(plain_value(pair.get("value") or {})) for pair in pairs}


def _document(value: Any) -> Any:
    """Return the value decoded: MLflow's client sends every value as JSON in a string."""
    return decoded_json(value) if isinstance(value, str) else value
