"""Writes that no caller waits for: at most a few queued, and a pause after a failure."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from helicline.errors import Unavailable
from helicline.store.unit import Bulk
from helicline.store.writer.job import Job

log = logging.getLogger("helicline.store")
MAX_QUEUED = 4
PAUSE_S = 60.0


class BackgroundWrites:
    """Queues jobs that only make later reads faster; drops a job while four are queued, or during a pause."""

    def __init__(self, enqueue: Callable[[Job], None]) -> None:
        self._enqueue = enqueue
        self._free_slots = threading.BoundedSemaphore(MAX_QUEUED)
        self._paused_until = 0.0

    def add(self, writes: Iterable[tuple[Bulk, Any]]) -> None:
        """Queue an item for each bulk, until the queue is full."""
        for bulk, item in writes:
            if time.monotonic() < self._paused_until or not self._free_slots.acquire(blocking=False):
                return
            future: Future[Any] = Future()
            future.add_done_callback(self._done)
            job = Job(None, future, actor="system", request_id="", bulk=bulk, item=item)
            job.in_background = True
            try:
                self._enqueue(job)
            except Unavailable as error:  # the store is closing
                future.set_exception(error)

    def _done(self, future: Future[Any]) -> None:
        self._free_slots.release()
        error = future.exception()
        if error is not None and not isinstance(error, Unavailable):
            self._paused_until = time.monotonic() + PAUSE_S
            log.warning("what would make reading faster is not written for %.0f s: %s", PAUSE_S, error)
