"""Calls that wait for a worker, the earliest deadline first, and how long the worker takes for one."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import NamedTuple, Protocol

from helicline.gateway.fleet.worker_connection import PendingCall

MAX_WAITING = 1024
_WEIGHT = 0.2


class QueuedCall(PendingCall, Protocol):
    """A call that may wait before it is sent."""

    def send(self) -> None:
        """Send the call again: no worker will come for it here."""
        ...

    def too_late(self) -> None:
        """Handle that the worker would come to this call only after its time."""
        ...


class _Entry(NamedTuple):
    expires_at: float
    number: int
    call: QueuedCall


class CallQueue:
    """Calls in the order of their deadlines; those of equal deadline in the order in which they came."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, call: QueuedCall) -> None:
        """Add a call behind all whose time is up earlier."""
        self._count += 1
        insort(self._entries, _Entry(call.expires_at, self._count, call))

    def pop(self) -> QueuedCall:
        """Return the call with the earliest deadline."""
        return self._entries.pop(0).call

    def ahead_of(self, deadline: float) -> int:
        """Return how many calls are answered before one with this deadline that is added now."""
        return bisect_right(self._entries, deadline, key=lambda entry: entry.expires_at)

    def discard(self, call: QueuedCall) -> bool:
        """Remove a call; return whether it was here."""
        for index, entry in enumerate(self._entries):
            if entry.call is call:
                del self._entries[index]
                return True
        return False

    def pop_expired(self, now: float) -> list[QueuedCall]:
        """Return the calls whose time is up."""
        count = self.ahead_of(now)
        expired, self._entries = self._entries[:count], self._entries[count:]
        return [entry.call for entry in expired]

    def pop_all(self) -> list[QueuedCall]:
        """Return every call, in order."""
        entries, self._entries = self._entries, []
        return [entry.call for entry in entries]


class ServiceTime:
    """A moving mean of what the worker needs for a call (for a batch, where calls are joined); 0 before the first."""

    def __init__(self) -> None:
        self.mean_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one measurement."""
        self.mean_s = seconds if not self.mean_s else self.mean_s + _WEIGHT * (seconds - self.mean_s)
