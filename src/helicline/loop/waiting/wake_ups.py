"""Wake-ups: an event makes due, at once, each row that it may have made movable (note 0029).

A row that waits for an event has no `wake_at`, and a tick does not look at it. To wake a row early is harmless: a
decision reads the facts. Triggers are woken where they hear of events anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from helicline.loop import loops
from helicline.pipeline import runs
from helicline.records.event import Event
from helicline.records.loop import ACTIVE, RESTING, Turn
from helicline.store import nouns
from helicline.store.unit import Tx

CONSUMER = "wake_ups"
ENDS_OF_ROLLOUTS = ("promoted", "rolled_back", "failed")


def hear(tx: Tx, event: Event) -> None:
    """Wake what the event may have made movable."""
    wakes = WAKES.get(event.noun)
    if wakes is not None:
        wakes(tx, event)


def wake(tx: Tx, noun: Any, row: Any) -> None:
    """Make a row due that waits."""
    if row.wake_at is None or row.wake_at > tx.now:
        noun.swap(tx, msgspec.structs.replace(row, wake_at=tx.now))


def _wake_turns(tx: Tx, turns: Iterable[Turn | None]) -> None:
    for turn in turns:
        if turn is not None and turn.state in (*ACTIVE, RESTING):
            wake(tx, nouns.TURNS, turn)


def _after_attempt(tx: Tx, event: Event) -> None:
    """A task ended, or its worker handed it back: its pipeline run or its turn goes on."""
    attempt = nouns.ATTEMPTS.find(tx, event.id)
    if attempt is None or event.verb not in ("ended", "released"):
        return
    run = nouns.PIPELINE_RUNS.find(tx, attempt.pipeline_run) if attempt.pipeline_run else None
    if run is not None and run.state in runs.OPEN_STATES:
        wake(tx, nouns.PIPELINE_RUNS, run)
    if attempt.loop:
        _wake_turns(tx, [nouns.TURNS.find(tx, attempt.loop, attempt.turn)])


def _after_pipeline_run(tx: Tx, event: Event) -> None:
    if event.verb == "ended" and event.detail.get("turn"):
        _wake_turns(tx, [nouns.TURNS.find(tx, event.detail["loop"], event.detail["turn"])])


def _after_verdict(tx: Tx, event: Event) -> None:
    """A version was judged, or a check of it waived: turns that its gate holds or has stopped go on."""
    model, _, number = event.id.rpartition("/")
    names = [loop.name for loop in loops.of_model(tx, model)]
    column = nouns.TURNS.table.c
    at_gate = column.state.in_(("GATING", RESTING))
    _wake_turns(tx, nouns.TURNS.select(tx, column.model_version == int(number), at_gate, column.loop.in_(names)))


def _after_decision(tx: Tx, event: Event) -> None:
    request = nouns.REQUESTS.find(tx, event.id)
    if request is not None and request.turn:
        _wake_turns(tx, [nouns.TURNS.find(tx, request.loop, request.turn)])


def _after_rollout(tx: Tx, event: Event) -> None:
    """A rollout ended: its own turn ends too, and one that waits for the deployment begins its own."""
    if event.verb not in ENDS_OF_ROLLOUTS:
        return
    deployment = event.id.rpartition("#")[0]
    for turn in nouns.TURNS.select(tx, nouns.TURNS.table.c.state == "ROLLING_OUT"):
        if nouns.LOOPS.get(tx, turn.loop).spec.deployment == deployment:
            _wake_turns(tx, [turn])


def _after_turn(tx: Tx, event: Event) -> None:
    """A turn queued for its rollout takes the place of older ones of its loop that wait for theirs."""
    if event.verb == "queued":
        column = nouns.TURNS.table.c
        loop = event.id.rpartition("~")[0]
        _wake_turns(tx, nouns.TURNS.select(tx, column.loop == loop, column.state == "ROLLING_OUT"))


def _after_apply(tx: Tx, event: Event) -> None:
    column = nouns.TURNS.table.c
    _wake_turns(tx, nouns.TURNS.select(tx, column.loop == event.id, column.state.in_(ACTIVE)))


WAKES: dict[str, Callable[[Tx, Event], None]] = {
    "attempt": _after_attempt,
    "pipeline_run": _after_pipeline_run,
    "gate": _after_verdict,
    "promotion_request": _after_decision,
    "rollout": _after_rollout,
    "turn": _after_turn,
    "loop": _after_apply,
}
NOUNS = tuple(WAKES)
