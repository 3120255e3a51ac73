"""The front's end of the socket to one worker process: calls are sent, and each answer goes to its call."""

from __future__ import annotations

import asyncio
import itertools
from typing import Protocol, cast

from helicline.gateway.worker.frames import HELLO, STOP, Frame, FrameReader, ProtocolError, pack

MAX_WAITING = 1024
_MAX_UNSENT_BYTES = 64 * 1024 * 1024


class PendingCall(Protocol):
    """A call that was sent to a worker. Exactly one of `answered`, `worker_lost` and `expired` is called for it."""

    expires_at: float

    def answered(self, frame: Frame) -> None:
        """Handle the worker's answer."""
        ...

    def worker_lost(self) -> None:
        """Handle that the worker ended before it answered."""
        ...

    def expired(self) -> None:
        """Handle that the call's time is up."""
        ...

    def send(self) -> None:
        """Send the call again: the worker it was held for is ready, or will not be."""
        ...


class WorkerConnection(asyncio.Protocol):
    """One connection; `hello` resolves when the worker is loaded, `closed` when the connection is closed."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[Frame] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._reader = FrameReader()
        self._numbers = itertools.count(1)
        self._pending: dict[int, PendingCall] = {}
        self._transport: asyncio.Transport | None = None
        self._unresponsive_since = 0.0

    @property
    def is_open(self) -> bool:
        return not self.closed.done()

    @property
    def pending_count(self) -> int:
        """How many calls have no answer yet."""
        return len(self._pending)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._unresponsive_since = 0.0
        try:
            for frame in self._reader.feed(data):
                if frame.kind == HELLO:
                    if not self.hello.done():
                        self.hello.set_result(frame)
                elif (call := self._pending.pop(frame.id, None)) is not None:
                    call.answered(frame)
        except ProtocolError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        pending, self._pending = self._pending, {}
        for call in pending.values():
            call.worker_lost()

    @property
    def has_room(self) -> bool:
        """Whether another call may be sent: calls without an answer and bytes not yet sent are both limited."""
        if self._transport is None or len(self._pending) >= MAX_WAITING:
            return False
        return self._transport.get_write_buffer_size() < _MAX_UNSENT_BYTES

    def send_call(self, call: PendingCall, kind: int, *, deadline: int, meta: bytes, body: bytes) -> None:
        """Send a call; its answer goes to `call`."""
        number = next(self._numbers) & 0xFFFFFFFF
        self._pending[number] = call
        if self._transport is not None:
            self._transport.write(pack(kind, number, number=deadline, meta=meta, body=body))

    def pop_expired(self, now: float) -> list[PendingCall]:
        """Return the calls whose time is up; a late answer to them is dropped."""
        numbers = [number for number, call in self._pending.items() if call.expires_at <= now]
        if numbers and not self._unresponsive_since:
            self._unresponsive_since = now
        return [self._pending.pop(number) for number in numbers]

    def unresponsive_s(self, now: float) -> float:
        """Return for how long nothing has come since a call expired; 0 while no call has."""
        return now - self._unresponsive_since if self._unresponsive_since else 0.0

    def send(self, frame: bytes) -> None:
        """Send a control frame."""
        if self._transport is not None:
            self._transport.write(frame)

    def stop(self) -> None:
        """Tell the worker to end."""
        self.send(pack(STOP, 0))

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
