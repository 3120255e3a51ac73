"""HTTP/1.1 on one connection: keep-alive, pipelining in order, limits, no write to a client that has left."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import cast

import httptools
import msgspec

from helicline.gateway.front.request import Request
from helicline.peer_limit import MAX_QUIET, PeerLimit
from helicline.protocol.scoring.errors import v1_error

_log = logging.getLogger("helicline.gateway")
HEAD_LIMIT = 64 * 1024
_MAX_FRAMING = 16  # bytes around each byte of a body in chunks: a chunk of one byte has six at least
IDLE_S = 75.0
_IDLE_DRAIN_S = 2.0
_MAX_OUTSTANDING = 32
_MAX_BUFFERED = 4 * 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may send, and for how long a connection may be idle."""

    body_bytes: int = 16 * 1024 * 1024
    idle_s: float = IDLE_S
    quiet_per_peer: int = MAX_QUIET


class HttpServer:
    """The state that all connections of one listening socket share."""

    def __init__(self, handle: Callable[[Request], None], limits: Limits) -> None:
        self.handle, self.limits = handle, limits
        self.connections: set[Connection] = set()
        self.peers = PeerLimit(_log, max_quiet=limits.quiet_per_peer)
        self.draining = False
        self._date_line = (0, b"")

    def date(self) -> bytes:
        """Return the Date header line, made once a second."""
        now = int(time.time())
        if self._date_line[0] != now:
            self._date_line = (now, f"date: {formatdate(now, usegmt=True)}\r\n".encode())
        return self._date_line[1]

    async def close_idle(self) -> None:
        """Close connections on which nothing has happened for the idle time, until cancelled."""
        while True:
            await asyncio.sleep(min(5.0, self.limits.idle_s / 2))
            limit = time.monotonic() - self.limits.idle_s
            for connection in list(self.connections):
                if connection.idle_since < limit:
                    connection.close_if_idle()

    async def drain(self, *, grace_s: float) -> None:
        """Answer what is under way and the next request of each idle client, at most `grace_s`; then close all.

        An answer tells its client to close. A connection that were closed while its client sends would fail a request,
        so the idle ones are left open for a moment.
        """
        self.draining = True
        begin = time.monotonic()
        while self.connections and (seconds := time.monotonic() - begin) < grace_s:
            if seconds > _IDLE_DRAIN_S and not any(connection.busy for connection in self.connections):
                break
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.close()


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Request] = deque()
        self._current: Request | None = None
        self._url = b""
        self._host = self._peer = ""
        self._parts: list[bytes] = []
        self._head_bytes = self._body_bytes = self._raw_bytes = 0
        self._in_head = True
        self._closing = self._paused = self._continue_pending = False
        self.idle_since = time.monotonic()

    @property
    def draining(self) -> bool:
        return self._server.draining

    @property
    def peer(self) -> str:
        """Address of the client: host and port."""
        return self._peer

    @property
    def busy(self) -> bool:
        """Whether a request is being read or waits for its answer."""
        return bool(self._queue) or bool(self._head_bytes) or bool(self._body_bytes)

    def date(self) -> bytes:
        """Return the Date header line."""
        return self._server.date()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self._host, self._peer = (
            (name[0], f"{name[0]}:{name[1]}") if isinstance(name, tuple) else ("", "a local socket")
        )
        self._server.connections.add(self)
        self._server.peers.add(self._host, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)
        self._server.peers.remove(self._host, self)
        requests, self._queue = self._queue, deque()
        for request in requests:
            request.client_left()

    def close(self) -> None:
        """Close once what is already written is sent."""
        if self._transport is not None:
            self._transport.close()

    @property
    def is_quiet(self) -> bool:
        """Whether no whole request waits for its answer."""
        return not any(request.response is None and request is not self._current for request in self._queue)

    def close_if_idle(self) -> None:
        """Close, unless a request still waits for its answer."""
        if self.is_quiet:
            self.close()

    def data_received(self, data: bytes) -> None:
        self.idle_since = time.monotonic()
        if self._closing:
            return
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._raw_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._stop_reading()
        except httptools.HttpParserError as error:
            self._refuse(400, f"malformed HTTP: {error}")
        if self._in_head and self._head_bytes > HEAD_LIMIT:
            self._refuse(431, f"the head of a request is limited to {HEAD_LIMIT} bytes")
        elif not self._in_head and self._raw_bytes > HEAD_LIMIT + _MAX_FRAMING * self._body_bytes:
            self._refuse(431, f"what is around the chunks of a body is limited to {HEAD_LIMIT} bytes")
        self._pause_or_resume()

    # The parser calls these, in this order.

    def on_message_begin(self) -> None:
        self._current = Request(self)
        self._url, self._parts, self._body_bytes, self._in_head = b"", [], 0, True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._current is not None and self._in_head:  # trailers behind a body in chunks are not taken
            name = name.lower()
            earlier = self._current.headers.get(name)
            self._current.headers[name] = value if earlier is None else earlier + b", " + value

    def on_headers_complete(self) -> None:
        request = self._current
        if request is None or self._closing:
            return
        self._in_head, self._head_bytes, self._raw_bytes = False, 0, 0
        request.method = self._parser.get_method()
        request.set_target(self._url)
        request.keep_alive = self._parser.should_keep_alive()
        self._queue.append(request)
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._server.limits.body_bytes:
            self._too_large(request)
        elif request.headers.get(b"expect", b"").lower() == b"100-continue":
            self._continue_pending = True
            self.flush()

    def on_body(self, body: bytes) -> None:
        if self._closing or self._current is None:
            return
        self._continue_pending = False
        self._parts.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > self._server.limits.body_bytes:
            self._too_large(self._current)

    def on_message_complete(self) -> None:
        request, self._current = self._current, None
        if request is None or self._closing:
            return
        request.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._body_bytes, self._in_head, self._head_bytes = [], 0, True, 0
        self._continue_pending = False
        request.received_at = time.perf_counter()
        if b"content-encoding" in request.headers and not self._decompress(request):
            return
        self._server.handle(request)

    def _decompress(self, request: Request) -> bool:
        encoding = request.headers[b"content-encoding"].strip().lower()
        limit = self._server.limits.body_bytes
        if encoding == b"identity":
            return True
        if encoding != b"gzip":
            request.respond(415, v1_error(f"content-encoding {encoding.decode('latin-1')!r} is not taken; gzip is"))
            return False
        decompressor = zlib.decompressobj(31)
        try:
            request.body = decompressor.decompress(request.body, limit + 1)
        except zlib.error as error:
            request.respond(400, v1_error(f"the gzip body is damaged: {error}"))
            return False
        if len(request.body) > limit:
            request.respond(413, v1_error(f"the unpacked body is over the limit of {limit} bytes"))
            return False
        if not decompressor.eof:
            request.respond(400, v1_error("the gzip body is cut short"))
            return False
        return True

    def _too_large(self, request: Request) -> None:
        self._parts = []
        request.keep_alive = False
        self._closing = True
        request.respond(413, v1_error(f"the body is over the limit of {self._server.limits.body_bytes} bytes"))

    def _refuse(self, status: int, why: str) -> None:
        if self._closing:
            return
        self._closing = True
        request = self._current or Request(self)
        if request not in self._queue:
            self._queue.append(request)
        request.keep_alive = False
        request.respond(status, v1_error(why))

    def _stop_reading(self) -> None:
        self._closing = True
        for request in self._queue:
            request.keep_alive = False
        self.flush()

    def flush(self) -> None:
        """Write the answers that are next in order; close after the last one if the client wants no more."""
        transport, queue = self._transport, self._queue
        if transport is None or transport.is_closing():
            queue.clear()
            return
        while queue and queue[0].response is not None:
            request = queue.popleft()
            transport.write(request.response or b"")
            if not request.keep_alive:
                queue.clear()
                transport.close()
                return
        self.idle_since = time.monotonic()
        if self._continue_pending and len(queue) == 1 and queue[0] is self._current:
            self._continue_pending = False
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._pause_or_resume()

    def _pause_or_resume(self) -> None:
        """Stop reading from a client with many unanswered requests or unread answers, until it has caught up."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        full = len(self._queue) >= _MAX_OUTSTANDING
        full = full or (len(self._queue) > 1 and sum(len(request.body) for request in self._queue) > _MAX_BUFFERED)
        full = full or transport.get_write_buffer_size() > _MAX_BUFFERED
        if full and not self._paused:
            self._paused = True
            transport.pause_reading()
        elif self._paused and not full:
            self._paused = False
            transport.resume_reading()

    def pause_writing(self) -> None:
        self._pause_or_resume()

    def resume_writing(self) -> None:
        self._pause_or_resume()
