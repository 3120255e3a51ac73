"""`Reader` and `Tx`: the arguments of functions that read or write the database.

`Store.read` makes a `Reader`, and `Store.write` a `Tx`: all writes of a unit of work are committed together, and
acknowledged only after the commit. See note 0001.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from helicline.records.event import Event
from helicline.store.engine import run_text


class Reader:
    """A consistent view of the database.

    `background_writes` collects bulks, each with an item, for the writer to run after the view; no caller waits.
    """

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self.connection, self.now = connection, now
        self.background_writes: list[tuple[Bulk, Any]] = []

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, rows)

    def run_text(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Run SQL on the driver's connection, and return its rows: only for the most frequent statements."""
        return run_text(self.connection, sql, values=values)

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def placeholder(self) -> str:
        """The placeholder of a value in the SQL of `run_text`."""
        return "%s" if self.is_postgres else "?"


class Tx(Reader):
    """A unit of work in progress. `actor` is the caller's name; `emitted` collects the events.

    Each of the `event_hooks` is called with each event inside the unit; its writes commit with the unit.
    """

    def __init__(
        self,
        connection: sa.Connection,
        now: datetime,
        *,
        actor: str,
        request_id: str,
        event_hooks: Sequence[EventHook] = (),
    ) -> None:
        super().__init__(connection, now)
        self.actor, self.request_id, self.event_hooks = actor, request_id, event_hooks
        self.emitted: list[Event] = []

    def savepoint(self) -> AbstractContextManager[Any]:
        """Return a context whose writes are undone where it raises, while the unit goes on."""
        return self.connection.begin_nested()


EventHook = Callable[[Tx, Event], None]
Unit = Callable[[Tx], Any]
# takes all waiting items, and returns a result for each: a value, or the error that rejects the item
Bulk = Callable[[Tx, Sequence[Any]], Sequence[Any]]
