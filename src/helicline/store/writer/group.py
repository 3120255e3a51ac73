"""`GroupWriter`, the common part of both writers: a queue, a thread that commits waiting jobs, and acknowledgement."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from helicline.clock import Clock
from helicline.errors import Bug, HeliclineError, Unavailable
from helicline.records.event import Event
from helicline.store.unit import Bulk, EventHook, Tx
from helicline.store.writer.errors import translated
from helicline.store.writer.job import Inbox, Job, settle

log = logging.getLogger("helicline.store")
MAX_GROUP = 512
MAX_LINGER_S = 0.002
Listener = Callable[[list[Event]], None]


class GroupWriter(ABC):
    """Commits queued jobs in groups, in a thread of its own: one fsync serves many units (note 0001).

    A job is acknowledged after its commit; then the listeners are called with its events.
    """

    def __init__(
        self, engine: sa.Engine, clock: Clock, *, event_hooks: Sequence[EventHook], listeners: Sequence[Listener]
    ) -> None:
        self._engine, self._clock = engine, clock
        self._event_hooks, self.listeners = event_hooks, listeners
        self._inbox = Inbox()
        self._thread = threading.Thread(target=self._write_loop, name="helicline-writer", daemon=True)
        self._thread.start()

    def enqueue(self, job: Job) -> None:
        """Queue a job. Raises Unavailable once the writer is closed."""
        if not self._inbox.put(job):
            raise Unavailable("the store", "it is closing")

    def close(self) -> None:
        """Return when all queued jobs are committed."""
        self._inbox.close()
        self._thread.join(timeout=30)

    @abstractmethod
    def _commit(self, group: list[Job]) -> None:
        """Commit and acknowledge the jobs; an error raised here fails those not yet acknowledged."""

    def _write_loop(self) -> None:
        # callers that were just answered write again soon: waiting for them costs less than the commits that it saves
        sizes, commit_s = (1, 1), 0.0
        while group := self._inbox.take(
            expected_count=max(sizes), linger_s=min(2 * commit_s, MAX_LINGER_S), limit=MAX_GROUP
        ):
            began = time.monotonic()
            try:
                self._commit(group)
            except Exception as error:  # no connection: these callers get the error, and the next group tries again
                log.error("no write is possible: %s", error)
                _fail(group, error)
            sizes, commit_s = (sizes[1], len(group)), time.monotonic() - began

    def _apply(self, connection: sa.Connection, job: Job) -> None:
        """Run one unit in the open transaction."""
        tx = self._tx(connection, job)
        job.error, job.value = None, job.unit(tx)
        job.emitted = tx.emitted

    def _apply_bulk(self, connection: sa.Connection, bulk: Bulk, *, jobs: list[Job]) -> None:
        """Run a bulk once for the items of all jobs, in the open transaction."""
        tx = self._tx(connection, jobs[0])
        results = bulk(tx, [job.item for job in jobs])
        for job, result in zip(jobs, results, strict=True):
            job.error = result if isinstance(result, BaseException) else None
            job.value = result
        accepted = [job for job in jobs if job.error is None]
        if accepted:
            accepted[0].emitted = tx.emitted

    def _tx(self, connection: sa.Connection, job: Job) -> Tx:
        return Tx(
            connection,
            self._clock.now(),
            actor=job.actor,
            request_id=job.request_id,
            event_hooks=self._event_hooks,
        )

    def _acknowledge(self, jobs: list[Job]) -> None:
        """Resolve the futures of jobs that are committed or have failed, then call the listeners."""
        for job in jobs:
            job.error = job.error and translated(job.error)
            if isinstance(job.error, HeliclineError) and not isinstance(job.error, Bug):
                # the frames of its traceback refer to the written data, and that refers to the error: only the garbage
                # collector could free such a cycle
                job.error.__traceback__ = job.error.__context__ = job.error.__cause__ = None
        settle(jobs)
        events = [event for job in jobs if job.error is None for event in job.emitted]
        if events:
            for listener in self.listeners:
                try:
                    listener(events)
                except Exception:  # the commit stands, and the writer continues
                    log.exception("a listener failed")


def _fail(group: list[Job], error: Exception) -> None:
    unsettled = [job for job in group if not job.settled]
    for job in unsettled:
        job.error = translated(error)
    settle(unsettled)
