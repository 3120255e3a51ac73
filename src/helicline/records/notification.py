"""What is told to people outside of the program, and where."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

ChannelKind = Literal["slack", "email", "webhook", "apprise"]
NotificationState = Literal["PENDING", "SENT"]
MANY_ATTEMPTS = 8  # after so many a channel that cannot be told stands under "Needs you" itself


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A place to tell people: `secret` names the secret that holds its address. `about` are kinds of needs, () for all.

    The address of Slack is that of an incoming webhook, of e-mail and others a URL of apprise (mailtos://...).
    """

    kind: ChannelKind
    secret: str
    about: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.secret}"


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is told of one need. It stays, told, as long as the need lasts, and for a while after.

    `gone_at` is when the need was first missing; it is told anew where it comes back later than that while.
    """

    channel: str
    need: str
    sentence: str
    link: str
    command: str
    created_at: datetime
    wake_at: datetime | None
    state: NotificationState = "PENDING"
    attempts: int = 0
    last_error: str = ""
    gone_at: datetime | None = None
    version: int = 1
