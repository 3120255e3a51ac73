"""Listening sockets that outlive a process: the supervisor keeps them, and hands them to each process it starts.

While a process restarts, the kernel queues what connects, so that no client is refused (note 0021).
"""

from __future__ import annotations

import os
import socket

VARIABLE = "HELICLINE_LISTEN_FD"
_BACKLOG = 1024


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
