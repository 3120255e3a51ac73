"""The bus: a change and its event commit together; consumers read events from a durable cursor.

The audit trail, the live feed, triggers and the timeline of a turn are made of its events.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any

from helicline.errors import HeliclineError, Unavailable
from helicline.records.event import Event
from helicline.store.database import Store
from helicline.store.rows import event as rows
from helicline.store.unit import Reader, Tx
from helicline.store.writer.errors import translated

log = logging.getLogger("helicline.bus")
MAX_ATTEMPTS = 3


class PeriodicTask(ABC):
    """A task that runs in a loop: at once after a commit, else after a pause, until it is stopped."""

    def __init__(self, name: str, *, pause_s: float) -> None:
        self.name, self.pause_s = name, pause_s
        self._wake, self.stopping = threading.Event(), threading.Event()

    @abstractmethod
    def tick(self) -> int:
        """Do the due work, and return its amount."""

    def wake(self, _events: Sequence[Event] = ()) -> None:
        """Start the next round now; a listener of the store."""
        self._wake.set()

    def stop(self) -> None:
        self.stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Run rounds until stopped; a failed round is repeated."""
        while not self.stopping.is_set():
            self._wake.clear()
            try:
                done_count = self.tick()
            except HeliclineError as error:
                log.warning("%s: %s", self.name, error)
                done_count = 0
            except Exception:
                log.exception("%s: a round failed and will be tried again", self.name)
                done_count = 0
            if not done_count:
                self._wake.wait(self.pause_s)


def emit(tx: Tx, verb: str, noun: str, id: str, **detail: Any) -> Event:
    """Record that `noun` `id` was `verb`; event hooks are called now, listeners after the commit."""
    event = rows.append(tx, verb=verb, noun=noun, id=id, detail=detail)
    tx.emitted.append(event)
    for hook in tx.event_hooks:
        hook(tx, event)
    return event


def consume(
    store: Store,
    consumer: str,
    handle: Callable[[Tx, Event], None],
    *,
    limit: int = 200,
    nouns: Collection[str] | None = None,
) -> int:
    """Call `handle` for each event after the consumer's cursor, exactly once, and return the number of events.

    With `nouns` only events of these nouns are handled; the cursor passes the others.

    The cursor moves in the same transaction as the writes of `handle`, so a crash repeats no committed event. All
    events that wait share the transaction, each under its own savepoint. An event that fails is tried three times in
    all, and then skipped with an event that says why, so that it blocks no other.
    """
    pending = store.read(lambda tx: rows.after(tx, rows.cursor(tx, consumer), limit=limit))
    if not pending:
        return 0

    def unit(tx: Tx) -> None:
        done = rows.cursor(tx, consumer)
        for event in pending:
            if event.seq > done and (nouns is None or event.noun in nouns):
                _handle_or_skip(tx, consumer, event=event, handle=handle)
        rows.move_cursor(tx, consumer, max(done, pending[-1].seq))

    store.write(unit, actor=f"consumer:{consumer}")
    return len(pending)


def _handle_or_skip(tx: Tx, consumer: str, *, event: Event, handle: Callable[[Tx, Event], None]) -> None:
    emitted_count = len(tx.emitted)
    for _ in range(MAX_ATTEMPTS):
        try:
            with tx.savepoint():
                handle(tx, event)
        except Exception as error:
            if isinstance(translated(error), Unavailable):
                raise
            log.exception("%s cannot handle event %d (%s %s)", consumer, event.seq, event.noun, event.verb)
            why = f"{type(error).__name__}: {error}"
            del tx.emitted[emitted_count:]
        else:
            return
    emit(tx, "skipped", "event", str(event.seq), consumer=consumer, why=why[:1000])


class ChainBreak(Exception):
    """An event at which the hash chain is broken: its `seq`, and `why`."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(seq, why)
        self.seq, self.why = seq, why


def check_link(event: Event, seq: int, previous: str) -> None:
    """Raise ChainBreak where an event does not follow the event with that seq and hash."""
    if event.seq != seq + 1:
        raise ChainBreak(event.seq, f"event {seq + 1} is missing")
    if event.previous_hash != previous or rows.chained(event, previous).hash != event.hash:
        raise ChainBreak(event.seq, "its hash does not match its content and its predecessor")


def verify(tx: Reader, *, begin: tuple[int, str] = (0, "")) -> int:
    """Verify the hash chain of the table, which follows the event with that seq and hash; return the last seq.

    Raises:
        ChainBreak: at the first invalid event.
    """
    seq, previous = begin
    while batch := rows.after(tx, seq, limit=2000):
        for event in batch:
            check_link(event, seq, previous)
            seq, previous = event.seq, event.hash
    if rows.head(tx) != (seq, previous):
        raise ChainBreak(seq, "the chain was cut short after this event")
    return seq
