"""How answers go out: the head in one packet with what follows it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Corked:
    """A transport that holds back the head of an answer until its body follows, or the event loop comes round.

    The ASGI server writes the two apart; sent together they cost one system call and one packet instead of two.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        elif data.startswith(b"HTTP/1.1 "):  # a body that begins so is held back as well, and loses nothing by it
            self._held = data
            self._loop.call_soon(self._release)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._release()
        self._transport.close()

    def _release(self) -> None:
        buffered, self._held = self._held, b""
        if buffered and not self._transport.is_closing():
            self._transport.write(buffered)


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
