"""What the bus carries: one event per change, chained by hash."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was committed. `hash` covers every field but itself and the previous event's hash."""

    seq: int
    at: datetime
    actor: str
    verb: str
    noun: str
    id: str
    detail: dict[str, Any] = {}
    request_id: str = ""
    previous_hash: str = ""
    hash: str = ""
