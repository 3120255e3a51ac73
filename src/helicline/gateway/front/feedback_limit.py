"""A limit on feedback of one source: it may correct a label, but it cannot outvote all others by repeating itself."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_PER_LABEL, LABEL_WINDOW_S = 20, 3600.0
MAX_PER_SOURCE, SOURCE_WINDOW_S = 600_000, 60.0
MAX_KEYS = 200_000


class FeedbackLimit:
    """Counts what each source says, in windows that begin with its first word; in the memory of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def refusal(self, source: str, label: tuple[str, ...]) -> str:
        """Count one piece of feedback, and return why it is refused, or an empty string."""
        if not self._count((source,), MAX_PER_SOURCE, window_s=SOURCE_WINDOW_S):
            return f"the source {source!r} has sent {MAX_PER_SOURCE} labels within {SOURCE_WINDOW_S:.0f} s; wait"
        if not self._count((source, *label), MAX_PER_LABEL, window_s=LABEL_WINDOW_S):
            return f"the source {source!r} has set this label {MAX_PER_LABEL} times within an hour; wait"
        return ""

    def _count(self, key: tuple[str, ...], limit: int, *, window_s: float) -> bool:
        now = self._clock()
        since, count = self._windows.get(key, (now, 0))
        if now - since >= window_s:
            since, count = now, 0
        self._windows[key] = (since, count + 1)
        self._windows.move_to_end(key)
        if len(self._windows) > MAX_KEYS:
            self._windows.popitem(last=False)
        return count < limit
