"""One revision that is loaded here: fetched, started, restarted after crashes, drained at the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from helicline.errors import Invalid, Unavailable
from helicline.gateway.fleet import archive, worker_process
from helicline.gateway.fleet.environment import Environments
from helicline.gateway.fleet.sandbox import Sandbox
from helicline.gateway.fleet.standby_worker import StandbyWorker
from helicline.gateway.fleet.worker_connection import MAX_WAITING, PendingCall, WorkerConnection
from helicline.protocol.scoring.signature import Signature
from helicline.protocol.scoring.signature import read as read_signature
from helicline.records.deployment import RevisionSpec, RevisionState, RevisionStatus

_log = logging.getLogger("helicline.gateway")
CRASH_LIMIT, CRASH_SPAN_S = 5, 600.0
_BACKOFF_S, _BACKOFF_MAX_S = 0.1, 30.0
_DRAIN_S = 30.0
_UNRESPONSIVE_S = 30.0


class ReplicaContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all replicas of a gateway share; `changed` is called after each change of a state."""

    home: Path
    client: httpx.AsyncClient
    environments: Environments
    load_timeout_s: float
    loading: asyncio.Semaphore
    standby_worker: StandbyWorker
    sandbox: Sandbox
    changed: Callable[[], None]


class LoadError(Exception):
    """The revision cannot be loaded; a retry would not help."""


class Replica:
    """A revision and its worker."""

    def __init__(self, order: RevisionSpec, context: ReplicaContext) -> None:
        self.order, self._context = order, context
        self.state: RevisionState = "PENDING"
        self.reason = ""
        self.fast_path = False
        self._connection: WorkerConnection | None = None
        self.was_ready = False
        self.signature = Signature()
        self.features: tuple[tuple[str, str], ...] = ()
        self._held_calls: deque[PendingCall] = deque()
        self._worker: worker_process.WorkerProcess | None = None
        self._crashes: deque[float] = deque()
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
        return self._connection if self._connection is not None and self._connection.is_open else None

    @property
    def restarting(self) -> bool:
        """Whether it was ready before, and its worker is started again."""
        return self.was_ready and self.connection is None and self.state in ("READY", "PENDING", "LOADING")

    def _set_state(self, state: RevisionState, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._context.changed()

    async def _run(self) -> None:
        try:
            await self._load_and_restart()
        except LoadError as failure:
            self._set_state("FAILED", str(failure))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.exception("revision %s#%s", self.order.deployment, self.order.revision)
            self._set_state("FAILED", f"{type(error).__name__}: {error}")
        finally:
            self._send_held_calls()

    async def _load_and_restart(self) -> None:
        folder = await self._fetch_files()
        mlmodel = _checked(archive.read_mlmodel, folder)
        self.signature = _checked(read_signature, mlmodel)
        interpreter = await self._prepare_interpreter(folder, mlmodel)
        while True:
            await self._start_worker(interpreter, folder, mlmodel=mlmodel)
            worker, connection = self._worker, self._connection
            if worker is None or connection is None:
                return
            await connection.closed
            self._connection = None
            await self._handle_crash(worker)
            if self.state == "QUARANTINED":
                return

    async def _fetch_files(self) -> Path:
        delay = _BACKOFF_S
        while True:
            try:
                return await archive.fetch(self._context.client, self.order, models=self._context.home / "models")
            except Unavailable as error:
                self._set_state("PENDING", str(error))
            except (Invalid, OSError) as error:
                raise LoadError(str(error)) from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _prepare_interpreter(self, folder: Path, mlmodel: dict[str, Any]) -> Path:
        self._set_state("LOADING", "preparing the environment")
        try:
            return await self._context.environments.interpreter(folder, mlmodel)
        except (Unavailable, OSError) as error:
            raise LoadError(str(error)) from error

    async def _start_worker(self, interpreter: Path, folder: Path, *, mlmodel: dict[str, Any]) -> None:
        self._set_state("LOADING", self.reason if self.was_ready else "")
        order = {
            "path": str(folder),
            "mlmodel": mlmodel,
            "name": self.order.deployment,
            "version": str(self.order.model_version),
        }
        async with self._context.loading:
            name = f"worker-{self.order.deployment}-{self.order.revision}.log"
            worker = self._context.standby_worker.take(interpreter)
            worker = worker or await worker_process.spawn(
                interpreter, self._context.home / "logs" / name, sandbox=self._context.sandbox
            )
            self._worker = worker
            worker.send_order(order)
            try:
                hello = await self._wait_for_hello(worker)
            except BaseException:
                await worker.kill()
                raise
        self._become_ready(worker, hello)
        self._context.standby_worker.prepare(interpreter, mlmodel)

    async def _wait_for_hello(self, worker: worker_process.WorkerProcess) -> dict[str, Any]:
        connection = worker.connection
        limit = self._context.load_timeout_s
        hello_or_end: set[asyncio.Future[Any]] = {connection.hello, connection.closed}
        await asyncio.wait(hello_or_end, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not connection.hello.done():
            if connection.closed.done():
                code = await worker.wait()
                raise LoadError(f"the worker ended with {code} while loading: {worker.last_output_line()}")
            raise LoadError(f"not loaded after {limit:g} s; last words: {worker.last_output_line()}")
        hello: dict[str, Any] = msgspec.json.decode(connection.hello.result().meta)
        if "failed" in hello:
            raise LoadError(str(hello["failed"]))
        return hello

    def _become_ready(self, worker: worker_process.WorkerProcess, hello: dict[str, Any]) -> None:
        self.fast_path = bool(hello["fast_path"])
        self.features = tuple((str(name), str(kind)) for name, kind in hello["features"])
        self._connection, self.was_ready = worker.connection, True
        self._set_state("READY", str(hello["reason"]))
        self._send_held_calls()

    def hold(self, call: PendingCall) -> bool:
        """Hold a call until the worker is ready again; return False if it will not be, or too many calls wait."""
        if not self.restarting or len(self._held_calls) >= MAX_WAITING:
            return False
        self._held_calls.append(call)
        return True

    def _send_held_calls(self) -> None:
        """Have the held calls sent again: to the worker if it is ready, else they fail."""
        held_calls, self._held_calls = self._held_calls, deque()
        for call in held_calls:
            call.send()

    async def _handle_crash(self, worker: worker_process.WorkerProcess) -> None:
        await worker.kill()
        code = worker.process.returncode
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes and now - self._crashes[0] > CRASH_SPAN_S:
            self._crashes.popleft()
        reason = f"the worker ended with {code}: {worker.last_output_line()}"
        if len(self._crashes) >= CRASH_LIMIT:
            self._set_state("QUARANTINED", f"{len(self._crashes)} crashes in 10 minutes; the last: {reason}")
            return
        self._set_state("PENDING", reason)
        await asyncio.sleep(min(_BACKOFF_S * 2 ** (len(self._crashes) - 1), _BACKOFF_MAX_S))

    def expire_calls(self, now: float) -> None:
        """End the calls whose time is up; a worker that has sent nothing for 30 s after one is restarted."""
        expired = [call for call in self._held_calls if call.expires_at <= now]
        for call in expired:
            self._held_calls.remove(call)
        for call in expired:
            call.expired()
        connection = self.connection
        if connection is None:
            return
        for call in connection.pop_expired(now):
            call.expired()
        if connection.unresponsive_s(now) > _UNRESPONSIVE_S:
            connection.abort()

    async def stop(self) -> None:
        """Let the calls under way finish, then end the worker."""
        end = time.monotonic() + _DRAIN_S
        while self.connection is not None and self.connection.pending_count and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._connection = None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop(grace_s=5.0)
        self._set_state("STOPPED")


def _checked(read: Callable[[Any], Any], source: Any) -> Any:
    try:
        return read(source)
    except (Invalid, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(f"MLmodel cannot be read: {type(error).__name__}: {error}") from error
