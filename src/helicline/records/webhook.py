"""Webhooks and their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address that receives events. `secret`, stored encrypted, signs the messages and is never shown again."""

    id: str
    name: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    description: str = ""
    secret: str = ""
    status: Literal["ACTIVE", "DISABLED"] = "ACTIVE"
    version: int = 1


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one webhook; `wake_at` is the time of the next attempt, None when finished."""

    id: str
    webhook: str
    seq: int
    body: str
    created_at: datetime
    state: Literal["PENDING", "DELIVERED", "DEAD"] = "PENDING"
    wake_at: datetime | None = None
    attempts: int = 0
    last_status: int = 0
    last_error: str = ""
    version: int = 1
