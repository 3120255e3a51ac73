"""Sessions of people who signed in with a token: a row each, so that every server of a database knows when one ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

import msgspec

from helicline import bus
from helicline.access.tokens import digest_of, is_valid
from helicline.records.access import Session, Token
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

LIFETIME = timedelta(hours=12)


def open_session(tx: Tx, *, token_sha256: str, until: datetime | None) -> tuple[Session, str]:
    """Return a new session, which ends no later than `until`, and its secret, which is stored nowhere."""
    column = nouns.SESSIONS.table.c
    for expired in nouns.SESSIONS.select(tx, column.expires_at < round(tx.now.timestamp() * 1_000_000), limit=100):
        nouns.SESSIONS.delete(tx, expired.id)
    secret = secrets.token_urlsafe(32)
    latest = tx.now + LIFETIME
    session = Session(
        id=secrets.token_hex(6),
        secret_sha256=digest_of(secret),
        token_sha256=token_sha256,
        created_at=tx.now,
        expires_at=latest if until is None else min(latest, until),
    )
    nouns.SESSIONS.insert(tx, session)
    bus.emit(tx, "opened", "session", session.id)
    return session, secret


def find_session(tx: Reader, secret: str) -> tuple[Session, Token | None] | None:
    """Return the session of a secret and its token (None for the owner's), or None where either has ended."""
    matches = nouns.SESSIONS.select(tx, nouns.SESSIONS.table.c.secret_sha256 == digest_of(secret))
    session = next((match for match in matches if _is_open(match, tx.now)), None)
    if session is None:
        return None
    tokens = nouns.TOKENS.select(tx, nouns.TOKENS.table.c.secret_sha256 == session.token_sha256)
    if not tokens:
        return session, None
    return (session, tokens[0]) if is_valid(tokens[0], tx.now) else None


def _is_open(session: Session, now: datetime) -> bool:
    # an expiry that is further away than any session lasts comes from a clock that was wrong
    return session.revoked_at is None and now < session.expires_at <= now + LIFETIME


def end_session(tx: Tx, session_id: str) -> None:
    """End a session on every server; does nothing where it has ended."""
    session = nouns.SESSIONS.find(tx, session_id)
    if session is None or session.revoked_at is not None:
        return
    nouns.SESSIONS.swap(tx, msgspec.structs.replace(session, revoked_at=tx.now))
    bus.emit(tx, "closed", "session", session_id)


def csrf_token(secret: str) -> str:
    """Return what a page must send with each change by this session; another site's page cannot read it."""
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), b"csrf", hashlib.sha256)).decode().rstrip("=")
