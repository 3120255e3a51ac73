"""Content codings: which one a client accepts, and JSON answers of our own API in it.

An answer that carries a secret (`Cache-Control: no-store`) is never compressed: its length would tell something of the
secret to a page that can have the server repeat chosen text beside it (BREACH). Streams are never compressed either.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection, MutableMapping, Sequence
from typing import Any

import zstandard

from helicline.server.filter import App, Receive, Scope, Send

LEAST_BYTES = 1000  # below, the head of the answer weighs more than what compression saves
IN_A_THREAD_BYTES = 200_000  # from here on, compressing takes longer than handing it to a thread
JSON_TYPES = (b"application/json", b"application/problem+json")
CODINGS = ("zstd", "gzip")


def choose_coding(scope: Scope, available: Collection[str]) -> str:
    """Return the first available coding that the client accepts with the greatest weight, or an empty string."""
    accepted = _weights(scope)
    weights = {coding: accepted.get(coding, accepted.get("*", 0.0)) for coding in available}
    best = max(weights.values(), default=0.0)
    return next(coding for coding in available if weights[coding] == best) if best > 0 else ""


def _weights(scope: Scope) -> dict[str, float]:
    """Return the weight of each coding that the request names (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for name, value in scope["headers"]:
        if name.lower() != b"accept-encoding":
            continue
        for part in value.decode("latin-1").lower().split(","):
            coding, _, parameter = part.partition(";")
            key, _, weight = parameter.strip().partition("=")
            weights[coding.strip()] = _number(weight) if key == "q" else 1.0
    return weights


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def compressed(body: bytes, coding: str) -> bytes:
    """Return the body in that coding, at levels that cost about a millisecond for 200 kB."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=3).compress(body)
    deflater = zlib.compressobj(4, zlib.DEFLATED, 31)  # 31: with the header of gzip
    return deflater.compress(body) + deflater.flush()


class JsonCompression:
    """An ASGI application whose JSON answers come in a coding that the client accepts."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Answer(scope, send).send)


class _Answer:
    """Holds the head of a JSON answer back until its body shows whether it is compressed."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._head: MutableMapping[str, Any] | None = None

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and _is_compressible(message.get("headers", ())):
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await self._send(message)
            return
        body, coding = message.get("body", b""), ""
        if len(body) > LEAST_BYTES and not message.get("more_body"):
            coding = choose_coding(self._scope, CODINGS)
        if coding:
            is_large = len(body) > IN_A_THREAD_BYTES
            body = await asyncio.to_thread(compressed, body, coding) if is_large else compressed(body, coding)
        await self._send({**head, "headers": _headers_of(head["headers"], coding, len(body))})
        await self._send({**message, "body": body})


def _is_compressible(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    fields = {name.lower(): value for name, value in headers}
    return (
        fields.get(b"content-type", b"").split(b";")[0] in JSON_TYPES
        and b"content-encoding" not in fields
        and b"no-store" not in fields.get(b"cache-control", b"")
    )


def _headers_of(headers: Sequence[tuple[bytes, bytes]], coding: str, length: int) -> list[tuple[bytes, bytes]]:
    varying = [*headers, (b"vary", b"Accept-Encoding")]
    if not coding:
        return varying
    without_length = [pair for pair in varying if pair[0].lower() != b"content-length"]
    return [*without_length, (b"content-length", str(length).encode()), (b"content-encoding", coding.encode())]
