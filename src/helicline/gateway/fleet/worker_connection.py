"""The front's end of the socket to one worker process: calls are sent, and each answer goes to its call."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Literal, Protocol, cast

from helicline.gateway.worker.frames import HELLO, STOP, Frame, FrameReader, ProtocolError, pack

_MAX_UNSENT_BYTES = 64 * 1024 * 1024
Loss = Literal["crash", "hang"]


class PendingCall(Protocol):
    """A call that was sent to a worker. Exactly one of `answered`, `worker_lost` and `expired` is called for it.

    `suspect` tells that an earlier worker ended or hung while it had this call.
    """

    expires_at: float
    suspect: bool

    def send_over(self, connection: WorkerConnection) -> int:
        """Write the call to a worker; return the number that the connection gave it."""
        ...

    def answered(self, frame: Frame) -> None:
        """Handle the worker's answer."""
        ...

    def worker_lost(self, loss: Loss) -> None:
        """Handle that the worker ended or hung before it answered."""
        ...

    def expired(self) -> None:
        """Handle that the call's time is up."""
        ...


class WorkerConnection(asyncio.Protocol):
    """One connection; `hello` resolves when the worker is loaded, `closed` when the connection is closed.

    `on_answers` is called after each read that held answers, with the seconds that the worker was busy with them and
    with their number.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[Frame] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.on_answers: Callable[[float, int], None] | None = None
        self._reader = FrameReader()
        self._numbers = itertools.count(1)
        self._pending: dict[int, PendingCall] = {}
        self._expired: set[int] = set()
        self._transport: asyncio.Transport | None = None
        self._busy_since = 0.0

    @property
    def is_open(self) -> bool:
        return not self.closed.done()

    @property
    def pending_count(self) -> int:
        """How many calls have a caller that still waits."""
        return len(self._pending)

    @property
    def in_flight_count(self) -> int:
        """How many calls the worker has not answered yet, with or without a caller that still waits."""
        return len(self._pending) + len(self._expired)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer_count, now = 0, self._clock()
        busy_s = now - self._busy_since
        try:
            for frame in self._reader.feed(data):
                if frame.kind == HELLO:
                    if not self.hello.done():
                        self.hello.set_result(frame)
                    continue
                answer_count += 1
                if (call := self._pending.pop(frame.id, None)) is not None:
                    call.answered(frame)
                else:
                    self._expired.discard(frame.id)
        except ProtocolError:
            self.abort()
        self._busy_since = now
        if answer_count and self.on_answers is not None:
            self.on_answers(busy_s, answer_count)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        for call in self.pop_pending():
            call.worker_lost("crash")

    def pop_pending(self, movable: Callable[[PendingCall], bool] | None = None) -> list[PendingCall]:
        """Return the calls without an answer (those that are movable); an answer that still comes is dropped."""
        numbers = [number for number, call in self._pending.items() if movable is None or movable(call)]
        self._expired.update(numbers)
        return [self._pending.pop(number) for number in numbers]

    @property
    def has_room(self) -> bool:
        """Whether the worker reads what is sent."""
        return self._transport is not None and self._transport.get_write_buffer_size() < _MAX_UNSENT_BYTES

    def send_call(self, call: PendingCall, kind: int, *, deadline: int, meta: bytes, body: bytes) -> int:
        """Send a call, whose answer goes to `call`; return its number."""
        if not self.in_flight_count:
            self._busy_since = self._clock()
        number = next(self._numbers) & 0xFFFFFFFF
        self._pending[number] = call
        if self._transport is not None:
            self._transport.write(pack(kind, number, number=deadline, meta=meta, body=body))
        return number

    def awaits(self, number: int) -> bool:
        """Return whether the worker has not answered the call of this number yet."""
        return number in self._pending or number in self._expired

    @property
    def oldest(self) -> PendingCall | None:
        """The call that the worker got first of those without an answer; None where its caller has left."""
        number = next(iter(self._pending), 0)
        return self._pending[number] if number and all(number < other for other in self._expired) else None

    def pop_expired(self, now: float) -> list[PendingCall]:
        """Return the calls whose time is up; a late answer to them is dropped."""
        numbers = [number for number, call in self._pending.items() if call.expires_at <= now]
        self._expired.update(numbers)
        return [self._pending.pop(number) for number in numbers]

    def silent_s(self, now: float) -> float:
        """Return for how long the worker has been busy without an answer."""
        return now - self._busy_since if self.in_flight_count else 0.0

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
