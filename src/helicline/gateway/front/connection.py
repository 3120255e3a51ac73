"""HTTP/1.1 on one connection: keep-alive, pipelining in order, limits, no write to a client that left."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import cast

import httptools
import msgspec

from helicline.gateway.front.exchange import Exchange
from helicline.protocol.scoring.errors import v1_error

HEAD_LIMIT = 64 * 1024
IDLE_S = 75.0
_MAX_OUTSTANDING = 32
_MAX_BUFFERED = 4 * 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    body_bytes: int = 16 * 1024 * 1024
    idle_s: float = IDLE_S


class Listener:
    """What the connections of one server share."""

    def __init__(self, handle: Callable[[Exchange], None], limits: Limits) -> None:
        self.handle, self.limits = handle, limits
        self.connections: set[Connection] = set()
        self.draining = False
        self._date = (0, b"")

    def date(self) -> bytes:
        """Return the Date header line, made once a second."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, f"date: {formatdate(now, usegmt=True)}\r\n".encode())
        return self._date[1]

    async def sweep(self) -> None:
        """Close connections on which nothing has happened for the idle time, until cancelled."""
        while True:
            await asyncio.sleep(min(5.0, self.limits.idle_s / 2))
            limit = time.monotonic() - self.limits.idle_s
            for connection in [c for c in self.connections if c.idle_since < limit]:
                connection.expire()

    async def drain(self, *, grace_s: float) -> None:
        """Let every request under way be answered, then close all connections."""
        self.draining = True
        end = time.monotonic() + grace_s
        while any(connection.busy for connection in self.connections) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.close()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._url = b""
        self._parts: list[bytes] = []
        self._head_bytes = self._body_bytes = 0
        self._in_head = True
        self._closing = self._paused = self._owes_continue = False
        self.idle_since = time.monotonic()

    @property
    def draining(self) -> bool:
        return self._listener.draining

    @property
    def busy(self) -> bool:
        """Whether a request is being read or waits for its answer."""
        return bool(self._queue) or bool(self._head_bytes) or bool(self._body_bytes)

    def date(self) -> bytes:
        """Return the Date header line."""
        return self._listener.date()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._listener.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._listener.connections.discard(self)
        self._queue.clear()

    def close(self) -> None:
        """Close after what was written has gone out."""
        if self._transport is not None:
            self._transport.close()

    def expire(self) -> None:
        """Close for idleness, unless an answer is still owed."""
        if not any(exchange.response is None and exchange is not self._current for exchange in self._queue):
            self.close()

    def data_received(self, data: bytes) -> None:
        self.idle_since = time.monotonic()
        if self._closing:
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stop_reading()
        except httptools.HttpParserError as error:
            self._refuse(400, f"malformed HTTP: {error}")
        if self._in_head and self._head_bytes > HEAD_LIMIT:
            self._refuse(431, f"the head of a request is limited to {HEAD_LIMIT} bytes")
        self._pace()

    # Called by the parser, in order.

    def on_message_begin(self) -> None:
        self._current = Exchange(self)
        self._url, self._parts, self._body_bytes, self._in_head = b"", [], 0, True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._current is not None:
            name = name.lower()
            known = self._current.headers.get(name)
            self._current.headers[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        exchange = self._current
        if exchange is None or self._closing:
            return
        self._in_head, self._head_bytes = False, 0
        exchange.method = self._parser.get_method()
        exchange.target(self._url)
        exchange.keep_alive = self._parser.should_keep_alive()
        self._queue.append(exchange)
        length = exchange.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._listener.limits.body_bytes:
            self._too_large(exchange)
        elif exchange.headers.get(b"expect", b"").lower() == b"100-continue":
            self._owes_continue = True
            self.flush()

    def on_body(self, body: bytes) -> None:
        if self._closing or self._current is None:
            return
        self._owes_continue = False
        self._parts.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > self._listener.limits.body_bytes:
            self._too_large(self._current)

    def on_message_complete(self) -> None:
        exchange, self._current = self._current, None
        if exchange is None or self._closing:
            return
        exchange.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._body_bytes, self._in_head, self._head_bytes = [], 0, True, 0
        self._owes_continue = False
        exchange.arrived = time.perf_counter()
        if b"content-encoding" in exchange.headers and not self._decode(exchange):
            return
        self._listener.handle(exchange)

    def _decode(self, exchange: Exchange) -> bool:
        encoding = exchange.headers[b"content-encoding"].strip().lower()
        limit = self._listener.limits.body_bytes
        if encoding == b"identity":
            return True
        if encoding != b"gzip":
            exchange.answer(415, v1_error(f"content-encoding {encoding.decode('latin-1')!r} is not taken; gzip is"))
            return False
        unpacker = zlib.decompressobj(31)
        try:
            exchange.body = unpacker.decompress(exchange.body, limit + 1)
        except zlib.error as error:
            exchange.answer(400, v1_error(f"the gzip body is damaged: {error}"))
            return False
        if len(exchange.body) > limit:
            exchange.answer(413, v1_error(f"the unpacked body is over the limit of {limit} bytes"))
            return False
        if not unpacker.eof:
            exchange.answer(400, v1_error("the gzip body is cut short"))
            return False
        return True

    def _too_large(self, exchange: Exchange) -> None:
        self._parts = []
        exchange.keep_alive = False
        self._closing = True
        exchange.answer(413, v1_error(f"the body is over the limit of {self._listener.limits.body_bytes} bytes"))

    def _refuse(self, status: int, why: str) -> None:
        if self._closing:
            return
        self._closing = True
        exchange = self._current or Exchange(self)
        if exchange not in self._queue:
            self._queue.append(exchange)
        exchange.keep_alive = False
        exchange.answer(status, v1_error(why))

    def _stop_reading(self) -> None:
        self._closing = True
        for exchange in self._queue:
            exchange.keep_alive = False
        self.flush()

    def flush(self) -> None:
        """Write the answers that are next in order; close after the last one if the client wants no more."""
        transport, queue = self._transport, self._queue
        if transport is None or transport.is_closing():
            queue.clear()
            return
        while queue and queue[0].response is not None:
            exchange = queue.popleft()
            transport.write(exchange.response or b"")
            if not exchange.keep_alive:
                queue.clear()
                transport.close()
                return
        self.idle_since = time.monotonic()
        if self._owes_continue and len(queue) == 1 and queue[0] is self._current:
            self._owes_continue = False
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._pace()

    def _pace(self) -> None:
        """Stop reading from a client that is owed many answers or takes none, until it has caught up."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        crowded = len(self._queue) >= _MAX_OUTSTANDING
        full = crowded or (len(self._queue) > 1 and sum(len(e.body) for e in self._queue) > _MAX_BUFFERED)
        full = full or transport.get_write_buffer_size() > _MAX_BUFFERED
        if full and not self._paused:
            self._paused = True
            transport.pause_reading()
        elif self._paused and not full:
            self._paused = False
            transport.resume_reading()

    def pause_writing(self) -> None:
        self._pace()

    def resume_writing(self) -> None:
        self._pace()
