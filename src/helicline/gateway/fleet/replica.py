"""One revision that is loaded here: started, restarted after crashes and hangs, drained at the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from helicline.gateway.fleet import worker_process
from helicline.gateway.fleet.call_queue import QueuedCall
from helicline.gateway.fleet.dispatcher import Dispatcher, NotTaken
from helicline.gateway.fleet.loading import LoadContext, Loaded, LoadError, load
from helicline.gateway.fleet.restart_policy import Decision, RestartPolicy
from helicline.gateway.fleet.worker_connection import WorkerConnection
from helicline.protocol.scoring.signature import Signature
from helicline.records.deployment import RevisionSpec, RevisionState, RevisionStatus

_log = logging.getLogger("helicline.gateway")
_DRAIN_S = 30.0
_MAX_SET_ASIDE = 2
_DOWN = ("FAILED", "QUARANTINED")


class ReplicaContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all replicas of a gateway share.

    `serves` tells whether a revision is to answer calls: it is stable, or what stable falls back on. `changed` is
    called after each change of a state. A worker is replaced after `hang_s` of silence, a quarantined revision that
    serves is loaded again after `probe_s`.
    """

    loading: LoadContext
    serves: Callable[[RevisionSpec], bool]
    changed: Callable[[], None]
    hang_s: float
    probe_s: float


class Replica:
    """A revision and its worker."""

    def __init__(self, order: RevisionSpec, context: ReplicaContext) -> None:
        self.order, self._context = order, context
        self.state: RevisionState = "PENDING"
        self.reason = ""
        self.fast_path = self.was_ready = False
        self.signature = Signature()
        self.features: tuple[tuple[str, str], ...] = ()
        self._dispatcher = Dispatcher(hang_s=context.hang_s)
        self._policy = RestartPolicy(probe_s=context.probe_s)
        self._worker: worker_process.WorkerProcess | None = None
        self._set_aside: list[worker_process.WorkerProcess] = []
        self._killing: set[asyncio.Task[None]] = set()
        self._hung = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def status(self) -> RevisionStatus:
        """The revision's state as the control plane gets it."""
        return RevisionStatus(
            deployment=self.order.deployment,
            revision=self.order.revision,
            state=self.state,
            reason=self.reason,
            pid=self._worker.pid if self._worker is not None and self.connection is not None else 0,
            fast_path=self.fast_path,
        )

    @property
    def connection(self) -> WorkerConnection | None:
        """The connection to its worker, None while no worker can answer."""
        return self._dispatcher.connection

    @property
    def is_down(self) -> bool:
        """Whether no worker can answer, and none is expected soon."""
        return self.connection is None and self.state in (*_DOWN, "STOPPED")

    @property
    def waiting_count(self) -> int:
        """How many calls have no answer yet."""
        connection = self.connection
        return self._dispatcher.waiting_count + (connection.in_flight_count if connection is not None else 0)

    @property
    def retry_after_s(self) -> int:
        """The whole seconds after which a call that was not taken may be tried again."""
        return self._dispatcher.retry_after_s()

    @property
    def gave_up(self) -> bool:
        """Whether it failed and is not loaded again by itself."""
        return self._task.done()

    def _set_state(self, state: RevisionState, reason: str = "") -> None:
        if (self.state, self.reason) != (state, reason):
            self.state, self.reason = state, reason
            self._context.changed()

    async def _run(self) -> None:
        while True:
            decision = await self._serve_once()
            self._set_state(decision.state, decision.reason)
            if decision.state in _DOWN:
                _log.error("revision %s#%d: %s", self.order.deployment, self.order.revision, decision.reason)
                self._dispatcher.send_elsewhere()
            if decision.pause_s is None:
                return
            await asyncio.sleep(decision.pause_s)

    async def _serve_once(self) -> Decision:
        """Load the model and serve until the worker ends or hangs; return what follows."""
        try:
            loaded = await load(self.order, self._context.loading, report=self._report_load)
        except LoadError as failure:
            return self._policy.load_failed(str(failure), serves=self._serves)
        except Exception as error:
            _log.exception("revision %s#%s", self.order.deployment, self.order.revision)
            return self._policy.load_failed(f"{type(error).__name__}: {error}", serves=self._serves)
        self._become_ready(loaded)
        hung = asyncio.ensure_future(self._hung.wait())
        ends: set[asyncio.Future[Any]] = {loaded.worker.connection.closed, hung}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        hung.cancel()
        if self._hung.is_set():
            self._hung.clear()
            return Decision(state="PENDING", reason="the worker hung and is replaced", pause_s=0.0)
        self._dispatcher.detach()
        await loaded.worker.end_of()
        return self._policy.crashed(loaded.worker.how_it_ended(), now=time.monotonic(), serves=self._serves)

    @property
    def _serves(self) -> bool:
        return self._context.serves(self.order)

    def _report_load(self, state: RevisionState, reason: str) -> None:
        """Show how a load goes; a revision that is down stays so until it is ready."""
        if self.state not in _DOWN:
            self._set_state(state, reason or (self.reason if self.was_ready else ""))

    def _become_ready(self, loaded: Loaded) -> None:
        self._policy.loaded()
        self.signature, self.features, self.fast_path = loaded.signature, loaded.features, loaded.fast_path
        self._worker, self.was_ready = loaded.worker, True
        self._dispatcher.attach(loaded.worker.connection, batchable=loaded.batchable)
        self._set_state("READY", loaded.reason)

    def submit(self, call: QueuedCall) -> NotTaken | None:
        """Take a call, to be answered now or once the worker is ready; else return why not."""
        return "down" if self.is_down else self._dispatcher.submit(call)

    def discard(self, call: QueuedCall) -> bool:
        """Forget a call that waits; return whether it did."""
        return self._dispatcher.discard(call)

    def forgive_crash(self) -> None:
        """Count two crashes as one: the same request is known to have caused both."""
        self._policy.forgive_crash()

    def tick(self, now: float) -> None:
        """End the calls whose time is up, and replace a worker that hangs."""
        self._dispatcher.expire(now)
        if self._worker is not None and len(self._set_aside) < _MAX_SET_ASIDE and self._dispatcher.is_hung(now):
            name = f"{self.order.deployment}#{self.order.revision}"
            _log.error("revision %s: worker %d hangs and is replaced", name, self._worker.pid)
            self._set_aside.append(self._worker)
            self._worker = None
            self._dispatcher.set_aside()
            self._hung.set()
        for worker in [worker for worker in self._set_aside if self._is_done(worker.connection, now)]:
            self._set_aside.remove(worker)
            self._kill(worker)

    def _is_done(self, connection: WorkerConnection, now: float) -> bool:
        """Return whether nobody waits any more for a worker that was set aside."""
        for call in connection.pop_expired(now):
            call.expired()
        return not connection.pending_count

    def _kill(self, worker: worker_process.WorkerProcess) -> None:
        worker.connection.abort()
        killing = asyncio.create_task(worker.kill())
        self._killing.add(killing)
        killing.add_done_callback(self._killing.discard)

    async def stop(self) -> None:
        """Let the calls under way finish, then end the worker."""
        end = time.monotonic() + _DRAIN_S
        while self._is_busy and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._dispatcher.detach()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for worker in self._set_aside:
            self._kill(worker)
        await asyncio.gather(*self._killing)
        if self._worker is not None:
            await self._worker.stop(grace_s=5.0)
        self._set_state("STOPPED")
        self._dispatcher.send_elsewhere()

    @property
    def _is_busy(self) -> bool:
        connection = self.connection
        if connection is not None and (connection.pending_count or self._dispatcher.waiting_count):
            return True
        return any(worker.connection.pending_count for worker in self._set_aside)
