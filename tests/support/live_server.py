"""A control plane that answers over a socket, in the process of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from helicline.access.tokens import owner_token
from helicline.loop.context import Context
from helicline.protocol.rest.feed import Feed
from helicline.server.app import make_app
from helicline.server.connection import Connection
from helicline.settings import Settings
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.migrations import upgrade
from support.wait import wait_for

LIMIT = 200_000


def make_context(folder: Path, **settings: Any) -> Context:
    """A context on a fresh SQLite database, with small limits for bodies."""
    limited = Settings(home=str(folder), max_body_bytes=LIMIT, max_upload_bytes=LIMIT, **settings)
    store = Store(f"sqlite:///{folder / 'meta.db'}")
    upgrade(store)
    return Context(store, LocalBlobs(folder / "blobs"), limited)


def owner_headers(settings: Settings) -> dict[str, str]:
    """Return what the command line sends by itself where it finds the home of its server."""
    return {"Authorization": f"Bearer {owner_token(settings.home_path)}"} if settings.auth == "local" else {}


@contextmanager
def running_server(context: Context) -> Iterator[httpx.Client]:
    """A client of a live server, with the connections that the program uses; in local mode it has the owner's token."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(context, Feed()), log_level="critical", lifespan="on", http=Connection)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the server to start")
    url, headers = f"http://127.0.0.1:{listener.getsockname()[1]}", owner_headers(context.settings)
    with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        yield client
    server.should_exit = True
    thread.join(10)
    listener.close()
    context.store.close()
