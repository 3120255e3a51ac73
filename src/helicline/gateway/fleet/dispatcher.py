"""Calls of one revision on their way to its worker: the earliest deadline first, and none that cannot be in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

from helicline.gateway.fleet.call_queue import MAX_WAITING, CallQueue, QueuedCall, ServiceTime
from helicline.gateway.fleet.worker_connection import PendingCall, WorkerConnection
from helicline.gateway.worker.frames import MAX_CALLS

_JOINED_WINDOW = 2 * MAX_CALLS
_MAX_WINDOW, _WINDOW_S = 16, 0.02
_HANG_FACTOR = 10
_MAX_RETRY_S = 60.0
NotTaken = Literal["full", "late", "down"]


class Dispatcher:
    """Holds the calls that wait, and gives the worker few enough that each of them is answered when it is ready.

    A worker that joins calls gets two batches; another gets what it does in 20 ms, one call at least. Calls that
    a worker ended or hung with are sent one at a time, so that the next end of a worker tells which of them causes it.
    """

    def __init__(self, *, hang_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._hang_s, self._clock = hang_s, clock
        self._fresh, self._suspects = CallQueue(), CallQueue()
        self._service_time = ServiceTime()
        self._connection: WorkerConnection | None = None
        self._batchable = False
        self._suspect_number = 0

    @property
    def connection(self) -> WorkerConnection | None:
        """The connection to the worker, None while no worker can answer."""
        return self._connection if self._connection is not None and self._connection.is_open else None

    @property
    def waiting_count(self) -> int:
        """How many calls wait to be sent."""
        return len(self._fresh) + len(self._suspects)

    def attach(self, connection: WorkerConnection, *, batchable: bool) -> None:
        """Send what waits, and what comes, to this worker."""
        self._connection, self._batchable, self._suspect_number = connection, batchable, 0
        connection.on_answers = self._answers_came
        self._send_waiting(connection)

    def detach(self) -> None:
        """Send nothing more until another worker is attached."""
        self._connection = None

    def submit(self, call: QueuedCall) -> NotTaken | None:
        """Take a call, to be sent now or when the worker is ready; else return why not."""
        connection = self.connection
        if self.waiting_count >= MAX_WAITING:
            return "full"
        if call.suspect:
            self._suspects.add(call)
        elif connection is not None and not self._fresh and self._has_window(connection):
            call.send_over(connection)
            return None
        elif connection is not None and self.wait_s(call.expires_at) > call.expires_at - self._clock():
            return "late"
        else:
            self._fresh.add(call)
        if connection is not None:
            self._send_waiting(connection)
        return None

    def wait_s(self, deadline: float = math.inf) -> float:
        """Return the seconds until the answer to a call with this deadline that is added now."""
        connection, mean_s = self.connection, self._service_time.mean_s
        in_flight_count = connection.in_flight_count if connection is not None else 0
        ahead = self._fresh.ahead_of(deadline) + in_flight_count
        turns = ahead // MAX_CALLS + 1 if self._batchable else ahead + 1
        done_s = min(mean_s, connection.silent_s(self._clock())) if connection is not None else 0.0
        return turns * mean_s - done_s

    def retry_after_s(self) -> int:
        """Return after how many whole seconds a call that was not taken may be tried again."""
        return max(1, math.ceil(min(self.wait_s(), _MAX_RETRY_S)))

    def discard(self, call: QueuedCall) -> bool:
        """Forget a call that waits; return whether it did."""
        return self._fresh.discard(call) or self._suspects.discard(call)

    def expire(self, now: float) -> None:
        """End the calls whose time is up."""
        expired: list[PendingCall] = [*self._fresh.pop_expired(now), *self._suspects.pop_expired(now)]
        connection = self.connection
        if connection is not None:
            expired += connection.pop_expired(now)
        for call in expired:
            call.expired()

    def send_elsewhere(self) -> None:
        """Have the waiting calls find another way: no worker is coming for them."""
        for call in [*self._fresh.pop_all(), *self._suspects.pop_all()]:
            call.send()

    def is_hung(self, now: float) -> bool:
        """Return whether the worker has been silent too long while calls wait, or for a caller that has left."""
        connection = self.connection
        if connection is None or connection.silent_s(now) <= max(
            self._hang_s, _HANG_FACTOR * self._service_time.mean_s
        ):
            return False
        return bool(self.waiting_count) or connection.in_flight_count > 1 or not connection.pending_count

    def set_aside(self) -> None:
        """Detach a worker that hangs. The call that it hangs with stays with it; the others are sent again, once.

        Where calls are joined, nobody knows which of them it is: all are sent again, one at a time.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        culprit = connection.oldest if not self._batchable or connection.in_flight_count == 1 else None
        for call in connection.pop_pending(lambda call: call is not culprit and not call.suspect):
            call.worker_lost("hang")

    def _has_window(self, connection: WorkerConnection) -> bool:
        if not connection.has_room:
            return False
        if self._batchable:
            return connection.in_flight_count < _JOINED_WINDOW
        mean_s = self._service_time.mean_s
        window = min(_MAX_WINDOW, int(_WINDOW_S / mean_s)) if mean_s else 1
        return connection.in_flight_count < max(window, 1)

    def _send_waiting(self, connection: WorkerConnection) -> None:
        if self._suspects and not connection.awaits(self._suspect_number):
            self._suspect_number = self._suspects.pop().send_over(connection)
        while self._fresh and self._has_window(connection):
            call = self._fresh.pop()
            if self._fresh and call.expires_at - self._clock() < self._service_time.mean_s:
                call.too_late()
            else:
                call.send_over(connection)

    def _answers_came(self, busy_s: float, answer_count: int) -> None:
        self._service_time.observe(busy_s if self._batchable else busy_s / answer_count)
        if (connection := self.connection) is not None:
            self._send_waiting(connection)
