"""A limit on the connections of one peer that ask for nothing: half-open ones, and idle ones."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from typing import Protocol

MAX_QUIET = 512
_LOG_EVERY_S = 60.0


def descriptors_for_one_peer() -> int:
    """Return how many of its file descriptors a process leaves to one peer: the rest serves others, and files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_QUIET if soft == resource.RLIM_INFINITY else max(8, soft // 2)


class LimitedConnection(Protocol):
    """A connection that the limit may close."""

    @property
    def is_quiet(self) -> bool:
        """Whether no whole request waits for its answer."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class PeerLimit:
    """Closes the oldest quiet connection of a peer that has too many of them; busy ones are never closed."""

    def __init__(
        self, log: logging.Logger, *, max_quiet: int = MAX_QUIET, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._clock = log, clock
        self._max_quiet = min(max_quiet, descriptors_for_one_peer())
        self._connections: dict[str, dict[LimitedConnection, None]] = {}
        self._logged_at: dict[str, float] = {}

    def add(self, host: str, connection: LimitedConnection) -> None:
        """Count a new connection of a peer, and make room for it."""
        of_peer = self._connections.setdefault(host, {})
        of_peer[connection] = None
        if len(of_peer) <= self._max_quiet:
            return
        quiet = [other for other in of_peer if other.is_quiet]
        for oldest in quiet[: max(0, len(quiet) - self._max_quiet)]:
            self._tell(host)
            del of_peer[oldest]
            oldest.close()

    def remove(self, host: str, connection: LimitedConnection) -> None:
        """Forget a connection that has ended."""
        of_peer = self._connections.get(host, {})
        of_peer.pop(connection, None)
        if not of_peer:
            self._connections.pop(host, None)
            self._logged_at.pop(host, None)

    def _tell(self, host: str) -> None:
        now = self._clock()
        if now - self._logged_at.get(host, -_LOG_EVERY_S) < _LOG_EVERY_S:
            return
        self._logged_at[host] = now
        self._log.warning(
            "%s has over %d connections that are idle or half-open: the oldest are closed", host, self._max_quiet
        )
