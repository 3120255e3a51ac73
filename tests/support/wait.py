"""Waiting for an event with a limit, instead of sleeping for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LIMIT_S = 90.0
INTERVAL_S = 0.02


def wait_for(
    condition: Callable[[], Any], event: str, *, limit_s: float = LIMIT_S, interval_s: float = INTERVAL_S
) -> Any:
    """Return the first true result of `condition`; fail the test when there is none within `limit_s`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(interval_s)
    raise AssertionError(f"waited {limit_s:g} s in vain for {event}")
