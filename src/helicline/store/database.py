"""The database of one home: units of work go to its writer, views read a snapshot of committed data.

`Store` is the interface of both writers: `writer/sqlite.py` commits all waiting units together, `writer/postgres.py`
runs them on a pool. Waiting items of one bulk are passed to one function together (`gather`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import sqlalchemy as sa

from helicline.clock import Clock, SystemClock
from helicline.store.engine import engine_of
from helicline.store.event_tail import EventTail
from helicline.store.rows import event as event_rows
from helicline.store.unit import Bulk, EventHook, Reader, Tx
from helicline.store.writer.background import BackgroundWrites
from helicline.store.writer.errors import translated
from helicline.store.writer.group import GroupWriter, Listener
from helicline.store.writer.job import Job
from helicline.store.writer.postgres import PostgresWriter
from helicline.store.writer.sqlite import SqliteWriter

T = TypeVar("T")


class Store:
    """The database of one home. Open it once per process; `close` waits for pending writes.

    `event_hooks` are called inside each unit that emits an event, `listeners` after its commit.
    """

    pragmas: tuple[str, ...] = (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "busy_timeout=30000",
        "cache_size=-32000",
        "case_sensitive_like=ON",
    )
    sqlite_writer: type[SqliteWriter] = SqliteWriter

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.url, self.clock = url, clock or SystemClock()
        self.engine = engine_of(url, self.pragmas)
        # all reads of a view need one snapshot: points may move from a tail to a block between two reads
        self._snapshots = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self.listeners: list[Listener] = []
        self.event_hooks: list[EventHook] = []
        writer: type[GroupWriter] = self.sqlite_writer if self.is_sqlite else PostgresWriter
        self._writer = writer(self.engine, self.clock, event_hooks=self.event_hooks, listeners=self.listeners)
        # for jobs whose future belongs to an event loop; an attribute instead of a method because every write calls it
        self.enqueue: Callable[[Job], None] = self._writer.enqueue
        self._tail: EventTail | None = None
        self._background = BackgroundWrites(self.enqueue)

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    def submit(self, unit: Callable[[Tx], T], *, actor: str = "system", request_id: str = "") -> Future[T]:
        """Queue a unit; the future resolves after its commit, or with the error that rolled it back."""
        future: Future[T] = Future()
        self.enqueue(Job(unit, future, actor=actor, request_id=request_id))
        return future

    def gather(self, bulk: Bulk, item: Any, *, actor: str = "system", request_id: str = "") -> Future[Any]:
        """Queue an item for `bulk`, which is called once with all items that wait for it.

        The bulk returns a result for each item, in order, and writes nothing for an item that it rejects. The future
        resolves as that of `submit` does.
        """
        future: Future[Any] = Future()
        self.enqueue(Job(None, future, actor=actor, request_id=request_id, bulk=bulk, item=item))
        return future

    def write(self, unit: Callable[[Tx], T], *, actor: str = "system", request_id: str = "") -> T:
        """Run a unit and return its value once it is durable."""
        return self.submit(unit, actor=actor, request_id=request_id).result()

    def read(self, view: Callable[[Reader], T]) -> T:
        """Run `view` on a snapshot of committed data, and return its value."""
        try:
            with self._snapshots.connect() as connection, connection.begin():
                reader = Reader(connection, self.clock.now())
                value = view(reader)
        except (sa.exc.DBAPIError, OverflowError, UnicodeEncodeError) as error:
            raise translated(error) from error
        self._background.add(reader.background_writes)
        return value

    def share_events(self, *, poll_s: float = 1.0) -> None:
        """Have `listeners` called with the events of all servers of this database, in order, from now on.

        Each commit notifies all servers; `poll_s` is for what a lost notification leaves. On SQLite, which one server
        has for itself, listeners are called after each commit anyway.
        """
        if self.is_sqlite or self._tail is not None:
            return
        start, _ = self.read(event_rows.head)
        self._tail = EventTail(self.url, self.read, start=start, listeners=self.listeners, poll_s=poll_s)
        self._writer.listeners = [self._tail.wake]

    def close(self) -> None:
        if self._tail is not None:
            self._tail.stop()
        self._writer.close()
        self.engine.dispose()
