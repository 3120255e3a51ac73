"""Events: one for each change, chained by hash."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A committed change. `hash` covers all fields except itself, with the previous event's hash."""

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
