"""Where time comes from. Nothing else in the product asks the operating system for the time of a decision."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What every decision that depends on time is handed."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long (or pretend to)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class FakeClock:
    """A clock that stands still until it is told to move: weeks pass in milliseconds."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def epoch_ms(moment: datetime) -> int:
    """Return milliseconds since 1970-01-01 UTC, the form of times on the wire."""
    return round(moment.timestamp() * 1000)


def from_epoch_ms(millis: int) -> datetime:
    """Return the aware UTC datetime of a wire time."""
    return datetime.fromtimestamp(millis / 1000, UTC)
