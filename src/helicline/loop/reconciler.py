"""The reconciler (note 0002): it reads rows and facts, calls a pure `decide`, and applies the move in one transaction.

It is level-triggered: it may be killed at any instruction and started again. An error of one row never stops the other
rows (note 0020).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from helicline import bus
from helicline.errors import HeliclineError, Unavailable
from helicline.loop import audits, triggers, turns
from helicline.loop.context import Context
from helicline.loop.evidence import rollout_evidence
from helicline.loop.evidence.outcome_evidence import OutcomeReader
from helicline.loop.monitors import monitor_windows, serving_alerts
from helicline.loop.waiting import clock_check, sweep, wake_ups
from helicline.loop.waiting.lease_grace import LeaseGrace
from helicline.pipeline import attempts, runs
from helicline.records.deployment import Rollout
from helicline.records.lease import Lease
from helicline.serving import rollout
from helicline.store import nouns
from helicline.store.noun import Stale
from helicline.store.unit import Reader, Tx

log = logging.getLogger("helicline.loop")
LEASE = "reconciler"
LEASE_S = 10.0
MAX_FAILURES = 3  # of one row in a row: then the row itself fails, with the reason


class Reconciler(bus.PeriodicTask):
    """Moves every row that has a state. A lease with a fence picks one process at a time."""

    def __init__(self, context: Context, *, holder: str) -> None:
        super().__init__("reconciler", pause_s=context.settings.tick_s)
        self.context, self.holder = context, holder
        self.fence = 0
        self._lease_grace = LeaseGrace(context.settings.lease_s)
        self._guard_evidence = rollout_evidence.GuardEvidence(context.home)
        self._outcome_evidence = OutcomeReader(context)
        self._latest: datetime | None = None
        self._failures: Counter[tuple[str, tuple[Any, ...]]] = Counter()
        self._sweep = sweep.Sweep()

    def tick(self) -> int:
        """Make every move that is due, each in its own transaction, and return how many were made."""
        if not self.hold_lease():
            return 0
        moved = self._watch_clock()
        moved += self._lose_expired()
        for room in (wake_ups, audits, triggers, serving_alerts):
            moved += bus.consume(self.context.store, room.CONSUMER, room.hear, nouns=room.NOUNS)
        moved += self._sweep_late()
        for row in self._due(nouns.PIPELINE_RUNS):
            moved += self._move(runs.advance, nouns.PIPELINE_RUNS, (row.id,), self.context.blobs)
        for turn in self._due(nouns.TURNS):
            moved += self._move(turns.advance, nouns.TURNS, (turn.loop, turn.number))
        for under_way in self._due(nouns.ROLLOUTS):
            key = (under_way.deployment, under_way.number)
            moved += self._safely(nouns.ROLLOUTS, key, partial(self._move_rollout, under_way))
        for monitor in self._due(nouns.MONITORS):
            key = (monitor.deployment, monitor.name)
            moved += self._safely(nouns.MONITORS, key, partial(monitor_windows.look, self.context, monitor))
        for trigger in self._due(nouns.TRIGGERS):
            moved += self._move(triggers.advance, nouns.TRIGGERS, (trigger.loop, trigger.name))
        return moved

    def hold_lease(self) -> bool:
        """Take or keep the lease; False where another server holds it."""
        fence = self._read(self._held_lease) or self._write(self._lease)
        if fence and fence != self.fence:
            self.fence = fence
            self._lease_grace.begin_anew()
        return bool(fence)

    def _held_lease(self, tx: Reader) -> int:
        """Return the fence of a lease that this process holds and need not extend yet, else 0."""
        lease = nouns.LEASES.find(tx, LEASE)
        if lease is None or lease.holder != self.holder:
            return 0
        return lease.fence if LEASE_S / 2 < (lease.until - tx.now).total_seconds() <= LEASE_S else 0

    def _lose_expired(self) -> int:
        """Mark attempts of silent workers as lost."""
        now = self.context.store.clock.now()
        if not self._lease_grace.is_over(now) or not self._read(partial(attempts.expired, by=now)):
            return 0
        # by the time of the look: the server may be stopped before it writes
        return len(self._write(partial(attempts.lose_expired, by=now)))

    def _watch_clock(self) -> int:
        """When the clock has gone back, wake the rows that it had put off; to wake a row early is harmless."""
        now = self.context.store.clock.now()
        if self._latest is not None and now >= self._latest:
            self._latest = now
            return 0
        self._latest = now
        return int(self._write(lambda tx: clock_check.distrust_future(tx, lease_s=self.context.settings.lease_s)))

    def _sweep_late(self) -> int:
        """Now and then wake the rows that could move and that no event has woken."""
        late = self._read(self._sweep.late) if self._sweep.is_due(self.context.store.clock.now()) else []
        for noun, key in late:
            log.warning("%s %s could move and nothing had woken it", noun.name, noun.label(key))
        if late:
            self._write(lambda tx: sweep.wake_late(tx, late))
        return len(late)

    def _lease(self, tx: Tx) -> int:
        lease = nouns.LEASES.find(tx, LEASE)
        until = tx.now + timedelta(seconds=LEASE_S)
        if lease is None:
            lease = nouns.LEASES.insert(tx, Lease(name=LEASE, holder=self.holder, fence=1, until=until))
        elif lease.holder == self.holder or not tx.now <= lease.until <= tx.now + timedelta(seconds=LEASE_S):
            fence = lease.fence + int(lease.holder != self.holder)
            changed = msgspec.structs.replace(lease, holder=self.holder, fence=fence, until=until)
            lease = nouns.LEASES.swap(tx, changed)
        else:
            return 0
        return lease.fence

    def _read(self, view: Callable[[Reader], Any]) -> Any:
        return self.context.store.read(view)

    def _write(self, unit: Callable[[Tx], Any]) -> Any:
        return self.context.store.write(unit, actor="helicline")

    def _move(self, act: Callable[..., bool], noun: Any, key: tuple[Any, ...], *extra: Any) -> int:
        return self._safely(noun, key, partial(self._act_on, act, noun, key, *extra))

    def _act_on(self, act: Callable[..., bool], noun: Any, key: tuple[Any, ...], *extra: Any) -> int:
        """Read the row again inside of the transaction and make its move. Raises Stale where it changed meanwhile."""

        def unit(tx: Tx) -> bool:
            self._check_fence(tx)
            return act(tx, *extra, noun.get(tx, *key))

        return int(self._write(unit))

    def _safely(self, noun: Any, key: tuple[Any, ...], act: Callable[[], int]) -> int:
        """Act on one row. An error is logged and never stops other rows; the third in a row fails this one."""
        name = f"{noun.name} {noun.label(key)}"
        try:
            moved = act()
        except Stale:
            return 0
        except Unavailable as error:  # the database, not the row
            log.warning("%s waits: %s", name, error)
            return 0
        except HeliclineError as error:
            log.warning("%s cannot move: %s", name, error)
            self._count_failure(noun, key, str(error))
        except Exception as error:
            log.exception("%s cannot move", name)
            self._count_failure(noun, key, f"Helicline could not move it: {type(error).__name__}: {error}")
        else:
            self._failures.pop((noun.name, key), None)
            return moved
        return 0

    def _count_failure(self, noun: Any, key: tuple[Any, ...], why: str) -> None:
        self._failures[noun.name, key] += 1
        if self._failures[noun.name, key] < MAX_FAILURES:
            return
        del self._failures[noun.name, key]

        def unit(tx: Tx) -> None:
            self._check_fence(tx)
            row = noun.find(tx, *key)
            if row is not None:
                FAILED[noun.name](tx, row, why)

        try:
            self._write(unit)
        except HeliclineError as error:
            log.error("%s %s could not even be failed: %s", noun.name, noun.label(key), error)

    def _check_fence(self, tx: Tx) -> None:
        lease = nouns.LEASES.find(tx, LEASE)
        if lease is None or lease.holder != self.holder:
            raise Stale("lease", LEASE, "is held by another server")

    def _due(self, noun: Any) -> list[Any]:
        """Return the rows to look at now; all others wait for their time or for an event (note 0029)."""
        rows: list[Any] = self._read(noun.due)
        return rows

    def _move_rollout(self, under_way: Rollout) -> int:
        """Read the evidence outside of the transaction (it comes from files), then decide and move inside of it."""
        stages = self._read(lambda tx: rollout_evidence.stages_of(tx, under_way))
        label = self._read(lambda tx: monitor_windows.label_of(tx, under_way.deployment))
        units = self._outcome_evidence.read(under_way)
        readings = [*self._guard_evidence.read(under_way, stages, label=label), *units.readings]

        def act(tx: Tx, row: Rollout) -> bool:
            if row.version != under_way.version:
                raise Stale("rollout", row.id, "changed while its evidence was gathered")
            facts = rollout.facts_of(tx, row, stages=stages, readings=readings, outcomes=units.outcomes)
            return rollout.advance(tx, row, facts)

        return self._act_on(act, nouns.ROLLOUTS, (under_way.deployment, under_way.number))


FAILED: dict[str, Callable[[Tx, Any, str], object]] = {
    nouns.PIPELINE_RUNS.name: runs.fail,
    nouns.TURNS.name: turns.fail,
    nouns.ROLLOUTS.name: rollout.fail,
    nouns.MONITORS.name: monitor_windows.postpone,
    nouns.TRIGGERS.name: triggers.postpone,
}
