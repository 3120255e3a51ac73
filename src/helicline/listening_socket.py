"""Listening sockets that outlive a process: the supervisor keeps them, and hands them to each process it starts.

While a process restarts, the kernel queues what connects, so that no client is refused (note 0021). A process whose
supervisor was killed serves on for some minutes, and listens meanwhile on a Unix socket of the home: whoever takes its
listening socket there goes on with it, and the process then ends in order (note 0046).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

VARIABLE = "HELICLINE_LISTEN_FD"
_BACKLOG = 1024
WITHOUT_SUPERVISOR_S = 600.0
SERVERS = ("server", "gateway")  # the processes that go on; a worker hands its tasks back and ends
_TAKE = b"take"
_ANSWER_S, _END_S = 5.0, 30.0
_PATH_BYTES = 100  # of the path of a Unix socket, of which systems take 103 or 107
_log = logging.getLogger("helicline.listening_socket")


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one. Raises OSError where the address is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def inherited_or_bound(host: str, port: int) -> socket.socket:
    """Return the listening socket that the supervisor has handed over; without a supervisor a new one.

    Raises:
        OSError: the address is in use.
    """
    descriptor = os.environ.pop(VARIABLE, "")  # processes that this one starts must not take it for theirs
    if not descriptor:
        return bind(host, port)
    os.set_inheritable(int(descriptor), False)
    return socket.socket(fileno=int(descriptor))


def url_of(listener: socket.socket, host: str) -> str:
    """Return the address under which clients reach a listening socket."""
    return f"http://{host}:{listener.getsockname()[1]}"


@contextlib.contextmanager
def _address(home: Path, name: str) -> Iterator[str]:
    """Yield the path of the Unix socket; where that is too long for one, a shorter path through a descriptor."""
    path = str(home / f"{name}.handover")
    if len(os.fsencode(path)) <= _PATH_BYTES or sys.platform != "linux":
        yield path
        return
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{name}.handover"
    finally:
        os.close(folder)


def offer(name: str, home: Path, listener: socket.socket, *, limit_s: float = WITHOUT_SUPERVISOR_S) -> None:
    """Have this process serve on in a thread's care; it gets SIGTERM once its socket is taken, or after `limit_s`."""
    _log.warning(
        "the supervisor has ended: the %s serves on for %.0f s, until `hl up` takes it over or `hl down` ends it",
        name,
        limit_s,
    )
    threading.Thread(
        target=_wait,
        args=(name, home),
        kwargs={"listener": listener, "limit_s": limit_s},
        daemon=True,
        name="socket-handover",
    ).start()


def _wait(name: str, home: Path, *, listener: socket.socket, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    try:
        with _offered(home, name) as unix:
            taker = _taker(unix, listener, end)
    except OSError as error:
        _log.error("the listening socket of the %s cannot be handed over: %s", name, error)
        time.sleep(max(0.0, end - time.monotonic()))
        taker = None
    _log.warning("the %s ends: %s", name, "its socket was taken over" if taker else "no supervisor came")
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()  # the connection closes with the process: by that the taker hears of its end


@contextlib.contextmanager
def _offered(home: Path, name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as unix, _address(home, name) as address:
        Path(address).unlink(missing_ok=True)
        unix.bind(address)
        Path(address).chmod(0o600)
        unix.listen()
        yield unix
        Path(address).unlink(missing_ok=True)


def _taker(unix: socket.socket, listener: socket.socket, end: float) -> socket.socket | None:
    """Return the connection of who took the socket; who only looks closes without a word."""
    while (remaining_s := end - time.monotonic()) > 0:
        unix.settimeout(remaining_s)
        with contextlib.suppress(OSError):
            connection, _ = unix.accept()
            connection.settimeout(_ANSWER_S)
            if connection.recv(len(_TAKE)) == _TAKE:
                socket.send_fds(connection, [_TAKE], [listener.fileno()])
                return connection
            connection.close()
    return None


class Orphan:
    """A process that serves on without its supervisor, as the next supervisor meets it."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.name, self._connection = name, connection
        self.pid = 0  # where the system does not say it
        if sys.platform == "linux":
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            self.pid = struct.unpack("3i", credentials)[0]

    @classmethod
    def find(cls, home: Path, name: str) -> Self | None:
        """Return the process of that name that serves on in a home, None where there is none."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_ANSWER_S)
        try:
            with _address(home, name) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            return None
        return cls(name, connection)

    def take(self, *, patience_s: float = _ANSWER_S) -> socket.socket | None:
        """Return its listening socket, and have it end in order; None where it hangs."""
        self._connection.settimeout(patience_s)
        try:
            self._connection.sendall(_TAKE)
            _, descriptors, _, _ = socket.recv_fds(self._connection, len(_TAKE), 1)
        except OSError:
            return None
        if not descriptors:
            return None
        os.set_inheritable(descriptors[0], False)
        return socket.socket(fileno=descriptors[0])

    def wait_end(self, *, patience_s: float = _END_S) -> None:
        """Return once it has ended; it is killed, with what it started, where that takes longer."""
        if not self._has_ended(patience_s) and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._has_ended(patience_s)
        self.close()

    def _has_ended(self, patience_s: float) -> bool:
        self._connection.settimeout(patience_s)
        try:
            return self._connection.recv(1) == b""
        except ConnectionError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Leave it as it is."""
        self._connection.close()


def orphans(home: Path) -> list[Orphan]:
    """Return the processes that serve on in a home; each is to be closed, or taken and waited for."""
    return [orphan for name in SERVERS if (orphan := Orphan.find(home, name)) is not None]
