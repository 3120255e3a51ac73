"""What readers hand to the writer though nobody waits for it: few at a time, and none for a while after a failure."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from helicline.errors import Unavailable
from helicline.store.job import Bulk, Job

log = logging.getLogger("helicline.store")
AT_ONCE = 4
REST_S = 60.0


class Later:
    """Queues jobs that may as well not be done."""

    def __init__(self, enqueue: Callable[[Job], None]) -> None:
        self._enqueue = enqueue
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._rests_until = 0.0

    def add(self, wanted: Iterable[tuple[Bulk, Any]]) -> None:
        for bulk, item in wanted:
            if time.monotonic() < self._rests_until or not self._free.acquire(blocking=False):
                return
            future: Future[Any] = Future()
            future.add_done_callback(self._done)
            job = Job(None, future, actor="system", request_id="", bulk=bulk, item=item)
            job.later = True
            try:
                self._enqueue(job)
            except Unavailable as error:  # the store is closing
                future.set_exception(error)

    def _done(self, future: Future[Any]) -> None:
        self._free.release()
        error = future.exception()
        if error is not None and not isinstance(error, Unavailable):
            self._rests_until = time.monotonic() + REST_S
            log.warning("what would make reading faster is not written for %.0f s: %s", REST_S, error)
