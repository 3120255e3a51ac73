"""Repairs waits that were recorded while the clock was ahead.

A row that is due later than now plus its longest possible wait is made due now. To wake a row early is harmless: a
decision reads the facts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from helicline.loop.waiting.schedule import next_due
from helicline.pipeline.decide import BACKOFF_MAX_S
from helicline.records.deployment import Rollout
from helicline.records.loop import ACTIVE, Trigger, Turn
from helicline.records.monitor import Monitor
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader, Tx
from helicline.webhooks.delivery import MAX_WAIT_S


def distrust_future(tx: Tx, *, lease_s: float) -> int:
    """Bring back every row that waits longer than it can by itself; return how many."""
    changed = [_brought_back(tx, noun, row) for noun, row in _waiting_too_long(tx)]
    attempts = nouns.ATTEMPTS.select(tx, nouns.ATTEMPTS.table.c.state == "LEASED")
    for attempt in attempts:
        if attempt.lease_until is not None and attempt.lease_until > tx.now + timedelta(seconds=lease_s):
            until = tx.now + timedelta(seconds=lease_s)
            nouns.ATTEMPTS.swap(tx, msgspec.structs.replace(attempt, lease_until=until))
            changed.append(True)
    return sum(changed)


def _waiting_too_long(tx: Reader) -> list[tuple[Any, Any]]:
    limits = (
        (nouns.PIPELINE_RUNS, timedelta(seconds=BACKOFF_MAX_S)),
        (nouns.DELIVERIES, timedelta(seconds=MAX_WAIT_S)),
        (nouns.MONITORS, timedelta(0)),
        (nouns.TRIGGERS, timedelta(0)),
        (nouns.ROLLOUTS, timedelta(0)),
        (nouns.TURNS, timedelta(0)),
    )
    return (
        [
            (noun, row)
            for noun, limit in limits
            for row in noun.select(tx, noun.table.c.wake_at > column_value(tx.now + limit))
        ]
        + [
            (nouns.ROLLOUTS, row)
            for row in nouns.ROLLOUTS.select(tx, nouns.ROLLOUTS.table.c.state.in_(deployments.ACTIVE))
            if row.created_at > tx.now or (row.steps and row.steps[-1].entered_at > tx.now)
        ]
        + [
            # what is reported from now on would be taken for the report of an earlier turn
            (nouns.TURNS, row)
            for row in nouns.TURNS.select(tx, nouns.TURNS.table.c.state.in_(ACTIVE))
            if row.created_at > tx.now
        ]
    )


def _brought_back(tx: Tx, noun: Any, row: Any) -> bool:
    current = noun.get(tx, *(getattr(row, field) for field in noun.key))  # a row may stand in two lists
    changed = _as_of_now(tx, current)
    if changed == current:
        return False
    noun.swap(tx, changed)
    return True


def _as_of_now(tx: Tx, row: Any) -> Any:
    if isinstance(row, Trigger):
        last = min(row.last_fired_at, tx.now) if row.last_fired_at else None
        due = next_due(tx.now, row.spec)
        return msgspec.structs.replace(row, wake_at=tx.now if row.pending else due, due_at=due, last_fired_at=last)
    if isinstance(row, Monitor):
        too_long = row.wake_at is not None and row.wake_at > tx.now + timedelta(seconds=row.spec.window_s)
        return msgspec.structs.replace(row, wake_at=tx.now) if too_long else row
    if isinstance(row, Rollout):
        steps = tuple(
            msgspec.structs.replace(step, entered_at=min(step.entered_at, tx.now)) if step.left_at is None else step
            for step in row.steps
        )
        return msgspec.structs.replace(row, wake_at=tx.now, steps=steps, created_at=min(row.created_at, tx.now))
    if isinstance(row, Turn):
        return msgspec.structs.replace(row, wake_at=tx.now, created_at=min(row.created_at, tx.now))
    return msgspec.structs.replace(row, wake_at=tx.now)
