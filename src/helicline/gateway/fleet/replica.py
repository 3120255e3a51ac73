"""One revision as it lives here: fetched, loaded, answering, restarted after crashes, drained at the end."""

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
from helicline.gateway.fleet import archive, process
from helicline.gateway.fleet.environment import Environments
from helicline.gateway.fleet.link import MAX_WAITING, Asker, Link
from helicline.gateway.fleet.spare import Spare
from helicline.protocol.scoring.signature import Signature
from helicline.protocol.scoring.signature import read as read_signature
from helicline.records.deployment import RevisionSpec, RevisionState, RevisionStatus

_log = logging.getLogger("helicline.gateway")
CRASH_LIMIT, CRASH_SPAN_S = 5, 600.0
_BACKOFF_S, _BACKOFF_MAX_S = 0.1, 30.0
_DRAIN_S = 30.0


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What every replica of a gateway shares."""

    home: Path
    client: httpx.AsyncClient
    environments: Environments
    load_timeout_s: float
    loading: asyncio.Semaphore
    spare: Spare
    changed: Callable[[], None]


class Failed(Exception):
    """The revision cannot be loaded; a retry would not help."""


class Replica:
    """A revision and its worker."""

    def __init__(self, order: RevisionSpec, around: Surroundings) -> None:
        self.order, self._around = order, around
        self.state: RevisionState = "PENDING"
        self.reason = ""
        self.fast_path = False
        self._link: Link | None = None
        self.was_ready = False
        self.signature = Signature()
        self.features: tuple[tuple[str, str], ...] = ()
        self.held: deque[Asker] = deque()
        self._worker: process.WorkerProcess | None = None
        self._crashes: deque[float] = deque()
        self._task = asyncio.create_task(self._live())

    @property
    def status(self) -> RevisionStatus:
        """What the server is told of this revision."""
        return RevisionStatus(
            deployment=self.order.deployment,
            revision=self.order.revision,
            state=self.state,
            reason=self.reason,
            pid=self._worker.pid if self._worker is not None and self.link is not None else 0,
            fast_path=self.fast_path,
        )

    @property
    def link(self) -> Link | None:
        """The way to its worker, or None whenever it cannot answer."""
        return self._link if self._link is not None and self._link.is_open else None

    @property
    def restarting(self) -> bool:
        """Whether it answered before and is expected back."""
        return self.was_ready and self.link is None and self.state in ("READY", "PENDING", "LOADING")

    def _become(self, state: RevisionState, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._around.changed()

    async def _live(self) -> None:
        try:
            await self._load_and_keep()
        except Failed as failure:
            self._become("FAILED", str(failure))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.exception("revision %s#%s", self.order.deployment, self.order.revision)
            self._become("FAILED", f"{type(error).__name__}: {error}")
        finally:
            self._let_go()

    async def _load_and_keep(self) -> None:
        folder = await self._fetched()
        mlmodel = _checked(archive.read_mlmodel, folder)
        self.signature = _checked(read_signature, mlmodel)
        interpreter = await self._interpreter(folder, mlmodel)
        while True:
            await self._start(interpreter, folder, mlmodel=mlmodel)
            worker, link = self._worker, self._link
            if worker is None or link is None:
                return
            await link.closed
            self._link = None
            await self._crashed(worker)
            if self.state == "QUARANTINED":
                return

    async def _fetched(self) -> Path:
        delay = _BACKOFF_S
        while True:
            try:
                return await archive.fetch(self._around.client, self.order, models=self._around.home / "models")
            except Unavailable as error:
                self._become("PENDING", str(error))
            except (Invalid, OSError) as error:
                raise Failed(str(error)) from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    async def _interpreter(self, folder: Path, mlmodel: dict[str, Any]) -> Path:
        self._become("LOADING", "preparing the environment")
        try:
            return await self._around.environments.interpreter(folder, mlmodel)
        except (Unavailable, OSError) as error:
            raise Failed(str(error)) from error

    async def _start(self, interpreter: Path, folder: Path, *, mlmodel: dict[str, Any]) -> None:
        self._become("LOADING", self.reason if self.was_ready else "")
        order = {
            "path": str(folder),
            "mlmodel": mlmodel,
            "name": self.order.deployment,
            "version": str(self.order.model_version),
        }
        async with self._around.loading:
            name = f"worker-{self.order.deployment}-{self.order.revision}.log"
            worker = self._around.spare.take(interpreter)
            worker = worker or await process.spawn(interpreter, self._around.home / "logs" / name)
            self._worker = worker
            worker.give(order)
            try:
                hello = await self._hello(worker)
            except BaseException:
                await worker.kill()
                raise
        self._ready(worker, hello)
        self._around.spare.prepare(interpreter, mlmodel)

    async def _hello(self, worker: process.WorkerProcess) -> dict[str, Any]:
        link = worker.link
        limit = self._around.load_timeout_s
        either: set[asyncio.Future[Any]] = {link.hello, link.closed}
        await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not link.hello.done():
            if link.closed.done():
                code = await worker.ended()
                raise Failed(f"the worker ended with {code} while loading: {worker.last_words()}")
            raise Failed(f"not loaded after {limit:g} s; last words: {worker.last_words()}")
        hello: dict[str, Any] = msgspec.json.decode(link.hello.result().meta)
        if "failed" in hello:
            raise Failed(str(hello["failed"]))
        return hello

    def _ready(self, worker: process.WorkerProcess, hello: dict[str, Any]) -> None:
        self.fast_path = bool(hello["fast_path"])
        self.features = tuple((str(name), str(kind)) for name, kind in hello["features"])
        self._link, self.was_ready = worker.link, True
        self._become("READY", str(hello["reason"]))
        self._let_go()

    def hold(self, asker: Asker) -> bool:
        """Keep a call until the worker is back; return False if too many wait or it will not come back."""
        if not self.restarting or len(self.held) >= MAX_WAITING:
            return False
        self.held.append(asker)
        return True

    def _let_go(self) -> None:
        """Send the held calls on: to the worker if it is back, else to their failure."""
        held, self.held = self.held, deque()
        for asker in held:
            asker.resume()

    async def _crashed(self, worker: process.WorkerProcess) -> None:
        await worker.kill()
        code = worker.process.returncode
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes and now - self._crashes[0] > CRASH_SPAN_S:
            self._crashes.popleft()
        words = f"the worker ended with {code}: {worker.last_words()}"
        if len(self._crashes) >= CRASH_LIMIT:
            self._become("QUARANTINED", f"{len(self._crashes)} crashes in 10 minutes; the last: {words}")
            return
        self._become("PENDING", words)
        await asyncio.sleep(min(_BACKOFF_S * 2 ** (len(self._crashes) - 1), _BACKOFF_MAX_S))

    def recycle(self) -> None:
        """End a worker that no longer answers; it is started again as after a crash."""
        if self.link is not None:
            self.link.abort()

    async def stop(self) -> None:
        """Let the calls under way finish, then end the worker."""
        end = time.monotonic() + _DRAIN_S
        while self.link is not None and self.link.waiting_count and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self._link = None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop(grace_s=5.0)
        self._become("STOPPED")


def _checked(read: Callable[[Any], Any], given: Any) -> Any:
    try:
        return read(given)
    except (Invalid, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failed(f"MLmodel cannot be read: {type(error).__name__}: {error}") from error
