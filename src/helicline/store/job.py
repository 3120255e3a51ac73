"""What waits to be written: a unit of work, who waits for it, and how they are told what became of it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helicline.records.event import Event
    from helicline.store.unit import Tx

# takes the items that wait together; returns for each what its writer gets: a value, or the error that refuses it
Bulk = Callable[["Tx", Sequence[Any]], Sequence[Any]]
Unit = Callable[["Tx"], Any]
_Told = tuple["Future[Any] | asyncio.Future[Any]", Any, "BaseException | None"]


class Job:
    """A unit that waits, or the `item` of a bulk that does (then `unit` does that item alone).

    What may be done `later` shares no commit with what somebody waits for.
    """

    __slots__ = ("_unit", "actor", "bulk", "emitted", "error", "future", "item", "later", "request_id", "told", "value")

    def __init__(
        self,
        unit: Unit | None,
        future: Future[Any] | asyncio.Future[Any],
        *,
        actor: str,
        request_id: str,
        bulk: Bulk | None = None,
        item: Any = None,
    ) -> None:
        self._unit = unit
        self.future, self.actor, self.request_id, self.bulk, self.item = future, actor, request_id, bulk, item
        self.later = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.emitted: list[Event] = []
        self.told = False

    def unit(self, tx: Tx) -> Any:
        """Do this job, and nothing else."""
        if self._unit is not None:
            return self._unit(tx)
        assert self.bulk is not None
        (outcome,) = self.bulk(tx, [self.item])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def starts(self) -> bool:
        """Return whether whoever asked still waits; from now on it is done."""
        if isinstance(self.future, asyncio.Future):
            return not self.future.cancelled()
        return self.future.set_running_or_notify_cancel()


def settle(jobs: Iterable[Job]) -> None:
    """Tell all who wait what became of their units; an event loop is woken once, however many wait in it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Told]] = {}
    for job in jobs:
        job.told = True
        told = (job.future, job.value, job.error)
        if isinstance(job.future, asyncio.Future):
            by_loop.setdefault(job.future.get_loop(), []).append(told)
        else:
            _deliver([told])
    for loop, waiting in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, and nobody waits there any more
            loop.call_soon_threadsafe(_deliver, waiting)


def _deliver(told: list[_Told]) -> None:
    for future, value, error in told:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


class Inbox:
    """Jobs of many threads for one writer, which is woken when as many are there as it wants."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._wanted: float = math.inf  # no bell while the writer is at work
        self._closed = False
        self._door = threading.Lock()
        self._bell = threading.Lock()
        self._bell.acquire()

    def put(self, job: Job) -> bool:
        """Return whether the job was let in: whatever is will be taken."""
        with self._door:
            if self._closed:
                return False
            self._jobs.append(job)
        # the writer says what it wants before it counts: one of the two sees that it is there
        if len(self._jobs) >= self._wanted:
            self._ring()
        return True

    def close(self) -> None:
        """End the waiting; what is there can still be taken."""
        with self._door:
            self._closed = True
        self._ring()

    def take(self, *, hoped: int, patience_s: float, most: int) -> list[Job]:
        """Wait a little for as many as are hoped for, and then for the first; none come once it is closed."""
        if hoped > 1:
            self._wait(hoped, time.monotonic() + patience_s)
        self._wait(1, math.inf)
        self._wanted = math.inf
        return [self._jobs.popleft() for _ in range(min(len(self._jobs), most))]

    def _wait(self, count: int, until: float) -> None:
        self._wanted = count
        while len(self._jobs) < count and not self._closed and (left := until - time.monotonic()) > 0:
            self._bell.acquire(timeout=-1 if left == math.inf else left)

    def _ring(self) -> None:
        with suppress(RuntimeError):  # it rings already
            self._bell.release()
