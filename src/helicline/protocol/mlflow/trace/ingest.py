"""OTLP over HTTP: spans as protobuf or JSON, durable before the answer (note 0012)."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Sequence

import zstandard
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from helicline import trace as traces
from helicline.errors import TooLarge
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.request import Request, Response
from helicline.protocol.mlflow.trace import otlp, otlp_json
from helicline.protocol.mlflow.trace.otlp import Malformed

log = logging.getLogger("helicline.protocol.mlflow")
PROTOBUF, JSON = "application/x-protobuf", "application/json"
MAX_REASONS = 5
LARGE_BYTES = 2**20  # decoding more bytes than this would hold up other requests on the event loop


async def export(request: Request) -> Response:
    """Store the spans that can be stored, say which cannot, and answer in the encoding of the request."""
    experiment_id = request.header("x-mlflow-experiment-id", "")
    if not experiment_id:
        raise WireError("BAD_REQUEST", "Missing required header: x-mlflow-experiment-id")
    kind = request.media_type()
    if kind not in (PROTOBUF, JSON):
        raise WireError("BAD_REQUEST", f"Invalid Content-Type. Expected: {PROTOBUF} or {JSON}")
    body, run_id = decompressed(request), request.header("x-mlflow-run-id", "")
    read = otlp.read if kind == PROTOBUF else otlp_json.read
    try:
        batch = await asyncio.to_thread(read, body) if len(body) > LARGE_BYTES else read(body)
    except Malformed as error:
        raise WireError("BAD_REQUEST", f"Invalid OpenTelemetry {_name(kind)} format: {error}") from None
    arrivals, invalid = traces.arrivals(batch.resource_spans, run_id=run_id)
    rejections = [*batch.rejections, *invalid]
    if arrivals:
        rejections += await request.write_bulk(traces.add_spans, (experiment_id, arrivals))
    elif rejections:
        raise WireError("BAD_REQUEST", f"Invalid OpenTelemetry {_name(kind)} format: {_reasons(rejections)}")
    return _answer(kind, rejections)


def _answer(kind: str, rejections: Sequence[traces.Rejection]) -> Response:
    """Return an ExportTraceServiceResponse, with `partial_success` where spans were rejected."""
    answer = ExportTraceServiceResponse()
    if rejections:
        rejected_count, reasons = sum(item.span_count for item in rejections), _reasons(rejections)
        log.warning("%d spans of a request are not stored: %s", rejected_count, reasons)
        answer.partial_success.rejected_spans, answer.partial_success.error_message = rejected_count, reasons
    body = MessageToJson(answer, indent=None).encode() if kind == JSON else answer.SerializeToString()
    return Response(headers=(("content-type", kind),), body=body)


def _reasons(rejections: Sequence[traces.Rejection]) -> str:
    texts = list(dict.fromkeys(rejection.reason for rejection in rejections))
    more = f"; and {len(texts) - MAX_REASONS} more reasons" if len(texts) > MAX_REASONS else ""
    return "; ".join(texts[:MAX_REASONS]) + more


def _name(kind: str) -> str:
    return "protobuf" if kind == PROTOBUF else "JSON"


def decompressed(request: Request) -> bytes:
    """Return the decompressed body. Stops, and raises TooLarge, at the limit."""
    encoding = request.header("content-encoding", "identity").lower()
    limit = request.settings.max_body_bytes
    try:
        if encoding in ("identity", ""):
            return request.body
        if encoding in ("gzip", "deflate"):
            body = _decompressed(request.body, encoding, limit + 1)
        elif encoding == "zstd":
            body = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(request.body).read(limit + 1)
        else:
            raise WireError("BAD_REQUEST", f"Unsupported Content-Encoding: {encoding}")
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise WireError("BAD_REQUEST", f"Invalid {encoding} body: {error}") from None
    if len(body) > limit:
        raise TooLarge("body", f"more than {limit} bytes unpacked", f"at most {limit} bytes")
    return body


def _decompressed(compressed: bytes, encoding: str, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(wbits=47)
    try:
        body = decompressor.decompress(compressed, max_bytes)
    except zlib.error:
        if encoding == "gzip":
            raise
        decompressor = zlib.decompressobj(wbits=-15)  # some clients send raw deflate data without the zlib header
        body = decompressor.decompress(compressed, max_bytes)
    if len(body) < max_bytes and not decompressor.eof:
        raise zlib.error("cut short")
    return body
