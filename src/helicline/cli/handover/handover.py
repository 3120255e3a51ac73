"""How a supervisor replaces itself by the program that is installed now, and keeps its processes (note 0038).

The process stays: the same id, the same children, the same open sockets and lock. Only its program is another one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Self

import msgspec

from helicline.errors import Unavailable

VARIABLE = "HELICLINE_HANDOVER"
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_UP = ("-m", "helicline.cli.app", "up")
_TRIAL = "import helicline.cli.up as up; up.settings_file.load()"
_TRIAL_S = 60.0


class HandedChild(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the home that runs: its id, and the descriptor of the socket that is kept for it."""

    name: str
    pid: int
    listener: int | None = None


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """What the next program takes over: processes, their addresses, and the descriptor of the lock of the home."""

    lock: int
    children: tuple[HandedChild, ...]
    urls: dict[str, str]
    token: str

    @classmethod
    def received(cls) -> Self | None:
        """Return what the program before has handed over to this one, None where this is a start."""
        text = os.environ.pop(VARIABLE, "")  # processes that this one starts must not take it for theirs
        if not text:
            return None
        handover = msgspec.json.decode(text, type=cls)
        _set_inheritable(handover.descriptors, inheritable=False)
        return handover

    @property
    def descriptors(self) -> tuple[int, ...]:
        listeners = (child.listener for child in self.children)
        return (self.lock, *(listener for listener in listeners if listener is not None))

    def give(self, environment: Mapping[str, str]) -> None:
        """Replace this program by the installed one; it returns only by an exception.

        Signals wait until the next program handles them: one that came before would end everything.

        Raises:
            Unavailable: the installed program, or its settings, cannot be loaded; this one goes on.
        """
        _try_installed(environment)
        _set_inheritable(self.descriptors, inheritable=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        sys.stdout.flush()
        try:
            os.execve(
                sys.executable,
                [sys.executable, *_UP],
                {**environment, VARIABLE: msgspec.json.encode(self).decode()},
            )
        except OSError as error:
            _set_inheritable(self.descriptors, inheritable=False)
            accept_signals()
            raise Unavailable("the installed program", str(error), "See: hl doctor") from None


def accept_signals() -> None:
    """Deliver what came while no handler was there."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _try_installed(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-c", _TRIAL]
    try:
        trial = subprocess.run(
            command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_TRIAL_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("the installed program", str(error), "Everything goes on as it was.") from None
    if trial.returncode:
        tail = "\n".join(trial.stderr.splitlines()[-3:])
        raise Unavailable("the installed program", f"it does not start:\n{tail}", "Everything goes on as it was.")


def _set_inheritable(descriptors: Iterable[int], *, inheritable: bool) -> None:
    for descriptor in descriptors:
        os.set_inheritable(descriptor, inheritable)
