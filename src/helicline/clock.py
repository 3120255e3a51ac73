"""The source of time. No decision reads the time of the operating system directly."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The clock of decisions that depend on time."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long; a fake clock advances instead."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class FakeClock:
    """A clock that moves only by `advance` and `sleep`: tests run weeks in milliseconds."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def epoch_ms(moment: datetime) -> int:
    """Return milliseconds since 1970-01-01 UTC, the form of times in the protocols."""
    return round(moment.timestamp() * 1000)


def from_epoch_ms(millis: int) -> datetime:
    """Return the aware UTC datetime of milliseconds since 1970."""
    return datetime.fromtimestamp(millis / 1000, UTC)
