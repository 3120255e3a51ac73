"""Attempts: leased to one worker at a time, fenced, and committed exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from helicline import bus
from helicline.errors import Conflict
from helicline.ids import new_run_id
from helicline.records.pipeline import Attempt, Completion, Task
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader, Tx

OPEN = ("READY", "LEASED")


def create(tx: Tx, task: Task, *, timeout_s: float, **owner: str | int) -> Attempt:
    """Create a ready attempt for the workers. `owner` is pipeline_run and step, or loop, turn and subject."""
    attempt = Attempt(
        id=new_run_id(),
        task=task,
        state="READY",
        created_at=tx.now,
        timeout_s=timeout_s,
        **owner,  # type: ignore[arg-type]
    )
    nouns.ATTEMPTS.insert(tx, attempt)
    bus.emit(tx, "offered", "attempt", attempt.id, task=task, **owner)
    return attempt


def ready(tx: Reader, *, limit: int = 20) -> list[Attempt]:
    """Return the attempts that wait for a worker, oldest first."""
    column = nouns.ATTEMPTS.table.c
    return nouns.ATTEMPTS.select(tx, column.state == "READY", order=[column.created_at, column.id], limit=limit)


def lease(tx: Tx, attempt: Attempt, *, worker: str, lease_s: float) -> Attempt:
    """Lease the attempt to `worker` under a new fence. Raises Stale where another worker has leased it."""
    leased = nouns.ATTEMPTS.swap(
        tx,
        msgspec.structs.replace(
            attempt,
            state="LEASED",
            worker=worker,
            fence=attempt.fence + 1,
            started_at=tx.now,
            lease_until=tx.now + timedelta(seconds=lease_s),
            deadline=tx.now + timedelta(seconds=attempt.timeout_s),
        ),
    )
    bus.emit(tx, "leased", "attempt", attempt.id, worker=worker, fence=leased.fence)
    return leased


def refuse(tx: Tx, attempt: Attempt, error: str) -> Attempt:
    """Fail an attempt that cannot be leased, with the reason."""
    refused = nouns.ATTEMPTS.swap(tx, msgspec.structs.replace(attempt, state="FAILED", error=error, finished_at=tx.now))
    bus.emit(tx, "ended", "attempt", attempt.id, state="FAILED", error=error[:500])
    return refused


def heartbeat(tx: Tx, attempt_id: str, *, fence: int, lease_s: float) -> bool:
    """Extend the lease; return whether the worker should stop the task. Raises Conflict for a stale fence."""
    attempt = leased(tx, attempt_id, fence)
    nouns.ATTEMPTS.swap(tx, msgspec.structs.replace(attempt, lease_until=tx.now + timedelta(seconds=lease_s)))
    return attempt.cancel


def leased(tx: Reader, attempt_id: str, fence: int) -> Attempt:
    """Return the attempt. Raises Conflict where `fence` is stale, because it is leased to another worker or ended."""
    attempt = nouns.ATTEMPTS.get(tx, attempt_id)
    if attempt.state != "LEASED" or attempt.fence != fence:
        raise Conflict(
            "attempt", attempt_id, f"is {attempt.state} under fence {attempt.fence}, not held by fence {fence}"
        )
    return attempt


def release(tx: Tx, attempt_id: str, *, fence: int) -> Attempt:
    """Take an attempt back from a worker that stops: it waits for another one, and does not count as tried.

    Raises:
        Conflict: the fence is stale.
    """
    attempt = leased(tx, attempt_id, fence)
    released = msgspec.structs.replace(attempt, state="READY", worker="", lease_until=None, deadline=None)
    if attempt.cancel:
        released = msgspec.structs.replace(attempt, state="CANCELLED", lease_until=None, finished_at=tx.now)
    bus.emit(tx, "released", "attempt", attempt.id, worker=attempt.worker)
    return nouns.ATTEMPTS.swap(tx, released)


def finish(tx: Tx, attempt: Attempt, completion: Completion) -> Attempt:
    """Record the end of the attempt."""
    state = "SUCCEEDED" if completion.ok else "FAILED"
    if completion.cancelled:
        state = "CANCELLED"
    elif completion.timed_out:
        state = "TIMED_OUT"
    elif completion.out_of_memory:
        state = "OUT_OF_MEMORY"
    ended = nouns.ATTEMPTS.swap(
        tx,
        msgspec.structs.replace(
            attempt,
            state=state,
            error=completion.error,
            finished_at=tx.now,
            lease_until=None,
            environment_hash=completion.environment_hash,
            killed=completion.killed,
            peak_bytes=completion.peak_bytes,
            result=completion.result,
        ),
    )
    bus.emit(tx, "ended", "attempt", attempt.id, state=state, error=completion.error[:500])
    return ended


def lose_expired(tx: Tx, *, by: datetime | None = None) -> list[Attempt]:
    """Mark the attempts whose lease has run out by a time, now by default, as LOST, and return them."""
    return [_lose(tx, attempt) for attempt in expired(tx, by=by)]


def expired(tx: Reader, *, by: datetime | None = None) -> list[Attempt]:
    """Return the attempts whose lease has run out by a time, now by default."""
    column = nouns.ATTEMPTS.table.c
    return nouns.ATTEMPTS.select(tx, column.state == "LEASED", column.lease_until < column_value(by or tx.now))


def _lose(tx: Tx, attempt: Attempt) -> Attempt:
    error = f"worker {attempt.worker} fell silent"
    lost = nouns.ATTEMPTS.swap(
        tx, msgspec.structs.replace(attempt, state="LOST", error=error, finished_at=tx.now, lease_until=None)
    )
    bus.emit(tx, "ended", "attempt", attempt.id, state="LOST", error=error)
    return lost


def of_run(tx: Reader, pipeline_run: str) -> list[Attempt]:
    column = nouns.ATTEMPTS.table.c
    return nouns.ATTEMPTS.select(tx, column.pipeline_run == pipeline_run, order=[column.created_at])


def newest_by_step(attempts: Sequence[Attempt]) -> dict[str, Attempt]:
    """Return the newest attempt of each step."""
    newest: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.step not in newest or attempt.number > newest[attempt.step].number:
            newest[attempt.step] = attempt
    return newest


def cancel(tx: Tx, attempt: Attempt) -> None:
    """Request that a leased attempt stops; a waiting attempt ends at once."""
    if attempt.state == "READY":
        nouns.ATTEMPTS.swap(tx, msgspec.structs.replace(attempt, state="CANCELLED", finished_at=tx.now))
    elif attempt.state == "LEASED" and not attempt.cancel:
        nouns.ATTEMPTS.swap(tx, msgspec.structs.replace(attempt, cancel=True))
