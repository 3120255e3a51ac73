"""HTTP connections that send the head of a response in one packet with its body."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from helicline.peer_limit import PeerLimit


class BufferedHeadTransport:
    """A transport that buffers the head of a response until its body follows, or until the next event loop iteration.

    The ASGI server writes them separately; together they cost one system call and one packet instead of two.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._buffer = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        elif data.startswith(b"HTTP/1.1 "):  # a body that begins with this text is buffered too, without harm
            self._buffer = data
            self._loop.call_soon(self._send_buffer)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._send_buffer()
        self._transport.close()

    def _send_buffer(self) -> None:
        buffered, self._buffer = self._buffer, b""
        if buffered and not self._transport.is_closing():
            self._transport.write(buffered)


FIRST_REQUEST_S = 1.0  # that a new connection may be without a request when the server stops
_peers = PeerLimit(logging.getLogger("helicline.server"))


class Connection(HttpToolsProtocol):
    """One connection of a client; a peer may have a limited number that ask for nothing."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", BufferedHeadTransport(transport, self.loop)))
        _peers.add(self._host, self)

    def connection_lost(self, exc: Exception | None) -> None:
        _peers.remove(self._host, self)
        super().connection_lost(exc)

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def is_quiet(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    def shutdown(self) -> None:
        """Close the connection when the server stops; one that is new may have sent its first request already."""
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(FIRST_REQUEST_S, super().shutdown)
        else:
            super().shutdown()
