"""Writes that no caller waits for: few at a time, and none for a while after a failure."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from helicline.errors import Unavailable
from helicline.store.job import Job
from helicline.store.unit import Bulk

log = logging.getLogger("helicline.store")
MAX_QUEUED = 4
PAUSE_S = 60.0


class BackgroundWrites:
    """Queues jobs that only make later reads faster; a job is dropped while four wait, or after a failure."""

    def __init__(self, enqueue: Callable[[Job], None]) -> None:
        self._enqueue = enqueue
        self._free_places = threading.BoundedSemaphore(MAX_QUEUED)
        self._paused_until = 0.0

    def add(self, writes: Iterable[tuple[Bulk, Any]]) -> None:
        """Queue an item for each bulk, as far as there are free places."""
        for bulk, item in writes:
            if time.monotonic() < self._paused_until or not self._free_places.acquire(blocking=False):
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
        self._free_places.release()
        error = future.exception()
        if error is not None and not isinstance(error, Unavailable):
            self._paused_until = time.monotonic() + PAUSE_S
            log.warning("what would make reading faster is not written for %.0f s: %s", PAUSE_S, error)
