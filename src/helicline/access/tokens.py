"""Tokens: made once, kept as a hash, ended by time or by hand."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import msgspec

from helicline import bus
from helicline.errors import Conflict, Invalid
from helicline.ids import checked_name
from helicline.records.access import ROLES, Token
from helicline.store import nouns
from helicline.store.unit import Tx


def mint(tx: Tx, name: str, *, role: str, lifetime: timedelta) -> tuple[Token, str]:
    """Return a new token and its secret, which is kept nowhere.

    Raises:
        Invalid: the role does not exist or the name cannot be one.
    """
    if role not in ROLES:
        raise Invalid("role", role, ", ".join(sorted(ROLES)))
    secret = f"hl_{secrets.token_urlsafe(32)}"
    token = Token(
        id=secrets.token_hex(6),
        name=checked_name("name", name),
        role=role,
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        created_at=tx.now,
        expires_at=tx.now + lifetime,
    )
    nouns.TOKENS.insert(tx, token)
    bus.emit(tx, "created", "token", token.id, name=token.name, role=token.role)
    return token, secret


def revoke(tx: Tx, token_id: str) -> Token:
    """End a token at once. Raises Conflict where it is ended already."""
    token = nouns.TOKENS.get(tx, token_id)
    if token.revoked_at is not None:
        raise Conflict("token", token_id, "is revoked already")
    bus.emit(tx, "revoked", "token", token_id)
    return nouns.TOKENS.swap(tx, msgspec.structs.replace(token, revoked_at=tx.now))
