"""Whether the supervised processes still answer: one that hangs has not ended, and yet serves nobody."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

PROBE_EVERY_S, PROBE_TIMEOUT_S, PROBES = 3.0, 5.0, 3
BEAT_LIMIT_S = 60.0

Probe = Callable[[], bool]


def answers(url: str, *, timeout_s: float = PROBE_TIMEOUT_S) -> Probe:
    """Return a probe that asks an address; any answer in time will do, even an error."""

    def probe() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=timeout_s):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    return probe


class Beats:
    """A probe that looks whether a process touches its file while it works.

    How long ago that was is counted from when the probe saw it: by the clock, a file would be old after a jump of it.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._path, self._now = path, now
        self._touched = 0.0
        self._since = now()

    def __call__(self) -> bool:
        try:
            touched = self._path.stat().st_mtime
        except OSError:  # one that has not begun yet
            return True
        if touched != self._touched:
            self._touched, self._since = touched, self._now()
        return self._now() - self._since <= BEAT_LIMIT_S


def beat_age_s(path: Path) -> float | None:
    """Return how long ago the process touched its file, or None where there is none."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return None


class Watch:
    """Probes a process again and again in a thread of its own; `is_hung` after three probes in a row without answer."""

    def __init__(self, probe: Probe, *, every_s: float = PROBE_EVERY_S) -> None:
        self._probe, self._every_s = probe, every_s
        self._failures = 0
        self._stopping = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="health").start()

    @property
    def is_hung(self) -> bool:
        return self._failures >= PROBES

    def begin_anew(self) -> None:
        """Forget the failures: another process has been started."""
        self._failures = 0

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self._failures = 0 if self._probe() else self._failures + 1
