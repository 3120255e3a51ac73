"""A live server of the MLflow wire alone, on a free port of this machine."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn

from helicline.protocol.mlflow.app import MlflowApp
from helicline.records.access import Caller
from helicline.settings import Settings
from helicline.store.blobs import open_blobs
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from support.wait import wait_for


class MlflowWireServer:
    """One server on a free port; `role` is who the callers are taken for."""

    def __init__(self, home: Path, database: str = "", blobs: str = "", **settings: Any) -> None:
        self.store = Store(database or f"sqlite:///{home / 'meta.db'}")
        upgrade(self.store)
        self.settings = Settings(home=str(home), max_body_bytes=2_000_000, max_upload_bytes=30_000_000, **settings)
        self.blobs = open_blobs(blobs, home)
        self.app = MlflowApp(self.store, self.blobs, self.settings)
        self.requests: list[tuple[str, str]] = []
        self.role = "admin"
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.sock.getsockname()[1]}"
        self.uvicorn = uvicorn.Server(
            uvicorn.Config(self._entry, log_level="warning", lifespan="off", interface="asgi3")
        )
        self.thread = threading.Thread(target=self.uvicorn.run, kwargs={"sockets": [self.sock]}, daemon=True)
        self.thread.start()
        wait_for(lambda: self.uvicorn.started, "the server to start")

    async def _entry(self, scope, receive, send) -> None:
        scope.setdefault("state", {})["caller"] = Caller(name="tester", role=self.role)
        self.requests.append((scope["method"], scope["path"]))
        await self.app(scope, receive, send)

    def close(self) -> None:
        self.uvicorn.should_exit = True
        self.thread.join(timeout=10)
        self.store.close()
        self.sock.close()
