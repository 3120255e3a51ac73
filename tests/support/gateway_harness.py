"""The harness of the gateway's tests: models saved by stock MLflow, a small control plane, a gateway process."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import psutil

from helicline import listening_socket
from helicline.content_hash import content_digest, hashed_files
from helicline.records.deployment import Desired, Observed, RevisionSpec, Route, Variant
from support.wait import wait_for


@functools.cache
def models() -> Path:
    """Return the folder of the test models, saved once a session in a process of their own."""
    folder = Path(tempfile.mkdtemp(prefix="helicline-models-"))
    script = Path(__file__).with_name("save_models.py")
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@functools.cache
def archive(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        packed.add(folder, arcname=".")
    return buffer.getvalue()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A gateway that was killed leaves in the middle of its long poll."""


class ControlPlane:
    """Speaks the two sync routes and the archive route; the test says what is desired."""

    def __init__(self) -> None:
        self.desired = Desired(generation=0)
        self.observed: Observed | None = None
        self.reports: list[Observed] = []
        self.tokens: set[str] = set()
        self.archives: dict[str, bytes] = {}
        self._moved = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        plane = self

        class Handler(_Handler):
            control = plane

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            with self._moved:
                self._moved.notify_all()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def want(self, orders, routes) -> Desired:
        """Desire this from now on."""
        with self._moved:
            self.desired = Desired(generation=self.desired.generation + 1, orders=tuple(orders), routes=tuple(routes))
            self._moved.notify_all()
            return self.desired

    def newer_than(self, after: int, wait_s: float) -> Desired | None:
        with self._moved:
            self._moved.wait_for(lambda: self.desired.generation > after or self._server is None, wait_s)
            return self.desired if self.desired.generation > after else None

    def status(self, deployment: str, revision: int):
        statuses = self.observed.revisions if self.observed else ()
        return next((s for s in statuses if (s.deployment, s.revision) == (deployment, revision)), None)

    def until(self, deployment: str, revision: int, state: str):
        """Return the status of a revision once the gateway reported it in that state."""
        return wait_for(
            lambda: (s := self.status(deployment, revision)) and s.state == state and s,
            f"{deployment}#{revision} {state}; it is {self.status(deployment, revision)}",
        )

    def applied(self, desired: Desired) -> None:
        wait_for(lambda: self.observed and self.observed.generation >= desired.generation, "the generation applied")

    def order(self, deployment: str, revision: int, model: str) -> RevisionSpec:
        digest = content_digest(hashed_files(models() / model))
        self.archives[f"/api/v1/models/{model}/{revision}/archive"] = archive(models() / model)
        return RevisionSpec(
            deployment=deployment,
            revision=revision,
            model=model,
            model_version=revision,
            digest=digest,
            archive_path=f"/api/v1/models/{model}/{revision}/archive",
        )


class _Handler(BaseHTTPRequestHandler):
    control: ControlPlane
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _send(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.control.tokens.add(self.headers.get("authorization", ""))
        parts = urlsplit(self.path)
        if parts.path == "/api/v1/gateway/desired":
            query = parse_qs(parts.query)
            desired = self.control.newer_than(int(query["after"][0]), float(query["wait_s"][0]))
            self._send(200, msgspec.json.encode(desired)) if desired else self._send(204)
        elif parts.path in self.control.archives:
            self._send(200, self.control.archives[parts.path])
        else:
            self._send(404, b"no such archive")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.control.observed = msgspec.json.decode(body, type=Observed)
        self.control.reports.append(self.control.observed)
        self._send(204)


class GatewayProcess:
    """A gateway as a user runs it."""

    def __init__(self, home: Path, server: str, listener: socket.socket | None = None, **environ: str) -> None:
        self.home = home
        if listener is not None:
            environ = {**environ, listening_socket.VARIABLE: str(listener.fileno())}
        self.errors = home.parent / f"{home.name}-stderr.txt"
        command = ["-m", "helicline.gateway", "--home", str(home), "--server", server, "--port", "0"]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "HELICLINE_LOG_SEAL_S": "0.3", **environ},
                cwd=home.parent,
                pass_fds=[listener.fileno()] if listener is not None else [],
            )
        line = self.process.stdout.readline().decode()
        assert line.startswith("gateway ready http://127.0.0.1:"), self.errors.read_text()
        self.url = line.split()[-1]
        self.client = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname, parts.port

    def _end(self, number: int) -> int:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        return self._end(signal.SIGKILL)


def worker_pids(gateway: GatewayProcess) -> list[int]:
    """Return the processes of the gateway's workers, those that still load and the standby worker included."""
    workers = []
    for child in psutil.Process(gateway.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(part.endswith("launch.py") for part in child.cmdline()):
                workers.append(child.pid)
    return workers


def kill_worker(pid: int) -> None:
    """Kill a worker, which may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def route(deployment: str, stable: int, candidate: int = 0, weight_bp: int = 0, **more) -> Route:
    variants = [Variant(revision=stable, weight_bp=10_000 - weight_bp)]
    if candidate:
        variants.append(Variant(revision=candidate, weight_bp=weight_bp))
    return Route(deployment=deployment, generation=1, stable=stable, variants=tuple(variants), **more)


class GatewayHarness:
    """A control plane and a gateway that follows it."""

    def __init__(self, folder: Path, listener: socket.socket | None = None, **environ: str) -> None:
        self.folder, self.listener, self.environ = folder, listener, environ
        folder.mkdir(parents=True, exist_ok=True)
        self.plane = ControlPlane()
        self.gateway = GatewayProcess(folder / "home", self.plane.url, listener, **environ)

    @property
    def home(self) -> Path:
        return self.gateway.home

    @property
    def client(self) -> httpx.Client:
        return self.gateway.client

    def deploy(self, deployment: str, *models: str, weight_bp: int = 0, **more) -> None:
        """Serve models as revisions 1, 2 of a deployment beside what is served; wait until they are ready."""
        orders = [self.plane.order(deployment, number, model) for number, model in enumerate(models, 1)]
        desired_before = self.plane.desired
        other_orders = [order for order in desired_before.orders if order.deployment != deployment]
        routes = [r for r in desired_before.routes if r.deployment != deployment]
        new_route = route(deployment, 1, len(models) if len(models) > 1 else 0, weight_bp, **more)
        desired = self.plane.want([*other_orders, *orders], [*routes, new_route])
        for number in range(1, len(models) + 1):
            self.plane.until(deployment, number, "READY")
        self.plane.applied(desired)

    def reroute(self, changed: Route) -> Desired:
        desired_before = self.plane.desired
        other_routes = [r for r in desired_before.routes if r.deployment != changed.deployment]
        return self.plane.want(desired_before.orders, [*other_routes, changed])

    def counts(self, deployment: str, revision: int, rollout: int = 0):
        """Return what the gateway last reported of a variant."""
        key = (deployment, revision, rollout)
        counts = self.plane.observed.counts if self.plane.observed else ()
        return next((c for c in counts if (c.deployment, c.revision, c.rollout) == key), None)

    def restart(self, server: str = "") -> GatewayProcess:
        self.gateway = GatewayProcess(self.home, server or self.plane.url, self.listener, **self.environ)
        return self.gateway

    def close(self) -> None:
        self.gateway.stop()
        self.plane.stop()


@functools.cache
def shared() -> GatewayHarness:
    """Return the one gateway of the session that serves every healthy model under its own name."""
    harness = GatewayHarness(Path(tempfile.mkdtemp(prefix="helicline-shared-")))
    atexit.register(harness.close)
    names = ("iris", "tensor", "mixed", "unsigned", "sums", "picky", "odd", "blobs")
    orders = [harness.plane.order(name, 1, name) for name in names]
    desired = harness.plane.want(orders, [route(name, 1) for name in names])
    for name in names:
        harness.plane.until(name, 1, "READY")
    harness.plane.applied(desired)
    return harness
