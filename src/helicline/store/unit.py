"""Units of work: all writes of a unit are committed together, and acknowledged only after the commit.

On SQLite one writer thread drains the queue and commits everything that waits in one transaction, each unit under
its own savepoint (group commit: one fsync serves many units). On PostgreSQL the same functions run on a small pool.
Items of one kind that wait side by side can be handed to one function together (`gather`): a bulk.
See docs/decisions/0001-single-writer-group-commit.md and 0010-metric-storage.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa

from helicline.clock import Clock, SystemClock
from helicline.errors import Bug, HeliclineError, Invalid, StorageFull, Unavailable
from helicline.records.event import Event
from helicline.store.engine import abandon, begin_write, commit_write, driver_of, engine_of, run_text
from helicline.store.job import Bulk, Inbox, Job, settle
from helicline.store.later import Later

log = logging.getLogger("helicline.store")
T = TypeVar("T")
GROUP = 512
LINGER_S = 0.002
BULK_WAITS_MS = 200
PG_WRITERS = 4
PG_TRIES = 8
# a deadlock, a serialization failure, or a row that another unit inserted first: the next try sees that row
AGAIN = ("40001", "40P01", "23505")


class Reader:
    """A consistent view of the database: what `store.read` hands to its function.

    `afterwards` gathers bulks, each with an item, that the writer may do when the view is done; nobody waits for them.
    """

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self.connection, self.now = connection, now
        self.afterwards: list[tuple[Bulk, Any]] = []

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, rows)

    def run_text(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Run SQL by the driver itself, and return its rows: only for the hottest statements that there are."""
        return run_text(self.connection, sql, values)

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def mark(self) -> str:
        """What stands for a value in the text that `run_text` takes."""
        return "%s" if self.is_postgres else "?"


class Tx(Reader):
    """A unit of work in progress. `actor` is who asked for it; `emitted` gathers its events.

    `witnesses` see each event within the unit, as things stand at that moment, and what they write commits with it.
    """

    def __init__(
        self, connection: sa.Connection, now: datetime, actor: str, request_id: str, witnesses: Sequence[Witness] = ()
    ) -> None:
        super().__init__(connection, now)
        self.actor, self.request_id, self.witnesses = actor, request_id, witnesses
        self.emitted: list[Event] = []


Witness = Callable[[Tx, Event], None]


class Store:
    """The database of one home. Open it once a process; `close` waits for the writes under way."""

    pragmas: tuple[str, ...] = (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "busy_timeout=30000",
        "cache_size=-32000",
        "case_sensitive_like=ON",
    )

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.url, self.clock = url, clock or SystemClock()
        self.engine = engine_of(url, self.pragmas)
        # what a view reads first and last must fit together: points that move from a tail to a block, for one
        self._snapshots = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self.listeners: list[Callable[[list[Event]], None]] = []
        self.witnesses: list[Witness] = []
        self._connection: sa.Connection | None = None  # the writer's, on SQLite
        self._inbox, self._later = Inbox(), Later(self.enqueue)
        self._pool = None if self.is_sqlite else ThreadPoolExecutor(PG_WRITERS, thread_name_prefix="helicline-unit")
        commit = self._commit_all if self.is_sqlite else self._commit_bulks
        self._writer = threading.Thread(target=self._write_loop, args=(commit,), name="helicline-writer", daemon=True)
        self._writer.start()

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    def submit(self, unit: Callable[[Tx], T], *, actor: str = "system", request_id: str = "") -> Future[T]:
        """Queue a unit; the future resolves after its commit, or with the error that rolled it back."""
        future: Future[T] = Future()
        self.enqueue(Job(unit, future, actor=actor, request_id=request_id))
        return future

    def gather(self, bulk: Bulk, item: Any, *, actor: str = "system", request_id: str = "") -> Future[Any]:
        """Queue an item for `bulk`, which is handed all items that wait side by side in one call.

        It must give each item its outcome, in order, and write nothing for one that it refuses. The future resolves
        as that of `submit` does.
        """
        future: Future[Any] = Future()
        self.enqueue(Job(None, future, actor=actor, request_id=request_id, bulk=bulk, item=item))
        return future

    def enqueue(self, job: Job) -> None:
        """Queue what `submit` and `gather` queue; the job's future may be one of an event loop."""
        if self._pool is None or job.bulk is not None:
            if not self._inbox.put(job):
                raise Unavailable("the store", "it is closing")
            return
        try:
            self._pool.submit(self._run_unit, job)
        except RuntimeError:
            raise Unavailable("the store", "it is closing") from None

    def write(self, unit: Callable[[Tx], T], *, actor: str = "system", request_id: str = "") -> T:
        """Run a unit and return its value once it is durable."""
        return self.submit(unit, actor=actor, request_id=request_id).result()

    def read(self, view: Callable[[Reader], T]) -> T:
        """Run `view` on a snapshot of what is committed."""
        try:
            with self._snapshots.connect() as connection, connection.begin():
                reader = Reader(connection, self.clock.now())
                found = view(reader)
        except (sa.exc.DBAPIError, OverflowError, UnicodeEncodeError) as error:
            raise _translated(error) from error
        self._later.add(reader.afterwards)
        return found

    def close(self) -> None:
        self._inbox.close()
        self._writer.join(timeout=30)
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self.engine.dispose()

    def _write_loop(self, commit: Callable[[list[Job]], None]) -> None:
        # who was answered writes again soon: to wait for them costs no more than the commits that it saves
        sizes, took_s = (1, 1), 0.0
        while group := self._inbox.take(hoped=max(sizes), patience_s=min(2 * took_s, LINGER_S), most=GROUP):
            began = time.monotonic()
            try:
                commit(group)
            except Exception as error:  # no connection: those who wait are told, and the next group tries again
                log.error("no write is possible: %s", error)
                _fail_waiting(group, error)
            sizes, took_s = (sizes[1], len(group)), time.monotonic() - began
        if self._connection is not None:
            self._connection.close()

    def _commit_all(self, group: list[Job]) -> None:
        self._connection = self._connection or self.engine.connect().execution_options(writes=True)
        self._commit_group(self._connection, [job for job in group if not job.later])
        self._commit_group(self._connection, [job for job in group if job.later])

    def _commit_group(self, connection: sa.Connection, waiting: list[Job]) -> None:
        """Run every unit, commit once, then acknowledge: never before the commit."""
        group = [job for job in waiting if job.starts()]
        if group and not self._commit_at_once(connection, group):
            self._commit_by_savepoints(connection, group)
        self._acknowledge(group)

    def _commit_at_once(self, connection: sa.Connection, group: list[Job]) -> bool:
        """Commit one unit, or one bulk; False where it is something else, or some of it may have to go alone."""
        bulk = group[0].bulk
        if len(group) > 1 and (bulk is None or any(job.bulk is not bulk for job in group)):
            return False
        begin_write(connection)  # where none can begin nothing else need be tried
        try:
            if bulk is None:
                self._apply(connection, group[0])
            else:
                self._apply_bulk(connection, bulk, group)
            commit_write(connection)
        except Exception as error:
            abandon(connection)
            if len(group) > 1:
                return False
            group[0].error = error
        return True

    def _commit_by_savepoints(self, connection: sa.Connection, group: list[Job]) -> None:
        """Commit together what can be, each unit under its own savepoint."""
        try:
            with connection.begin():
                for bulk, jobs in groupby(group, key=lambda job: job.bulk):
                    self._apply_side_by_side(connection, bulk, list(jobs))
        except Exception as error:
            log.error("commit failed: %s", error)
            for job in group:
                job.error = error
            abandon(connection)

    def _apply_side_by_side(self, connection: sa.Connection, bulk: Bulk | None, jobs: list[Job]) -> None:
        if bulk is not None and len(jobs) > 1:
            try:
                with connection.begin_nested():
                    self._apply_bulk(connection, bulk, jobs)
            except Exception as error:
                _still_in_transaction(connection, error)
            else:
                return
        for job in jobs:
            try:
                with connection.begin_nested():
                    self._apply(connection, job)
            except Exception as error:
                job.error = error
                _still_in_transaction(connection, error)

    def _apply_bulk(self, connection: sa.Connection, bulk: Bulk, jobs: list[Job]) -> None:
        tx = Tx(connection, self.clock.now(), jobs[0].actor, jobs[0].request_id, self.witnesses)
        outcomes = bulk(tx, [job.item for job in jobs])
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.error = outcome if isinstance(outcome, BaseException) else None
            job.value = outcome
        accepted = [job for job in jobs if job.error is None]
        if accepted:
            accepted[0].emitted = tx.emitted

    def _apply(self, connection: sa.Connection, job: Job) -> None:
        tx = Tx(connection, self.clock.now(), job.actor, job.request_id, self.witnesses)
        job.error, job.value = None, job.unit(tx)
        job.emitted = tx.emitted

    def _acknowledge(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.error = job.error and _translated(job.error)
            if isinstance(job.error, HeliclineError) and not isinstance(job.error, Bug):
                # its frames hold what was to be written, and that holds it: nothing but a collection would free them
                job.error.__traceback__ = job.error.__context__ = job.error.__cause__ = None
        settle(jobs)
        events = [event for job in jobs if job.error is None for event in job.emitted]
        if events:
            for listener in self.listeners:
                try:
                    listener(events)
                except Exception:  # what was committed stays committed, and the writer goes on
                    log.exception("a listener failed")

    def _run_unit(self, job: Job) -> None:
        """Do one unit on PostgreSQL, where units run side by side."""
        if job.starts():
            self._run_alone(job)

    def _run_alone(self, job: Job) -> None:
        job.error = self._tried(lambda connection: self._apply(connection, job))
        self._acknowledge([job])

    def _commit_bulks(self, group: list[Job]) -> None:
        """Do the bulks on PostgreSQL: each what waits for it, in one transaction."""
        waiting = sorted((job for job in group if job.starts()), key=lambda job: (job.later, id(job.bulk)))
        for _, side_by_side in groupby(waiting, key=lambda job: job.bulk):
            self._commit_bulk(list(side_by_side))

    def _commit_bulk(self, jobs: list[Job]) -> None:
        bulk = jobs[0].bulk
        assert bulk is not None
        assert self._pool is not None

        def act(connection: sa.Connection) -> None:
            # one run that somebody else holds must not stop what is logged to all the others
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BULK_WAITS_MS}")
            self._apply_bulk(connection, bulk, jobs)

        if self._tried(act) is None:
            self._acknowledge(jobs)
            return
        for job in jobs:
            self._pool.submit(self._run_alone, job)

    def _tried(self, act: Callable[[sa.Connection], None]) -> BaseException | None:
        """Commit what `act` does, again where another unit was in the way; return what went wrong."""
        for attempt in range(1, PG_TRIES + 1):
            try:
                with self.engine.begin() as connection:
                    act(connection)
            except Exception as error:
                if attempt == PG_TRIES or not _met_another(error):
                    return error
            else:
                return None
        return None


def _still_in_transaction(connection: sa.Connection, error: Exception) -> None:
    """SQLite may roll the whole group back by itself (a full disk does that); then none of it can go on."""
    if not driver_of(connection).in_transaction:
        raise _first(error)


def _first(error: Exception) -> Exception:
    """Return what went wrong first: that the savepoint was gone as well tells nobody anything."""
    earlier: BaseException | None = error
    while earlier is not None:
        if isinstance(earlier, sa.exc.DBAPIError):
            error = earlier
        earlier = earlier.__context__
    return error


def _fail_waiting(group: list[Job], error: Exception) -> None:
    waiting = [job for job in group if not job.told]
    for job in waiting:
        job.error = _translated(error)
    settle(waiting)


def _met_another(error: Exception) -> bool:
    """Return whether a unit failed only because another one ran at the same time; SQLite's writer never sees that."""
    if isinstance(error, HeliclineError):
        return error.code == "stale"
    return getattr(getattr(error, "orig", None), "sqlstate", "") in AGAIN


def _translated(error: BaseException) -> BaseException:
    """Return the error as a caller should see it: storage trouble by its own name, ours as it is."""
    if isinstance(error, HeliclineError):
        return error
    text = str(getattr(error, "orig", error))
    if "disk is full" in text or "No space left" in text or "disk I/O error" in text:
        return StorageFull("the database", text, "Free some space; nothing of this write was kept.")
    if isinstance(error, UnicodeEncodeError):
        return Invalid("text", "a lone surrogate", "valid Unicode")
    if isinstance(error, sa.exc.DataError | OverflowError):
        return Invalid("value", text.partition("\n")[0], "text without NUL, and whole numbers of at most 64 bits")
    if isinstance(error, sa.exc.OperationalError):
        return Unavailable("the database", text)
    if isinstance(error, StopIteration):  # no future takes it
        return RuntimeError("a unit of work raised StopIteration")
    return error
