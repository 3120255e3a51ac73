"""The gateway process: its parts, its start and its stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import httpx
import msgspec

from helicline import listening_socket, log_files, parent_process
from helicline.gateway.control_plane import ControlPlaneClient
from helicline.gateway.fleet.environment import Environments
from helicline.gateway.fleet.loading import LoadContext, LoadSlots
from helicline.gateway.fleet.replica import ReplicaContext
from helicline.gateway.fleet.replicas import Replicas
from helicline.gateway.fleet.standby_worker import StandbyWorker
from helicline.gateway.front.call import CallContext
from helicline.gateway.front.connection import Connection, HttpServer, Limits
from helicline.gateway.front.deadly_requests import DeadlyRequests
from helicline.gateway.front.router import Router
from helicline.gateway.prediction_log import PredictionLog
from helicline.gateway.routing_table import RoutingTable
from helicline.gateway.sandbox import Sandbox
from helicline.gateway.sealer_process import SealerProcess
from helicline.gateway.variant_counters import VariantCounters
from helicline.ids import new_run_id
from helicline.origin_check import allowed_names
from helicline.records.deployment import Desired, Observed, RevisionSpec
from helicline.settings import Settings
from helicline.store.durable import make_folder

_log = logging.getLogger("helicline.gateway")
_TICK_S = 0.05
_DRAIN_S = 8.0  # the supervisor kills after ten
_BOUND_LOGS_S = 10.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway is started."""

    home: Path
    server: str
    name: str = "local"
    host: str = "127.0.0.1"
    port: int = 7080
    token: str = ""
    allowed_hosts: str = ""
    auth: str = "local"
    max_body_bytes: int = 16 * 1024 * 1024
    log_seal_s: float = 2.0
    load_timeout_s: float = 300.0
    hang_s: float = 5.0
    probe_s: float = 30.0
    settings: Settings = Settings()


class Gateway:
    """One gateway process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._session = new_run_id()
        self._address = ""
        self._saved_generation = 0
        headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
        self._client = httpx.AsyncClient(base_url=options.server, headers=headers, trust_env=False)
        self._control_plane = ControlPlaneClient(self._client, self._apply)
        self._routing = RoutingTable(options.home / "routing")
        self._sandbox = Sandbox(options.home, options.settings)
        self._standby_worker = StandbyWorker(options.home / "logs", self._sandbox)
        self._replicas = Replicas(self._replica_context())
        self._prediction_log = PredictionLog(options.home, seal_s=options.log_seal_s)
        self._sealer = SealerProcess(options.home)
        self._counters = VariantCounters()
        context = CallContext(
            replicas=self._replicas,
            counters=self._counters,
            prediction_log=self._prediction_log,
            deadly=DeadlyRequests(),
        )
        router = Router(
            self._routing, context, names=allowed_names(options.allowed_hosts), needs_token=options.auth == "token"
        )
        self._server = HttpServer(router.handle, Limits(body_bytes=options.max_body_bytes))
        self._table_changed = asyncio.Event()

    def _replica_context(self) -> ReplicaContext:
        loading = LoadContext(
            home=self._options.home,
            client=self._client,
            environments=Environments(self._options.home / "envs"),
            load_timeout_s=self._options.load_timeout_s,
            slots=LoadSlots(max(1, os.cpu_count() or 1)),
            standby_worker=self._standby_worker,
            sandbox=self._sandbox,
            is_outranked=self._is_outranked,
        )
        return ReplicaContext(
            loading=loading,
            serves=self._serves,
            changed=self._changed,
            hang_s=self._options.hang_s,
            probe_s=self._options.probe_s,
        )

    def _serves(self, order: RevisionSpec) -> bool:
        route = self._routing.routes.get(order.deployment)
        return route is not None and order.revision in (route.stable, route.previous)

    def _has_callers(self, order: RevisionSpec) -> bool:
        route = self._routing.routes.get(order.deployment)
        return route is not None and order.revision in (route.stable, *(variant.revision for variant in route.variants))

    def _is_outranked(self, order: RevisionSpec) -> bool:
        """Return whether nobody calls the revision while another, which is called, is not ready yet."""
        return not self._has_callers(order) and any(
            self._has_callers(replica.order) and replica.connection is None and not replica.is_down
            for replica in self._replicas.all()
        )

    def _changed(self) -> None:
        for replica in self._replicas.all():
            if replica.was_ready:
                self._prediction_log.set_features(
                    replica.order.deployment, replica.order.revision, features=replica.features
                )
        self._control_plane.changed()

    def _apply(self, desired: Desired) -> None:
        self._routing.replace(desired)
        self._replicas.follow(desired.orders)
        self._table_changed.set()

    async def _save_table(self) -> None:
        """Save each new routing table; only then is its generation reported."""
        while True:
            await self._table_changed.wait()
            self._table_changed.clear()
            desired = self._routing.desired
            try:
                await asyncio.to_thread(self._routing.save, desired)
            except OSError as error:
                _log.error("the routing table cannot be saved: %s", error)
                await asyncio.sleep(1.0)
                self._table_changed.set()
                continue
            self._saved_generation = desired.generation
            self._control_plane.changed()

    def _observe(self) -> Observed:
        return Observed(
            gateway=self._options.name,
            session=self._session,
            pid=os.getpid(),
            generation=self._saved_generation,
            address=self._address,
            revisions=self._replicas.statuses(),
            counts=self._counters.records(),
            log_dropped=self._prediction_log.dropped_count,
        )

    async def _bound_logs(self) -> None:
        """Keep the logs of the workers, which models write to as they like, to a bounded size."""
        while True:
            await asyncio.sleep(_BOUND_LOGS_S)
            for path in (self._options.home / "logs").glob("worker-*.log"):
                if await asyncio.to_thread(log_files.bound, path):
                    _log.warning("%s was very long: what it held is in %s.old now", path, path.name)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._replicas.tick(time.monotonic())

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain, flush and end."""
        make_folder(self._options.home)
        self._sandbox.prepare()
        saved = self._routing.load()
        if saved is not None:
            self._saved_generation = saved.generation
            self._routing.replace(saved)
            self._replicas.follow(saved.orders)
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        listener = listening_socket.inherited_or_bound(self._options.host, self._options.port)
        offer = partial(listening_socket.offer, "gateway", self._options.home, listener)
        loop.add_signal_handler(parent_process.SUPERVISOR_ENDED, offer)
        self._address = listening_socket.url_of(listener, self._options.host)
        server = await loop.create_server(lambda: Connection(self._server), sock=listener)
        sealer = asyncio.create_task(self._sealer.run())
        synchronising = [
            asyncio.create_task(self._control_plane.pull()),
            asyncio.create_task(self._control_plane.push(self._observe)),
        ]
        upkeep = [
            asyncio.create_task(self._save_table()),
            asyncio.create_task(self._tick()),
            asyncio.create_task(self._bound_logs()),
            asyncio.create_task(self._prediction_log.flush_and_rotate(self._sealer.notify)),
            asyncio.create_task(self._server.close_idle()),
        ]
        print(f"gateway ready {self._address}", flush=True)
        if saved is None or not saved.orders:
            # the first model must not wait for imports either; most models are of this flavour
            self._standby_worker.prepare(Path(sys.executable), {"flavors": {"sklearn": {}}})
        await _until(stopping, [sealer, *synchronising, *upkeep])
        server.close()
        await self._server.drain(grace_s=_DRAIN_S)
        await cancel([sealer, *synchronising, *upkeep])
        await self._replicas.stop()
        await self._standby_worker.stop()
        await self._prediction_log.close()
        await self._sealer.stop()
        await self._client.aclose()


async def _until(stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the signal. A task that ends before it is a bug: it is logged, and the gateway ends."""
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait({signalled, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("a part of the gateway failed", exc_info=error)


async def cancel(tasks: list[asyncio.Task[None]], *, again_s: float = 0.5) -> None:
    """Cancel the tasks until all have ended.

    Once may not be enough: `asyncio.wait_for` of Python 3.11 loses a cancellation that meets its result, and a gateway
    that waits for such a task would never end.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=again_s)
