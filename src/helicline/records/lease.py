"""Who may act for a while: one holder at a time, told apart by a fence that only grows."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    holder: str
    fence: int
    until: datetime
    version: int = 1
