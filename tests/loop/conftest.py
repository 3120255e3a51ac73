"""What the tests of whole turns share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.simulated_loop import SimulatedLoop


@pytest.fixture
def world(database_url: str, tmp_path: Path, blobs: Any) -> Iterator[SimulatedLoop]:
    """A server, a worker, a gateway and people of one loop, on a clock of their own."""
    simulated = SimulatedLoop(database_url, tmp_path, blobs)
    yield simulated
    assert simulated.woken_late() == simulated.lost_wake_ups
    simulated.store.close()
