"""Requests that ended a worker twice, known by the digest of their body; they are refused for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import blake3

REFUSED_S = 600.0
_MAX_KNOWN = 1000


class DeadlyRequests:
    """What no worker of a revision is given again. Costs nothing while there is none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, int, str], float] = OrderedDict()

    def add(self, deployment: str, revision: int, body: bytes) -> str:
        """Refuse this body at the revision from now on; return its digest."""
        digest = _digest(body)
        self._until[deployment, revision, digest] = self._clock() + REFUSED_S
        if len(self._until) > _MAX_KNOWN:
            self._until.popitem(last=False)
        return digest

    def refusal(self, deployment: str, revision: int, body: bytes) -> str:
        """Return why this body is refused, '' if it is not."""
        if not self._until:
            return ""
        key = (deployment, revision, _digest(body))
        remaining_s = self._until.get(key, 0.0) - self._clock()
        if remaining_s <= 0:
            self._until.pop(key, None)
            return ""
        return why_refused(deployment, revision, digest=key[2], remaining_s=remaining_s)


def why_refused(deployment: str, revision: int, *, digest: str, remaining_s: float = REFUSED_S) -> str:
    """Return the sentence of a refusal."""
    return (
        f"this request has ended the worker of revision {revision} of {deployment!r} twice, and is refused for"
        f" {remaining_s:.0f} s (digest {digest}); see the gateway's log"
    )


def _digest(body: bytes) -> str:
    return blake3.blake3(body).hexdigest()[:16]
