"""Jobs of the database writer: a unit of work, the future of its caller, and the queue of waiting jobs."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from helicline.records.event import Event
from helicline.store.unit import Bulk, Tx, Unit

AnyFuture = Future[Any] | asyncio.Future[Any]
_Result = tuple[AnyFuture, Any, BaseException | None]


class Job:
    """A waiting unit of work, or a waiting `item` of a bulk (`unit` then runs the bulk for this item alone).

    A job `in_background` shares no commit with a job that a caller waits for.
    """

    __slots__ = (
        "_unit",
        "actor",
        "bulk",
        "emitted",
        "error",
        "future",
        "in_background",
        "item",
        "request_id",
        "settled",
        "value",
    )

    def __init__(
        self,
        unit: Unit | None,
        future: AnyFuture,
        *,
        actor: str,
        request_id: str,
        bulk: Bulk | None = None,
        item: Any = None,
    ) -> None:
        self._unit = unit
        self.future, self.actor, self.request_id, self.bulk, self.item = future, actor, request_id, bulk, item
        self.in_background = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.emitted: list[Event] = []
        self.settled = False

    def unit(self, tx: Tx) -> Any:
        """Run this job alone, and return its value."""
        if self._unit is not None:
            return self._unit(tx)
        assert self.bulk is not None
        (result,) = self.bulk(tx, [self.item])
        if isinstance(result, BaseException):
            raise result
        return result

    def starts(self) -> bool:
        """Return whether the caller still waits; after this call the job cannot be cancelled."""
        if isinstance(self.future, asyncio.Future):
            return not self.future.cancelled()
        return self.future.set_running_or_notify_cancel()


def settle(jobs: Iterable[Job]) -> None:
    """Set the value or error of each job's future; each event loop is woken once for all its futures."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Result]] = {}
    for job in jobs:
        job.settled = True
        result = (job.future, job.value, job.error)
        if isinstance(job.future, asyncio.Future):
            by_loop.setdefault(job.future.get_loop(), []).append(result)
        else:
            _resolve([result])
    for loop, results in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed, so no caller waits in it
            loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[_Result]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


class Inbox:
    """A queue from many threads to one writer, which sleeps until the expected number of jobs waits."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._wake_at: float = math.inf  # infinite while the writer works: nothing wakes it then
        self._closed = False
        self._lock = threading.Lock()
        self._wakeup = threading.Lock()
        self._wakeup.acquire()

    def put(self, job: Job) -> bool:
        """Return True once the job is in the queue, and False where the queue is closed."""
        with self._lock:
            if self._closed:
                return False
            self._jobs.append(job)
        # the writer sets `_wake_at` before it counts the jobs, so one of the two threads sees that enough jobs wait
        if len(self._jobs) >= self._wake_at:
            self._wake()
        return True

    def close(self) -> None:
        """Accept no more jobs; queued jobs can still be taken."""
        with self._lock:
            self._closed = True
        self._wake()

    def take(self, *, expected_count: int, linger_s: float, limit: int) -> list[Job]:
        """Wait for `expected_count` jobs up to `linger_s`, then for the first; return none when closed and empty."""
        if expected_count > 1:
            self._wait(expected_count, until=time.monotonic() + linger_s)
        self._wait(1, until=math.inf)
        self._wake_at = math.inf
        return [self._jobs.popleft() for _ in range(min(len(self._jobs), limit))]

    def _wait(self, count: int, *, until: float) -> None:
        self._wake_at = count
        while len(self._jobs) < count and not self._closed and (remaining_s := until - time.monotonic()) > 0:
            self._wakeup.acquire(timeout=-1 if remaining_s == math.inf else remaining_s)

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the lock is free already: the writer is awake
            self._wakeup.release()
