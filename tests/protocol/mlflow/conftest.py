"""A live server of the MLflow wire alone, and the stock client pointed at it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# read when mlflow is imported: a failing test must not retry for minutes, nor draw progress bars
os.environ |= {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
    "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT": "1",
}

import httpx
import pytest
import uvicorn

from helicline.protocol.mlflow.app import MlflowApp
from helicline.records.access import Caller
from helicline.settings import Settings
from helicline.store.blobs import LocalBlobs
from helicline.store.migrations import upgrade
from helicline.store.unit import Store


class Server:
    """One server on a free port; `role` is who the callers are taken for."""

    def __init__(self, home: Path) -> None:
        self.store = Store(f"sqlite:///{home / 'meta.db'}")
        upgrade(self.store)
        self.settings = Settings(max_body_bytes=2_000_000, max_upload_bytes=30_000_000)
        self.app = MlflowApp(self.store, LocalBlobs(home / "blobs"), self.settings)
        self.role = "admin"
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.sock.getsockname()[1]}"
        self.uvicorn = uvicorn.Server(
            uvicorn.Config(self._entry, log_level="warning", lifespan="off", interface="asgi3")
        )
        self.thread = threading.Thread(target=self.uvicorn.run, kwargs={"sockets": [self.sock]}, daemon=True)
        self.thread.start()
        while not self.uvicorn.started:
            time.sleep(0.01)

    async def _entry(self, scope, receive, send) -> None:
        scope.setdefault("state", {})["caller"] = Caller(name="tester", role=self.role)
        await self.app(scope, receive, send)

    def close(self) -> None:
        self.uvicorn.should_exit = True
        self.thread.join(timeout=10)
        self.store.close()
        self.sock.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("home"))
    yield running
    running.close()


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture
def client(server: Server):
    """The stock client."""
    import mlflow

    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield mlflow.MlflowClient(server.url)
    while mlflow.active_run() is not None:
        mlflow.end_run()


@pytest.fixture
def experiment(client, request: pytest.FixtureRequest) -> str:
    """The id of an experiment of this test alone."""
    return client.create_experiment(f"{request.node.name}-{time.time_ns()}")
