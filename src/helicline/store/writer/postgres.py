"""The writer for PostgreSQL: units run concurrently on a small pool, bulks in the thread of the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import sqlalchemy as sa

from helicline.clock import Clock
from helicline.errors import Unavailable
from helicline.store.event_tail import notify
from helicline.store.unit import EventHook
from helicline.store.writer.errors import is_conflict
from helicline.store.writer.group import GroupWriter, Listener
from helicline.store.writer.job import Job

POOL_SIZE = 4
MAX_ATTEMPTS = 8
BULK_LOCK_TIMEOUT_MS = 200


class PostgresWriter(GroupWriter):
    """Commits each unit in a transaction of its own, and repeats it after a conflict."""

    def __init__(
        self, engine: sa.Engine, clock: Clock, *, event_hooks: Sequence[EventHook], listeners: Sequence[Listener]
    ) -> None:
        self._pool = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="helicline-unit")
        super().__init__(engine, clock, event_hooks=event_hooks, listeners=listeners)

    def enqueue(self, job: Job) -> None:
        if job.bulk is not None:
            super().enqueue(job)
            return
        try:
            self._pool.submit(self._run_unit, job)
        except RuntimeError:
            raise Unavailable("the store", "it is closing") from None

    def close(self) -> None:
        super().close()
        self._pool.shutdown(wait=True)

    def _run_unit(self, job: Job) -> None:
        if job.starts():
            self._run_alone(job)

    def _run_alone(self, job: Job) -> None:
        def act(connection: sa.Connection) -> None:
            self._apply(connection, job)
            self._notify(connection, [job])

        job.error = self._commit_with_retries(act)
        self._acknowledge([job])

    def _notify(self, connection: sa.Connection, jobs: list[Job]) -> None:
        if any(job.emitted for job in jobs):
            notify(connection)

    def _commit(self, group: list[Job]) -> None:
        """Commit each bulk with all of its items in one transaction, background jobs last."""
        waiting = sorted((job for job in group if job.starts()), key=lambda job: (job.in_background, id(job.bulk)))
        for _, jobs in groupby(waiting, key=lambda job: job.bulk):
            self._commit_bulk(list(jobs))

    def _commit_bulk(self, jobs: list[Job]) -> None:
        bulk = jobs[0].bulk
        assert bulk is not None

        def act(connection: sa.Connection) -> None:
            # the lock on one run must not delay the logging to all other runs
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BULK_LOCK_TIMEOUT_MS}")
            self._apply_bulk(connection, bulk, jobs=jobs)
            self._notify(connection, jobs)

        if self._commit_with_retries(act) is None:
            self._acknowledge(jobs)
            return
        for job in jobs:
            self._pool.submit(self._run_alone, job)

    def _commit_with_retries(self, act: Callable[[sa.Connection], None]) -> BaseException | None:
        """Commit the work of `act`, and repeat it after a conflict; return the error where it fails."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with self._engine.begin() as connection:
                    act(connection)
            except Exception as error:
                if attempt == MAX_ATTEMPTS or not is_conflict(error):
                    return error
            else:
                return None
        return None
