"""A limit on failed credentials: so many a minute from one address."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from helicline.errors import RateLimited

MAX_FAILURES, WINDOW_S = 10, 60.0
MAX_ADDRESSES = 10_000


class FailureLimit:
    """Counts the failures of each address in the last minute, in the memory of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def record(self, peer: str) -> None:
        """Count a failure."""
        network = _network(peer)
        with self._lock:
            self._times.setdefault(network, deque(maxlen=MAX_FAILURES)).append(self._clock())
            self._times.move_to_end(network)
            if len(self._times) > MAX_ADDRESSES:
                self._times.popitem(last=False)

    def check(self, peer: str) -> None:
        """Raise RateLimited where the address has failed too often in the last minute."""
        with self._lock:
            times = self._times.get(_network(peer), deque())
            wait_s = times[0] + WINDOW_S - self._clock() if len(times) == MAX_FAILURES else 0.0
        if wait_s > 0:
            why = f"{MAX_FAILURES} tokens from your address were wrong within a minute"
            raise RateLimited("Authentication", why, int(wait_s) + 1, "Try again later, with a token that is valid.")


def _network(peer: str) -> str:
    """Return the address; of IPv6 the /64, which one subscriber has as a whole."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    return peer if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
