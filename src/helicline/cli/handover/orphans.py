"""What a killed supervisor has left: processes that serve on, whose sockets the next supervisor takes (note 0046)."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from helicline import listening_socket
from helicline.listening_socket import Orphan, orphans

_PATIENCE_S, _LOOK_S = 5.0, 0.1


def taken_or_bound(home: Path, name: str, *, host: str, port: int) -> socket.socket:
    """Return a listening socket: that of the process of this name that serves on, once it has ended, or a new one.

    Raises:
        OSError: the address is in use by something else.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        orphan = Orphan.find(home, name)
        listener = _take(orphan) if orphan is not None else None
        if listener is not None and _listens_at(listener, host, port):
            return listener
        if listener is not None:
            listener.close()
        try:
            return listening_socket.bind(host, port)
        except OSError:  # one whose supervisor was killed a moment ago offers its socket in another one
            if time.monotonic() > end:
                raise
        time.sleep(_LOOK_S)


def _take(orphan: Orphan) -> socket.socket | None:
    listener = orphan.take()
    if listener is None:
        orphan.wait_end(patience_s=_LOOK_S)
    else:
        orphan.wait_end()
    return listener


def _listens_at(listener: socket.socket, host: str, port: int) -> bool:
    address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4]
    now = listener.getsockname()
    return now[0] == address[0] and port in (0, now[1])


def end_orphans(home: Path) -> list[str]:
    """End the processes that serve on in a home, in order; return their names."""
    left_over = sorted(orphans(home), key=lambda orphan: orphan.name)  # the gateway reports to the server
    for orphan in left_over:
        if (listener := _take(orphan)) is not None:
            listener.close()
    return [orphan.name for orphan in left_over]
