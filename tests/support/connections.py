"""What the other end has done with a connection."""

from __future__ import annotations

import socket


def is_closed_by_peer(connection: socket.socket) -> bool:
    """Whether the other end closes the connection before it sends anything; waits for the socket's own timeout.

    The kernel ends a connection with a reset, not with an end of file, where bytes had come that nobody read.
    """
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
