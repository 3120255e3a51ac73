"""The gateway put together: what it is made of, how it starts and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path

import httpx
import msgspec

from helicline.gateway.counts import Counts
from helicline.gateway.fleet.environment import Environments
from helicline.gateway.fleet.replica import Surroundings
from helicline.gateway.fleet.roster import Roster
from helicline.gateway.fleet.spare import Spare
from helicline.gateway.front import calls
from helicline.gateway.front.calls import Desk
from helicline.gateway.front.connection import Connection, Limits, Listener
from helicline.gateway.front.origin import Doorman
from helicline.gateway.front.paths import Front
from helicline.gateway.journal import Journal, Sealer
from helicline.gateway.routing import Routing
from helicline.gateway.sync import Sync
from helicline.ids import new_run_id
from helicline.records.deployment import Desired, Observed
from helicline.store.durable import make_folder

_log = logging.getLogger("helicline.gateway")
_SWEEP_S = 0.05
_DRAIN_S = 30.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a gateway is started."""

    home: Path
    server: str
    name: str = "local"
    host: str = "127.0.0.1"
    port: int = 7080
    token: str = ""
    allowed_hosts: str = ""
    max_body_bytes: int = 16 * 1024 * 1024
    log_seal_s: float = 2.0
    load_timeout_s: float = 300.0


class Gateway:
    """One gateway process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._session = new_run_id()
        self._address = ""
        self._kept_generation = 0
        headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
        self._client = httpx.AsyncClient(base_url=options.server, headers=headers, trust_env=False)
        self._sync = Sync(self._client, self._apply)
        self._routing = Routing(options.home / "routing")
        self._spare = Spare(options.home / "logs")
        self._roster = Roster(self._surroundings())
        self._journal = Journal(options.home, seal_s=options.log_seal_s)
        self._sealer = Sealer(options.home)
        self._counts = Counts()
        desk = Desk(roster=self._roster, counts=self._counts, journal=self._journal)
        front = Front(self._routing, desk, doorman=Doorman(options.allowed_hosts.split(",")))
        self._listener = Listener(front.handle, Limits(body_bytes=options.max_body_bytes))
        self._keeping = asyncio.Event()

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            home=self._options.home,
            client=self._client,
            environments=Environments(self._options.home / "envs"),
            load_timeout_s=self._options.load_timeout_s,
            spare=self._spare,
            loading=asyncio.Semaphore(max(1, os.cpu_count() or 1)),
            changed=self._changed,
        )

    def _changed(self) -> None:
        for replica in self._roster.each():
            if replica.was_ready:
                self._journal.describe(replica.order.deployment, replica.order.revision, features=replica.features)
        self._sync.changed()

    def _apply(self, desired: Desired) -> None:
        self._routing.swap(desired)
        self._roster.follow(desired.orders)
        self._keeping.set()

    async def _keep_page(self) -> None:
        """Write each new routing page; only then is its generation reported."""
        while True:
            await self._keeping.wait()
            self._keeping.clear()
            desired = self._routing.desired
            try:
                await asyncio.to_thread(self._routing.keep, desired)
            except OSError as error:
                _log.error("the routing page cannot be kept: %s", error)
                await asyncio.sleep(1.0)
                self._keeping.set()
                continue
            self._kept_generation = desired.generation
            self._sync.changed()

    def _observe(self) -> Observed:
        return Observed(
            gateway=self._options.name,
            session=self._session,
            pid=os.getpid(),
            generation=self._kept_generation,
            address=self._address,
            revisions=self._roster.statuses(),
            counts=self._counts.records(),
            log_dropped=self._journal.dropped_count,
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            calls.sweep(self._roster, time.monotonic())

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain, flush and end."""
        make_folder(self._options.home)
        kept = self._routing.restore()
        if kept is not None:
            self._kept_generation = kept.generation
            self._routing.swap(kept)
            self._roster.follow(kept.orders)
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        server = await loop.create_server(
            lambda: Connection(self._listener), self._options.host, self._options.port, backlog=1024
        )
        port = server.sockets[0].getsockname()[1]
        self._address = f"http://{self._options.host}:{port}"
        sealer = asyncio.create_task(self._sealer.keep_alive())
        talking = [
            asyncio.create_task(self._sync.pull()),
            asyncio.create_task(self._sync.push(self._observe)),
        ]
        upkeep = [
            asyncio.create_task(self._keep_page()),
            asyncio.create_task(self._sweep()),
            asyncio.create_task(self._journal.turn(self._sealer.wake)),
            asyncio.create_task(self._listener.sweep()),
        ]
        print(f"gateway ready {self._address}", flush=True)
        if kept is None or not kept.orders:
            # the first model shall not wait for imports either; most are of this flavour
            self._spare.prepare(Path(sys.executable), {"flavors": {"sklearn": {}}})
        await _until(stopping, [sealer, *talking, *upkeep])
        server.close()
        await self._listener.drain(grace_s=_DRAIN_S)
        await _cancel([sealer, *talking, *upkeep])
        await self._roster.stop()
        await self._spare.stop()
        await self._journal.close()
        await self._sealer.finish()
        await self._client.aclose()


async def _until(stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the signal; a task that ends before it is a bug: logged, and the gateway ends."""
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait({signalled, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("a part of the gateway failed", exc_info=error)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
