"""The sweep: a slow look at the rows that wait for an event, so that none waits for ever by a lost wake-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from helicline import bus
from helicline.loop import triggers
from helicline.loop.decide import decide
from helicline.loop.turn_facts import facts_of
from helicline.loop.waiting.wake_ups import wake
from helicline.pipeline import attempts, runs
from helicline.pipeline import decide as pipeline
from helicline.records.loop import ACTIVE, RESTING, Turn
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader, Tx

EVERY_S = 300.0
RESTING_LIMIT = 100  # of the rejected turns: each sweep goes on where the one before ended
Late = tuple[Any, tuple[Any, ...]]  # a noun, and the key of a row


class Sweep:
    """Finds the rows that could move and that nothing has woken; `is_due` from time to time."""

    def __init__(self, *, resting_limit: int = RESTING_LIMIT) -> None:
        self._resting_limit = resting_limit
        self._last: datetime | None = None
        self._resting_after: tuple[str, int] = ("", 0)

    def is_due(self, now: datetime) -> bool:
        """Return whether it is time for the next sweep; the first is due some minutes after the start."""
        if self._last is not None and 0 <= (now - self._last).total_seconds() < EVERY_S:
            return False
        is_first, self._last = self._last is None, now
        return not is_first

    def late(self, tx: Reader) -> list[Late]:
        """Return the rows that wait although they could move."""
        return [
            *((nouns.PIPELINE_RUNS, (run.id,)) for run in _late_runs(tx)),
            *((nouns.TURNS, (turn.loop, turn.number)) for turn in self._late_turns(tx)),
            *((nouns.TRIGGERS, (trigger.loop, trigger.name)) for trigger in triggers.forgotten(tx)),
        ]

    def _late_turns(self, tx: Reader) -> Iterator[Turn]:
        for turn in (*_waiting(tx, nouns.TURNS, ACTIVE), *self.some_resting(tx)):
            loop = nouns.LOOPS.find(tx, turn.loop)
            move = decide(turn, facts_of(tx, turn, loop), tx.now) if loop else None
            if move is not None and move.kind != "wait":
                yield turn

    def some_resting(self, tx: Reader) -> list[Turn]:
        """Return the next part of the turns that were rejected and rest."""
        column = nouns.TURNS.table.c
        after = sa.tuple_(column.loop, column.number) > sa.tuple_(*(sa.literal(part) for part in self._resting_after))
        turns = nouns.TURNS.select(tx, column.state == RESTING, after, limit=self._resting_limit)
        self._resting_after = (turns[-1].loop, turns[-1].number) if len(turns) == self._resting_limit else ("", 0)
        return [turn for turn in turns if turn.wake_at is None]


def _waiting(tx: Reader, noun: Any, states: Sequence[str]) -> list[Any]:
    """Return the rows in one of these states that are not due."""
    column = noun.table.c
    not_due = sa.or_(column.wake_at.is_(None), column.wake_at > column_value(tx.now))
    rows: list[Any] = noun.select(tx, column.state.in_(states), not_due)
    return rows


def _late_runs(tx: Reader) -> Iterator[Any]:
    for run in _waiting(tx, nouns.PIPELINE_RUNS, runs.OPEN_STATES):
        newest = attempts.newest_by_step(attempts.of_run(tx, run.id))
        if pipeline.decide(run, runs.steps_of(tx, run.id), newest, now=tx.now).kind not in ("wait", "ended"):
            yield run


def wake_late(tx: Tx, late: Sequence[Late]) -> None:
    """Wake these rows; an event tells that nothing else has."""
    for noun, key in late:
        row = noun.find(tx, *key)
        if row is not None:
            wake(tx, noun, row)
            bus.emit(tx, "woken_late", noun.name, noun.label(key), why="it could move and nothing had woken it")
