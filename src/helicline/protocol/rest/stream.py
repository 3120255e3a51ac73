"""The live stream of changes, which ends with the credential of its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get
from litestar.response import Stream

from helicline.protocol.rest.feed import Feed

HEARTBEAT_S = 15.0
CREDENTIAL_NOUNS = ("session", "token")


class Credential(msgspec.Struct, frozen=True):
    """What a caller was let in by: a question whether it is valid still, and when it ends at the latest."""

    is_valid: Callable[[], bool]
    expires_at: datetime | None = None

    def remaining_s(self, now: datetime) -> float:
        return HEARTBEAT_S if self.expires_at is None else (self.expires_at - now).total_seconds()


PERMANENT = Credential(lambda: True)  # of the owner, and of local callers without a token


@get("/stream", media_type="text/event-stream")
async def stream(request: Request[Any, Any, Any], feed: Feed, after: int = -1) -> Stream:
    """Server-sent events: `{seq, noun, id, verb, at}` of every change after `after` (default: now).

    The stream ends when the session or the token of the caller ends.
    """
    credential = request.scope["state"].get("credential", PERMANENT)
    return Stream(
        _live(feed, feed.seq if after < 0 else after, credential),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _live(feed: Feed, seq: int, credential: Credential) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    loop = asyncio.get_running_loop()
    checked_at = loop.time()
    while not feed.closed:
        events = feed.after(seq)
        # the heartbeat's check finds what ended on another server, whose events do not arrive here
        is_check_due = loop.time() - checked_at >= HEARTBEAT_S or credential.remaining_s(datetime.now(UTC)) <= 0
        if is_check_due or any(event.noun in CREDENTIAL_NOUNS for event in events):
            if not await asyncio.to_thread(credential.is_valid):
                return
            checked_at = loop.time()
        for event in events:
            seq = event.seq
            body = {"seq": event.seq, "noun": event.noun, "id": event.id, "verb": event.verb, "at": event.at}
            yield b"id: %d\ndata: %s\n\n" % (seq, msgspec.json.encode(body))
        if not await feed.wait(seq, min(HEARTBEAT_S, max(credential.remaining_s(datetime.now(UTC)), 0.05))):
            yield b": still here\n\n"


ROUTES = [stream]
