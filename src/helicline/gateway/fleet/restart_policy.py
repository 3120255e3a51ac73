"""When a revision is loaded again after a failed load or a crash: what serves without end, a candidate a few times."""

from __future__ import annotations

from collections import deque

import msgspec

from helicline.records.deployment import RevisionState

LOAD_TRIES = 3
CRASH_LIMIT, CRASH_SPAN_S = 5, 600.0
_BACKOFF_S, _BACKOFF_MAX_S = 0.2, 30.0
_PROBE_MAX_S = 300.0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The state until the next load, and the pause before it; None for no other load."""

    state: RevisionState
    reason: str
    pause_s: float | None


class RestartPolicy:
    """Counts the failed loads and the crashes of one revision."""

    def __init__(self, *, probe_s: float) -> None:
        self._probe_s = probe_s
        self._failed_loads = self._quarantines = 0
        self._crashes: deque[float] = deque()

    def loaded(self) -> None:
        """Forget the failed loads."""
        self._failed_loads = 0

    def load_failed(self, reason: str, *, serves: bool) -> Decision:
        """Decide after a load that failed; `serves` tells that the revision is to answer calls."""
        self._failed_loads += 1
        pause_s = _backoff(self._failed_loads, _BACKOFF_S, longest=_BACKOFF_MAX_S)
        if serves:
            return Decision(state="FAILED", reason=reason, pause_s=pause_s)
        if self._failed_loads < LOAD_TRIES:
            why = f"load {self._failed_loads} of {LOAD_TRIES} failed: {reason}"
            return Decision(state="PENDING", reason=why, pause_s=pause_s)
        return Decision(state="FAILED", reason=f"{LOAD_TRIES} loads failed; the last: {reason}", pause_s=None)

    def crashed(self, reason: str, *, now: float, serves: bool) -> Decision:
        """Decide after the end of a loaded worker."""
        self._crashes.append(now)
        while self._crashes and now - self._crashes[0] > CRASH_SPAN_S:
            self._crashes.popleft()
        if len(self._crashes) < CRASH_LIMIT:
            pause_s = _backoff(len(self._crashes), _BACKOFF_S, longest=_BACKOFF_MAX_S)
            return Decision(state="PENDING", reason=reason, pause_s=pause_s)
        self._quarantines += 1
        why = f"{len(self._crashes)} crashes in 10 minutes; the last: {reason}"
        pause_s = _backoff(self._quarantines, self._probe_s, longest=_PROBE_MAX_S)
        return Decision(state="QUARANTINED", reason=why, pause_s=pause_s if serves else None)

    def forgive_crash(self) -> None:
        """Take one crash back: a request is known to have caused it."""
        if self._crashes:
            self._crashes.pop()


def _backoff(tries: int, first_s: float, *, longest: float) -> float:
    return min(first_s * 2.0 ** min(tries - 1, 16), longest)
