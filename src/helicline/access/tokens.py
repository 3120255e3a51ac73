"""Tokens: made once, kept as a hash, ended by time or by hand."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from helicline import bus
from helicline.access.signed_token import Claims, Signer, checked_scopes
from helicline.errors import Conflict, Invalid
from helicline.ids import checked_name
from helicline.records.access import ROLES, Token
from helicline.store import durable, nouns
from helicline.store.unit import Reader, Tx

TASK_ROLE, ATTEMPT_PREFIX = "task", "attempt-"
SCOPED_ROLE = "caller"
# what the program writes where no token says a name; a token of that name would speak for them
RESERVED_NAMES = frozenset({"local", "anonymous", "owner", "helicline", "reconciler", "system"})


def mint(tx: Tx, name: str, *, role: str, lifetime: timedelta) -> tuple[Token, str]:
    """Return a new token and its secret, which is kept nowhere.

    Raises:
        Invalid: the role does not exist or the name cannot be one.
    """
    if role not in ROLES:
        raise Invalid("role", role, ", ".join(sorted(ROLES.keys() - {SCOPED_ROLE, TASK_ROLE})))
    secret = f"hl_{secrets.token_urlsafe(32)}"
    return _insert(tx, name, role=role, lifetime=lifetime, secret=lambda _: secret)


def mint_scoped(tx: Tx, name: str, *, scopes: Sequence[str], lifetime: timedelta, signer: Signer) -> tuple[Token, str]:
    """Return a new token for gateways, and its secret: signed claims. Raises Invalid for a name or a scope."""
    allowed = checked_scopes(scopes)

    def signed(token_id: str) -> str:
        claims = Claims(id=token_id, name=name, scopes=allowed, expires_s=int((tx.now + lifetime).timestamp()))
        return signer.sign(claims)

    return _insert(tx, name, role=SCOPED_ROLE, lifetime=lifetime, secret=signed, scopes=allowed)


def _insert(
    tx: Tx, name: str, *, role: str, lifetime: timedelta, secret: Callable[[str], str], scopes: tuple[str, ...] = ()
) -> tuple[Token, str]:
    if name.lower() in RESERVED_NAMES:
        raise Invalid("name", name, "a name of a person or a program; this one stands for callers without a token")
    token_id = secrets.token_hex(6)
    text = secret(token_id)
    token = Token(
        id=token_id,
        name=checked_name("name", name),
        role=role,
        secret_sha256=digest_of(text),
        created_at=tx.now,
        expires_at=tx.now + lifetime,
        scopes=scopes,
    )
    nouns.TOKENS.insert(tx, token)
    bus.emit(tx, "created", "token", token.id, name=token.name, role=token.role, scopes=list(scopes))
    return token, text


def revoked_scoped(tx: Reader) -> tuple[str, ...]:
    """Return the ids of tokens with scopes that were revoked and have not expired."""
    return tuple(
        sorted(
            token.id
            for token in nouns.TOKENS.select(tx)
            if token.scopes and token.revoked_at is not None and (token.expires_at or tx.now) >= tx.now
        )
    )


def mint_for_attempt(tx: Tx, attempt_id: str, *, runs_user_code: bool, lifetime: timedelta) -> str:
    """Return the secret of a task's token, which ends with the task.

    Where user code runs with it, it can read, store blobs, and log to what the task itself made.
    """
    role = TASK_ROLE if runs_user_code else "contributor"
    _, secret = mint(tx, f"{ATTEMPT_PREFIX}{attempt_id}", role=role, lifetime=lifetime)
    return secret


def attempt_of(token: Token) -> str:
    """Return the attempt that the token is for, or an empty text."""
    return token.name.removeprefix(ATTEMPT_PREFIX) if token.role == TASK_ROLE else ""


def digest_of(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_valid(token: Token, now: datetime) -> bool:
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)


def find_valid(tx: Reader, token_sha256: str) -> Token | None:
    """Return the token with this hash, or None where there is none or it has ended."""
    tokens = nouns.TOKENS.select(tx, nouns.TOKENS.table.c.secret_sha256 == token_sha256)
    return next((token for token in tokens if is_valid(token, tx.now) or _is_of_running_task(tx, token)), None)


def _is_of_running_task(tx: Reader, token: Token) -> bool:
    """Return whether its task runs: a clock that was set ahead does not end a token before its task."""
    attempt = nouns.ATTEMPTS.find(tx, attempt_of(token)) if token.revoked_at is None else None
    return attempt is not None and attempt.state == "LEASED"


def owner_token(home: Path) -> str:
    """Return the secret for those who can read the home's files, created at the first start (mode 0600)."""
    path = home / "owner.token"
    if not path.is_file() or not path.stat().st_size:
        durable.make_folder(home, mode=0o700)
        durable.write(path, f"hl_{secrets.token_urlsafe(32)}".encode(), mode=0o600)
    return path.read_text().strip()


def revoke(tx: Tx, token_id: str) -> Token:
    """End a token at once. Raises Conflict where it is ended already."""
    token = nouns.TOKENS.get(tx, token_id)
    if token.revoked_at is not None:
        raise Conflict("token", token_id, "is revoked already")
    bus.emit(tx, "revoked", "token", token_id)
    return nouns.TOKENS.swap(tx, msgspec.structs.replace(token, revoked_at=tx.now))
