"""The bus: a change and its event commit together; whoever follows reads events from a durable cursor.

From here come the audit trail, the live feed, triggers and the timeline of a turn.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from helicline.errors import HeliclineError, Unavailable
from helicline.records.event import Event
from helicline.store.database import Store
from helicline.store.rows import event as rows
from helicline.store.unit import Reader, Tx

log = logging.getLogger("helicline.bus")
TRIES = 3


class PeriodicTask(ABC):
    """Work that is done in rounds: at once when something was committed, else after a pause, until it is stopped."""

    def __init__(self, name: str, *, pause_s: float) -> None:
        self.name, self.pause_s = name, pause_s
        self._wake, self.stopping = threading.Event(), threading.Event()

    @abstractmethod
    def tick(self) -> int:
        """Do what is due, and return how much there was."""

    def wake(self, _events: Sequence[Event] = ()) -> None:
        """Look again now: something was committed (a listener of the store)."""
        self._wake.set()

    def stop(self) -> None:
        self.stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; what fails is tried again in the next round."""
        while not self.stopping.is_set():
            self._wake.clear()
            try:
                moved = self.tick()
            except HeliclineError as error:
                log.warning("%s: %s", self.name, error)
                moved = 0
            except Exception:
                log.exception("%s: a round failed and will be tried again", self.name)
                moved = 0
            if not moved:
                self._wake.wait(self.pause_s)


def emit(tx: Tx, verb: str, noun: str, id: str, **detail: Any) -> Event:
    """Record that `noun` `id` was `verb`; event hooks are called now, listeners after the commit."""
    event = rows.append(tx, verb=verb, noun=noun, id=id, detail=detail)
    tx.emitted.append(event)
    for hook in tx.event_hooks:
        hook(tx, event)
    return event


def consume(store: Store, consumer: str, handle: Callable[[Tx, Event], None], *, limit: int = 200) -> int:
    """Give each event after the consumer's cursor to `handle`, exactly once, and return how many.

    The cursor moves in the same transaction as what `handle` writes, so a crash repeats nothing that was kept. An event
    that cannot be handled is tried again twice, then skipped with an event that says why: those behind it never wait.
    """
    pending = store.read(lambda tx: rows.after(tx, rows.cursor(tx, consumer), limit=limit))

    def deal(event: Event) -> Callable[[Tx], None]:
        def unit(tx: Tx) -> None:
            if rows.cursor(tx, consumer) >= event.seq:
                return
            handle(tx, event)
            rows.move_cursor(tx, consumer, event.seq)

        return unit

    for event in pending:
        _deal_or_skip(store, consumer, event, deal(event))
    return len(pending)


def _deal_or_skip(store: Store, consumer: str, event: Event, unit: Callable[[Tx], None]) -> None:
    for _ in range(TRIES):
        try:
            store.write(unit, actor=f"consumer:{consumer}")
        except Unavailable:
            raise
        except Exception as error:
            log.exception("%s cannot handle event %d (%s %s)", consumer, event.seq, event.noun, event.verb)
            why = f"{type(error).__name__}: {error}"
        else:
            return

    def skip(tx: Tx) -> None:
        rows.move_cursor(tx, consumer, event.seq)
        emit(tx, "skipped", "event", str(event.seq), consumer=consumer, why=why[:1000])

    store.write(skip, actor=f"consumer:{consumer}")


class ChainBreak(Exception):
    """Where the chain does not hold: at `seq`, because of `why`."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(seq, why)
        self.seq, self.why = seq, why


def verify(tx: Reader) -> int:
    """Walk the whole chain and return its length. Raises ChainBreak at the first event that does not hold."""
    seq, previous = 0, ""
    while batch := rows.after(tx, seq, limit=2000):
        for event in batch:
            if event.seq != seq + 1:
                raise ChainBreak(event.seq, f"event {seq + 1} is missing")
            if event.previous_hash != previous or rows.chained(event, previous).hash != event.hash:
                raise ChainBreak(event.seq, "its hash does not match its content and its predecessor")
            seq, previous = event.seq, event.hash
    if rows.head(tx) != (seq, previous):
        raise ChainBreak(seq, "the chain was cut short after this event")
    return seq
