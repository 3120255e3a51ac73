"""One HTTP request, and how its response is sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

from helicline.access.signed_token import Claims

REASONS = {
    200: b"OK",
    202: b"Accepted",
    204: b"No Content",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
JSON, TEXT, BINARY = b"application/json", b"text/plain; charset=utf-8", b"application/octet-stream"
HEAD_LENGTH = b"inference-header-content-length"
_NO_HEADERS: tuple[tuple[bytes, bytes], ...] = ()


class ClientConnection(Protocol):
    """What a request needs of the connection that it came over."""

    @property
    def draining(self) -> bool:
        """Whether the connection is to be closed after this response."""
        ...

    @property
    def peer(self) -> str:
        """Address of the client."""
        ...

    def date(self) -> bytes:
        """Return the Date header line."""
        ...

    def flush(self) -> None:
        """Write the responses that are next in order."""
        ...


class Request:
    """A request as read; `respond` may be called at any time, even after the client has left. Only the first counts."""

    __slots__ = (
        "_connection",
        "body",
        "caller",
        "headers",
        "keep_alive",
        "method",
        "on_client_left",
        "path",
        "query",
        "received_at",
        "response",
    )

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.caller: Claims | None = None
        self.method = b""
        self.path = self.query = ""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.keep_alive = True
        self.received_at = 0.0
        self.response: bytes | None = None
        self.on_client_left: Callable[[], None] | None = None

    def set_target(self, url: bytes) -> None:
        """Set path and query from the request target."""
        path, _, query = url.partition(b"?")
        if path.startswith((b"http://", b"https://")):
            path = b"/" + path.split(b"/", 3)[3] if path.count(b"/") > 2 else b"/"
        self.path = unquote(path.decode("latin-1"), errors="replace")
        self.query = query.decode("latin-1")

    def header(self, name: bytes) -> str:
        """Return a header as text, '' if it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def client_left(self) -> None:
        """Stop what the request has begun, where that can be stopped: nobody waits for its answer."""
        if self.response is None and self.on_client_left is not None:
            self.on_client_left()

    @property
    def host(self) -> str:
        """Address of the client, without its port."""
        return self._connection.peer.rpartition(":")[0]

    @property
    def peer(self) -> str:
        """Address of the client, for the log."""
        return self._connection.peer

    def age_us(self) -> int:
        """Return microseconds since the last byte of the request came."""
        return int((time.perf_counter() - self.received_at) * 1e6)

    def respond(
        self,
        status: int,
        body: bytes,
        *,
        media_type: bytes = JSON,
        headers: tuple[tuple[bytes, bytes], ...] = _NO_HEADERS,
    ) -> None:
        """Send the response as soon as those of earlier requests on the connection are sent."""
        if self.response is not None:
            return
        extra = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        if not self.keep_alive or self._connection.draining:
            self.keep_alive = False
            extra += b"connection: close\r\n"
        head = b"HTTP/1.1 %d %b\r\n%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n" % (
            *(status, REASONS.get(status, b"Unknown"), self._connection.date(), media_type, len(body)),
            extra,
        )
        self.response = head if self.method == b"HEAD" else head + body
        self._connection.flush()
