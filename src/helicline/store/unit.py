"""What a function that reads or writes the database is handed: a consistent view, or a unit of work in progress.

`Store.read` makes a `Reader`, and `Store.write` a `Tx`: all writes of a unit of work are committed together, and
acknowledged only after the commit. See docs/decisions/0001-single-writer-group-commit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from helicline.records.event import Event
from helicline.store.engine import run_text


class Reader:
    """A consistent view of the database.

    `background_writes` gathers bulks, each with an item, that the writer may do after the view; nobody waits for them.
    """

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self.connection, self.now = connection, now
        self.background_writes: list[tuple[Bulk, Any]] = []

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        return self.connection.execute(statement, rows)

    def run_text(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Run SQL by the driver itself, and return its rows: for the most frequent statements only."""
        return run_text(self.connection, sql, values=values)

    @property
    def is_postgres(self) -> bool:
        return self.connection.dialect.name == "postgresql"

    @property
    def placeholder(self) -> str:
        """What stands for a value in the SQL that `run_text` takes."""
        return "%s" if self.is_postgres else "?"


class Tx(Reader):
    """A unit of work in progress. `actor` is who does it; `emitted` gathers its events.

    Each of the `event_hooks` is called with each event within the unit; what a hook writes commits with the unit.
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


EventHook = Callable[[Tx, Event], None]
Unit = Callable[[Tx], Any]
# takes the items that wait together, and returns a result for each: a value, or the error that refuses the item
Bulk = Callable[[Tx, Sequence[Any]], Sequence[Any]]
