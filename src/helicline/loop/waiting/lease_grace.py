"""Decides when a lease that has run out says that its holder is silent.

While the server did not run nobody could extend a lease: after its start, after it was stopped (SIGSTOP, a laptop that
slept) and after its clock was set ahead, holders first have the length of a lease to call.
"""

from __future__ import annotations

import logging
from datetime import datetime

log = logging.getLogger("helicline.loop")


class LeaseGrace:
    """Counts the time in which this server looked at the leases without a break."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        # holders call three times a lease: what was extended just before a shorter break has not run out after it
        self._longest_break_s = lease_s / 2
        self._counted_s = 0.0
        self._latest: datetime | None = None

    def begin_anew(self) -> None:
        """Forget what was counted: this server has just begun to look."""
        self._counted_s, self._latest = 0.0, None

    def is_over(self, now: datetime) -> bool:
        """Return whether leases that have run out by now count as silence; to be asked at each look.

        A break in the grace itself counts in part, so that a server that always looks late gives leases up at last.
        """
        break_s = (now - self._latest).total_seconds() if self._latest is not None else 0.0
        self._latest = now
        if break_s > self._longest_break_s and self._counted_s >= self._lease_s:
            log.warning(
                "the server did not run for %.0f s, or its clock was set: holders of leases have %.0f s to call",
                break_s,
                self._lease_s,
            )
            self._counted_s = 0.0
        else:
            self._counted_s += min(max(break_s, 0.0), self._longest_break_s)
        return self._counted_s >= self._lease_s
