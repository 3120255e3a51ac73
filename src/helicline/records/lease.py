"""Leases: the time-limited right to act of one holder; the fence grows with every new holder."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    holder: str
    fence: int
    until: datetime
    version: int = 1
