"""`python -m helicline.server.main`: one control plane process, started by the supervisor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from functools import partial

import uvicorn

from helicline import listening_socket, parent_process, webhooks
from helicline import settings as settings_file
from helicline.bus import PeriodicTask
from helicline.errors import HeliclineError, Invalid
from helicline.loop.context import Context
from helicline.loop.monitors.feedback_check import FeedbackCheck
from helicline.loop.overview import servers
from helicline.loop.reconciler import Reconciler
from helicline.loop.trash.retention import Retention
from helicline.protocol.rest.feed import Feed
from helicline.server.app import make_app
from helicline.server.audit_anchor import AuditAnchor, forget_anchor
from helicline.server.connection import Connection
from helicline.server.outgoing.notifier import Notifier
from helicline.server.outgoing.webhook_dispatcher import WebhookDispatcher
from helicline.settings import Settings
from helicline.store.blobs import open_blobs
from helicline.store.database import Store
from helicline.store.durable import make_folder
from helicline.store.migrations import upgrade
from helicline.store.vault import Vault

log = logging.getLogger("helicline.server")


def open_context(settings: Settings) -> Context:
    """Return the context of the home with its store and blobs, after migrating the schema."""
    home = settings.home_path
    make_folder(home, mode=0o700)
    store = Store(settings.database_url)
    upgrade(store)
    store.write(lambda tx: webhooks.seal_unsealed(tx, Vault.of(settings)))
    store.write(webhooks.record_unread)
    return Context(store, open_blobs(settings.blobs, home), settings)


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket, the supervisor's where there is one; port 0 selects a free port.

    Raises:
        Invalid: the address is not a loopback address, and `auth` does not require tokens.
    """
    if settings.auth not in ("local", "token"):
        raise Invalid("auth", settings.auth, "local or token")
    if settings.auth == "local" and settings.host not in ("127.0.0.1", "::1", "localhost"):
        hint = "Set HELICLINE_AUTH=token and HELICLINE_ALLOWED_HOSTS to serve other machines."
        raise Invalid("host", settings.host, "127.0.0.1 or ::1 while auth is local", hint)
    return listening_socket.inherited_or_bound(settings.host, settings.port)


async def serve(context: Context, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then finish active requests and reject new ones."""
    feed = Feed()
    reconciler = Reconciler(context, holder=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    dispatcher = WebhookDispatcher(context.store, context.settings)
    context.store.listeners += [reconciler.wake, dispatcher.wake]
    context.store.share_events()
    tasks: list[PeriodicTask] = [reconciler, dispatcher, Retention(context), FeedbackCheck(context)]
    tasks += [Notifier(context.store, context.settings)]
    if context.settings.audit_anchor:
        tasks.append(AuditAnchor(context.store, context.settings))
    else:
        forget_anchor(context.store)
    config = uvicorn.Config(
        make_app(context, feed), log_config=None, access_log=False, timeout_graceful_shutdown=5, lifespan="on",
        loop="uvloop" if sys.platform != "win32" else "asyncio", http=Connection, server_header=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        feed.close()  # ends long polls and streams first, so that the graceful shutdown is short
        server.should_exit = True

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop)
    offer = partial(listening_socket.offer, "server", context.home, listener)
    loop.add_signal_handler(parent_process.SUPERVISOR_ENDED, offer)
    threads = [threading.Thread(target=task.run, name=f"helicline-{task.name}", daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    address = listener.getsockname()
    # objects of the start live on, and answers leave few reference cycles, so collections can be rare
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    print(f"server ready http://{address[0]}:{address[1]}", flush=True)
    if not context.store.is_sqlite:
        await asyncio.to_thread(_note_start, context, reconciler.holder)
    try:
        await server._serve([listener])  # `serve` would install signal handlers of its own
    finally:
        if not context.store.is_sqlite:
            await asyncio.to_thread(context.store.write, partial(servers.note_stop, holder=reconciler.holder))
        for task in tasks:
            task.stop()
        for thread in threads:
            await asyncio.to_thread(thread.join, 10)


def _note_start(context: Context, holder: str) -> None:
    """Record the start, and log what this server does not share with others of the same database."""
    home = servers.home_id(context.home)
    blobs = context.settings.blobs or home  # without a bucket they lie in the home
    for sentence in context.store.write(partial(servers.note_start, holder=holder, home=home, blobs=blobs)):
        log.warning("%s", sentence)


def main() -> None:
    parent_process.end_with_supervisor(by=parent_process.SUPERVISOR_ENDED)
    settings = settings_file.load()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.umask(0o077)
    try:
        listener = listen(settings)
        context = open_context(settings)
    except (HeliclineError, OSError) as error:
        sys.exit(str(error))
    try:
        import uvloop

        uvloop.run(serve(context, listener))
    finally:
        context.store.close()


if __name__ == "__main__":
    main()
