"""Spans as OTLP over HTTP, protobuf or JSON; they are durable when the answer goes out."""

from __future__ import annotations

import asyncio
import zlib

import zstandard

from helicline import trace as traces
from helicline.errors import TooLarge
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.request import Request, Response
from helicline.protocol.mlflow.trace import otlp, otlp_json
from helicline.protocol.mlflow.trace.otlp import Malformed

PROTOBUF, JSON = "application/x-protobuf", "application/json"
LONG = 2**20  # bytes that take long enough to read that others should not wait for them


async def export(request: Request) -> Response:
    """Take the spans, all or nothing, and answer in the encoding in which they came."""
    experiment_id = request.header("x-mlflow-experiment-id", "")
    if not experiment_id:
        raise WireError("BAD_REQUEST", "Missing required header: x-mlflow-experiment-id")
    kind = request.media_type()
    if kind not in (PROTOBUF, JSON):
        raise WireError("BAD_REQUEST", f"Invalid Content-Type. Expected: {PROTOBUF} or {JSON}")
    body, run_id = inflated(request), request.header("x-mlflow-run-id", "")
    read = otlp.spans_of if kind == PROTOBUF else otlp_json.spans_of
    try:
        spans = await asyncio.to_thread(read, body) if len(body) > LONG else read(body)
    except Malformed as error:
        raise WireError("BAD_REQUEST", f"Invalid OpenTelemetry {_name(kind)} format: {error}") from None
    if not spans:
        raise WireError("BAD_REQUEST", f"Invalid OpenTelemetry {_name(kind)} format - no spans found")
    await request.gather(traces.add_spans, (experiment_id, traces.arrivals(spans, run_id=run_id)))
    return Response(headers=(("content-type", kind),), body=b"{}" if kind == JSON else b"")


def _name(kind: str) -> str:
    return "protobuf" if kind == PROTOBUF else "JSON"


def inflated(request: Request) -> bytes:
    """Return the body as it was before it was packed; one that unpacks to more than the limit is refused early."""
    encoding = request.header("content-encoding", "identity").lower()
    limit = request.settings.max_body_bytes
    try:
        if encoding in ("identity", ""):
            return request.body
        if encoding in ("gzip", "deflate"):
            body = _unzipped(request.body, encoding, limit + 1)
        elif encoding == "zstd":
            body = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(request.body).read(limit + 1)
        else:
            raise WireError("BAD_REQUEST", f"Unsupported Content-Encoding: {encoding}")
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise WireError("BAD_REQUEST", f"Invalid {encoding} body: {error}") from None
    if len(body) > limit:
        raise TooLarge("body", f"more than {limit} bytes unpacked", f"at most {limit} bytes")
    return body


def _unzipped(packed: bytes, encoding: str, most: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=47)
    try:
        body = unpacker.decompress(packed, most)
    except zlib.error:
        if encoding == "gzip":
            raise
        unpacker = zlib.decompressobj(wbits=-15)  # some senders leave the zlib frame away
        body = unpacker.decompress(packed, most)
    if len(body) < most and not unpacker.eof:
        raise zlib.error("cut short")
    return body
