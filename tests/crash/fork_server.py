"""Servers forked from a process that has imported everything: hundreds of starts take tenths of a second each.

A line on standard input is the number of a port; the answer is the process id of a server that begins there.
"""

import os
import sys
import tempfile
from collections.abc import Callable

from helicline.protocol.rest.feed import Feed
from helicline.server.app import make_app
from helicline.server.main import main, open_context
from helicline.settings import Settings


def warm_up() -> None:
    """Build an application once: what that computes and keeps, the forks need not compute again."""
    with tempfile.TemporaryDirectory() as home:
        context = open_context(Settings(home=home))
        make_app(context, Feed())
        context.store.close()  # no thread may run at a fork


def child(port: str, serve: Callable[[], None]) -> None:
    os.environ["HELICLINE_PORT"] = port
    try:
        serve()
    except SystemExit as ended:
        os._exit(int(ended.code or 0) if isinstance(ended.code, int | None) else 1)
    os._exit(0)


def serve_forks(serve: Callable[[], None] = main) -> None:
    warm_up()
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(line.strip(), serve)
        print(f"forked {process}", flush=True)
        os.waitpid(process, 0)
        print(f"ended {process}", flush=True)


if __name__ == "__main__":
    serve_forks()
