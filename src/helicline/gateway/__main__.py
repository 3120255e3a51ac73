"""`python -m helicline.gateway --home DIR --server URL [--host H] [--port P]`."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import IO

import uvloop

from helicline import parent_process, settings
from helicline.gateway.app import Gateway, Options
from helicline.store.durable import make_folder

_LOAD_TIMEOUT = "HELICLINE_LOAD_TIMEOUT_S"
_HANG = "HELICLINE_HANG_S"
_PROBE = "HELICLINE_PROBE_S"
_PATIENCE_S, _LOOK_S = 40.0, 0.1
_log = logging.getLogger("helicline.gateway")


def options(arguments: list[str]) -> Options:
    """Return the options of a command line over the settings."""
    configured = settings.load()
    parser = argparse.ArgumentParser(prog="helicline.gateway")
    parser.add_argument("--home", type=Path, default=configured.home_path)
    parser.add_argument("--server", default=configured.url or f"http://127.0.0.1:{configured.port}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=configured.gateway_port, help="0 picks a free one")
    parser.add_argument("--name", default="", help="how this gateway is called; by default after machine and home")
    parsed = parser.parse_args(arguments)
    home = parsed.home.expanduser().resolve()
    return Options(
        home=home,
        server=parsed.server.rstrip("/"),
        name=parsed.name or default_name(home),
        host=parsed.host,
        port=parsed.port,
        token=configured.token,
        allowed_hosts=configured.allowed_hosts,
        auth=configured.auth,
        max_body_bytes=configured.max_body_bytes,
        log_seal_s=configured.log_seal_s,
        settings=configured,
        load_timeout_s=float(os.environ.get(_LOAD_TIMEOUT, "300")),
        hang_s=float(os.environ.get(_HANG, "5")),
        probe_s=float(os.environ.get(_PROBE, "30")),
    )


def default_name(home: Path) -> str:
    """Return a name that no gateway of another home or machine has; a home has one gateway at a time."""
    return f"{socket.gethostname()}-{hashlib.sha256(str(home).encode()).hexdigest()[:6]}"


async def _run(gateway_options: Options) -> None:
    await Gateway(gateway_options).run()


def _locked(home: Path, *, patience_s: float) -> IO[bytes] | None:
    """Return the lock of a home, held until the process ends, or None where another gateway keeps it so long."""
    make_folder(home)
    lock = (home / "gateway.lock").open("ab")
    end, waits = time.monotonic() + patience_s, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                lock.close()
                return None
            if not waits:
                _log.warning("an earlier gateway of this home has not ended yet; waiting for its end")
            waits = True
            time.sleep(_LOOK_S)
        else:
            return lock


def main(arguments: list[str]) -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit code."""
    is_supervised = parent_process.end_with_supervisor(by=parent_process.SUPERVISOR_ENDED)
    gateway_options = options(arguments)
    logging.basicConfig(level=settings.load().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # a supervisor has the home to itself: who still holds the lock is ending, since its own supervisor was killed
    lock = _locked(gateway_options.home, patience_s=_PATIENCE_S if is_supervised else 0.0)
    if lock is None:
        print(f"another gateway already serves from {gateway_options.home}", file=sys.stderr)
        return 1
    with lock:
        uvloop.run(_run(gateway_options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
