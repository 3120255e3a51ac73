"""From a revision's order to a worker that is ready: files fetched, environment built, model loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from helicline.errors import Invalid, Unavailable
from helicline.gateway.fleet import archive, worker_process
from helicline.gateway.fleet.environment import Environments
from helicline.gateway.fleet.standby_worker import StandbyWorker
from helicline.gateway.sandbox import Sandbox
from helicline.protocol.scoring.signature import Signature
from helicline.protocol.scoring.signature import read as read_signature
from helicline.records.deployment import RevisionSpec, RevisionState

_RETRY_S, _RETRY_MAX_S = 0.1, 5.0
_SLOT_WAIT_S = 2.0
_HOLD_BACK_S, _LOOK_S = 20.0, 0.05


class LoadSlots:
    """Spreads many loads over time. None waits long: a load that takes for ever holds up no other."""

    def __init__(self, count: int) -> None:
        self._slots = asyncio.Semaphore(count)

    async def take(self) -> Callable[[], None]:
        """Wait for a slot, two seconds at most; return what gives it back."""
        try:
            await asyncio.wait_for(self._slots.acquire(), _SLOT_WAIT_S)
        except TimeoutError:
            return lambda: None
        return self._slots.release


class LoadContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all loads of a gateway share."""

    home: Path
    client: httpx.AsyncClient
    environments: Environments
    load_timeout_s: float
    slots: LoadSlots
    standby_worker: StandbyWorker
    sandbox: Sandbox
    is_outranked: Callable[[RevisionSpec], bool]


class LoadError(Exception):
    """The revision could not be loaded."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that is ready, and what it says of its model."""

    worker: worker_process.WorkerProcess
    signature: Signature
    fast_path: bool
    batchable: bool
    reason: str
    features: tuple[tuple[str, str], ...]


Report = Callable[[RevisionState, str], None]


async def load(order: RevisionSpec, context: LoadContext, *, report: Report) -> Loaded:
    """Return a worker that has loaded the order's model; `report` gets the state and the reason for it.

    Raises:
        LoadError: a file, the environment or the model itself is not as it must be, or takes too long.
    """
    folder = await _fetch_files(order, context, report=report)
    mlmodel = _checked(archive.read_mlmodel, folder)
    signature = _checked(read_signature, mlmodel)
    report("LOADING", "preparing the environment")
    try:
        interpreter = await context.environments.interpreter(folder, mlmodel)
    except (Unavailable, OSError) as error:
        raise LoadError(str(error)) from error
    report("LOADING", "")
    request = {"path": str(folder), "mlmodel": mlmodel, "name": order.deployment, "version": str(order.model_version)}
    await _let_others_go_first(order, context)
    give_back = await context.slots.take()
    try:
        worker, hello = await _start_worker(order, context, interpreter=interpreter, request=request)
    finally:
        give_back()
    context.standby_worker.prepare(interpreter, mlmodel)
    return Loaded(
        worker=worker,
        signature=signature,
        fast_path=bool(hello["fast_path"]),
        batchable=bool(hello["batchable"]),
        reason=str(hello["reason"]),
        features=tuple((str(name), str(kind)) for name, kind in hello["features"]),
    )


async def _let_others_go_first(order: RevisionSpec, context: LoadContext) -> None:
    """Wait, for a while at most, while what callers wait for is being loaded: each load keeps a core busy."""
    end = time.monotonic() + _HOLD_BACK_S
    while context.is_outranked(order) and time.monotonic() < end:  # noqa: ASYNC110 (a look costs microseconds)
        await asyncio.sleep(_LOOK_S)


async def _fetch_files(order: RevisionSpec, context: LoadContext, *, report: Report) -> Path:
    delay = _RETRY_S
    while True:
        try:
            return await archive.fetch(context.client, order, models=context.home / "models")
        except Unavailable as error:
            report("PENDING", str(error))
        except (Invalid, OSError) as error:
            raise LoadError(str(error)) from error
        await asyncio.sleep(delay)
        delay = min(delay * 2, _RETRY_MAX_S)


async def _start_worker(
    order: RevisionSpec, context: LoadContext, *, interpreter: Path, request: dict[str, Any]
) -> tuple[worker_process.WorkerProcess, dict[str, Any]]:
    log = context.home / "logs" / f"worker-{order.deployment}-{order.revision}.log"
    worker = context.standby_worker.take(interpreter)
    worker = worker or await worker_process.spawn(interpreter, log, sandbox=context.sandbox)
    worker.send_order(request)
    try:
        return worker, await _wait_for_hello(worker, limit_s=context.load_timeout_s)
    except BaseException:
        await worker.kill()
        raise


async def _wait_for_hello(worker: worker_process.WorkerProcess, *, limit_s: float) -> dict[str, Any]:
    connection = worker.connection
    hello_or_end: set[asyncio.Future[Any]] = {connection.hello, connection.closed}
    await asyncio.wait(hello_or_end, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    if not connection.hello.done():
        if connection.closed.done():
            await worker.wait()
            raise LoadError(f"while loading: {worker.how_it_ended()}")
        raise LoadError(f"not loaded after {limit_s:g} s: {worker.how_it_ended()}")
    hello: dict[str, Any] = msgspec.json.decode(connection.hello.result().meta)
    if "failed" in hello:
        raise LoadError(str(hello["failed"]))
    return hello


def _checked(read: Callable[[Any], Any], source: Any) -> Any:
    try:
        return read(source)
    except (Invalid, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoadError(f"MLmodel cannot be read: {type(error).__name__}: {error}") from error
