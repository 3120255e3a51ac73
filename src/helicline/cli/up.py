"""`hl up`, `hl restart` and `hl down`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from helicline import settings as settings_file
from helicline.cli.handover.handover import Handover, accept_signals
from helicline.cli.handover.orphans import end_orphans
from helicline.cli.show import say
from helicline.cli.supervisor import (
    READY_TIMEOUT_S,
    RESTART_ORDER,
    RESTART_TIMEOUT_S,
    RESTARTING,
    SUPERVISOR_LOG,
    Supervisor,
    forget_addresses,
    owner_of,
)  # fmt: skip
from helicline.errors import Unavailable
from helicline.store.durable import make_folder


def up(*, detach: bool = False) -> None:
    """Start server, worker and gateway for this folder's home, and keep them running until Ctrl-C.

    Example: `hl up`, then open http://127.0.0.1:7070.

    Parameters
    ----------
    detach
        Return when everything is ready; stop it later with `hl down`.
    """
    if detach:
        _detach()
        return
    handover, settings = Handover.received(), settings_file.load()
    supervisor = Supervisor(settings)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: setattr(supervisor, "stopping", True))
    signal.signal(signal.SIGHUP, lambda *_: setattr(supervisor, "restart_asked", True))
    accept_signals()
    if handover is None:
        supervisor.start()
    else:
        supervisor.take_over(handover)
    _say_addresses(supervisor.urls["server"], supervisor.urls["gateway"])
    say("home            {}   Ctrl-C stops everything", settings.home_path)
    try:
        supervisor.tend()
    finally:
        supervisor.stop()


def _detach() -> None:
    settings = settings_file.load()
    home = settings.home_path
    if owner_of(home):
        say("already running: {}", (home / "server.url").read_text())
        return
    make_folder(home, mode=0o700)
    (home / "gateway.url").unlink(missing_ok=True)
    with (home / SUPERVISOR_LOG).open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "helicline.cli.app", "up"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ),
        )  # fmt: skip
    end = time.monotonic() + READY_TIMEOUT_S
    while not (home / "gateway.url").is_file():
        if child.poll() is not None or time.monotonic() > end:
            tail = "\n".join((home / SUPERVISOR_LOG).read_text().splitlines()[-5:])
            raise Unavailable("the server", f"it did not start:\n{tail}", "See: hl doctor")
        time.sleep(0.1)
    _say_addresses((home / "server.url").read_text(), (home / "gateway.url").read_text())
    say("home            {}   stop it with: hl down", home)


def _say_addresses(server: str, gateway: str) -> None:
    say("web UI and API  [bold]{}[/]   (MLFLOW_TRACKING_URI is the same)", server)
    say("predictions     [bold]{}[/]", gateway)


def restart() -> None:
    """Restart what `hl up` started for this folder's home, one process after the other, and fail no request.

    Sockets stay open: who calls meanwhile waits. A step that runs is handed back and goes on after it. Everything is
    then of the program that is installed now, the supervisor itself too, with the settings of the file as they are now;
    but addresses and environment variables stay those of `hl up`. To change these: `hl down`, `hl up`.

    Example: `hl restart`
    """
    home = settings_file.load().home_path
    owner = owner_of(home)
    if not owner:
        raise Unavailable("the supervisor", "nothing is running here", "Start it: hl up")
    request = home / RESTARTING
    request.write_text("")
    os.kill(owner, signal.SIGHUP)
    end = time.monotonic() + len(RESTART_ORDER) * (RESTART_TIMEOUT_S + READY_TIMEOUT_S)
    while request.is_file():
        if failure := request.read_text():
            request.unlink(missing_ok=True)
            raise Unavailable("the restart", failure, "See: hl doctor")
        if not owner_of(home) or time.monotonic() > end:
            raise Unavailable("the supervisor", "it has ended, or does not answer", "See: hl doctor")
        time.sleep(0.1)
    say("restarted: {}", (home / "server.url").read_text())


def _end_orphans(home: Path) -> None:
    names = end_orphans(home)
    if names:
        forget_addresses(home)
    say(
        "{}", f"stopped what served on without a supervisor: {', '.join(names)}" if names else "nothing is running here"
    )


def down() -> None:
    """Stop what `hl up` started for this folder's home, also what serves on after its supervisor was killed.

    Example: `hl down`
    """
    home = settings_file.load().home_path
    owner = owner_of(home)
    if not owner:
        _end_orphans(home)
        return
    os.kill(owner, signal.SIGTERM)
    end = time.monotonic() + 30
    while owner_of(home) and time.monotonic() < end:
        time.sleep(0.1)
    say("{}", f"process {owner} is still stopping" if owner_of(home) else "stopped")
