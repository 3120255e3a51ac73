"""The front's end of the socket to one worker process: calls out, answers back to whoever asked."""

from __future__ import annotations

import asyncio
import itertools
from typing import Protocol, cast

from helicline.gateway.worker.frames import HELLO, STOP, Frame, FrameReader, Garbled, pack

MAX_WAITING = 1024
_MAX_UNSENT = 64 * 1024 * 1024


class Asker(Protocol):
    """Who sent a call and gets exactly one of these, unless it took the call back."""

    expires_at: float

    def answered(self, frame: Frame) -> None:
        """Take the worker's answer."""
        ...

    def lost(self) -> None:
        """Learn that the worker died before it answered."""
        ...

    def resume(self) -> None:
        """Learn that the worker it was held for is back, or will not come back."""
        ...


class Link(asyncio.Protocol):
    """One connection; `hello` is done when the worker is loaded, `closed` when it is gone."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[Frame] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._reader = FrameReader()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Asker] = {}
        self._transport: asyncio.Transport | None = None
        self._abandoned_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the worker is still there."""
        return not self.closed.done()

    @property
    def waiting_count(self) -> int:
        """How many calls have no answer yet."""
        return len(self._waiting)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._abandoned_at = 0.0
        try:
            for frame in self._reader.feed(data):
                if frame.kind == HELLO:
                    if not self.hello.done():
                        self.hello.set_result(frame)
                elif (asker := self._waiting.pop(frame.id, None)) is not None:
                    asker.answered(frame)
        except Garbled:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        waiting, self._waiting = self._waiting, {}
        for asker in waiting.values():
            asker.lost()

    @property
    def has_room(self) -> bool:
        """Whether another call may wait here: bounded in calls, and in bytes not yet taken by the worker."""
        if self._transport is None or len(self._waiting) >= MAX_WAITING:
            return False
        return self._transport.get_write_buffer_size() < _MAX_UNSENT

    def ask(self, asker: Asker, kind: int, *, deadline: int, meta: bytes, body: bytes) -> int:
        """Send a call; return its number, with which it can be taken back."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._waiting[number] = asker
        if self._transport is not None:
            self._transport.write(pack(kind, number, number=deadline, meta=meta, body=body))
        return number

    def take_back(self, number: int) -> None:
        """Forget a call: a late answer to it is dropped."""
        self._waiting.pop(number, None)

    def overdue(self, now: float) -> list[Asker]:
        """Take back and return the calls whose time is up."""
        late = [number for number, asker in self._waiting.items() if asker.expires_at <= now]
        if late and not self._abandoned_at:
            self._abandoned_at = now
        return [self._waiting.pop(number) for number in late]

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come since a call was given up; 0 while it answers in time."""
        return now - self._abandoned_at if self._abandoned_at else 0.0

    def send(self, frame: bytes) -> None:
        """Send a control frame."""
        if self._transport is not None:
            self._transport.write(frame)

    def stop(self) -> None:
        """Ask the worker to end."""
        self.send(pack(STOP, 0))

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()
