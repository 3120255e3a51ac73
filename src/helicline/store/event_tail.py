"""Committed events of all servers of one PostgreSQL database, in order, as soon as each is committed (note 0022)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from helicline.records.event import Event
from helicline.store.rows import event as rows
from helicline.store.unit import Reader

log = logging.getLogger("helicline.store")
CHANNEL = "helicline_event"
_RETRY_S = 1.0
_BATCH = 500
Read = Callable[[Callable[[Reader], list[Event]]], list[Event]]


class EventTail:
    """Reads the events after the last one it has delivered, whenever a commit of any server is notified.

    Event numbers have no gaps and are committed in order, so nothing is missed, doubled or out of order; what was
    committed while the connection was lost is delivered after it, or by the poll.
    """

    def __init__(
        self, url: str, read: Read, *, start: int, listeners: Sequence[Callable[[list[Event]], None]], poll_s: float
    ) -> None:
        self._url = sa.make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql")
        self._read, self._seq, self._listeners = read, start, listeners
        self._poll_s = poll_s
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"helicline-{name}", daemon=True)
            for name, target in (("event-tail", self._deliver), ("event-listen", self._listen))
        ]
        for thread in self._threads:
            thread.start()

    def wake(self, _events: Sequence[Event] = ()) -> None:
        """Deliver what is committed now."""
        self._woken.set()

    def stop(self) -> None:
        """End both threads."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(_RETRY_S * 3)

    def _deliver(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(self._poll_s)
            self._woken.clear()
            try:
                self._deliver_new()
            except Exception as error:
                log.warning("events cannot be read, and will be again: %s", error)
                self._stopping.wait(_RETRY_S)

    def _deliver_new(self) -> None:
        while events := self._read(lambda tx: rows.after(tx, self._seq, limit=_BATCH)):
            self._seq = events[-1].seq
            for listener in self._listeners:
                try:
                    listener(events)
                except Exception:
                    log.exception("a listener failed")

    def _listen(self) -> None:
        import psycopg  # an extra, needed with PostgreSQL only

        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url.render_as_string(hide_password=False), autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self.wake()  # for what was committed before
                    while not self._stopping.is_set():
                        for _ in connection.notifies(timeout=_RETRY_S, stop_after=1):
                            self.wake()
            except psycopg.Error as error:
                log.warning("notifications of PostgreSQL are interrupted: %s", error)
                self._stopping.wait(_RETRY_S)


def notify(connection: sa.Connection) -> None:
    """Have every server read the events of this transaction once it is committed."""
    connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
