"""The newest committed events, for long polls and the live stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from helicline.records.event import Event

MAX_EVENTS = 2000


class Feed:
    """The newest events in memory, and a way to wait for the next one. The store's writer thread fills it."""

    def __init__(self) -> None:
        self.seq = 0
        self.closed = False
        self._recent: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._waiting: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def publish(self, events: Sequence[Event]) -> None:
        """Add committed events; safe to call from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, list(events))

    def _add(self, events: list[Event]) -> None:
        self._recent.extend(events)
        self.seq = max([self.seq, *(event.seq for event in events)])
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """End every wait."""
        self.closed = True
        self._add([])

    def after(self, seq: int, nouns: Sequence[str] = ()) -> list[Event]:
        return [event for event in self._recent if event.seq > seq and (not nouns or event.noun in nouns)]

    async def wait(self, seq: int, timeout_s: float, *, nouns: Sequence[str] = ()) -> bool:
        """Return True once an event after `seq` (of those nouns) is committed, False at the timeout."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not self.after(seq, nouns):
            remaining_s = end - loop.time()
            if remaining_s <= 0 or self.closed:
                return False
            waiter = loop.create_future()
            self._waiting.add(waiter)
            try:
                await asyncio.wait_for(waiter, remaining_s)
            except TimeoutError:
                return False
            finally:
                self._waiting.discard(waiter)
        return True
