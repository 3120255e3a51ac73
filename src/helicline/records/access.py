"""Tokens, secrets, roles, and the permissions that routes require."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Permission = Literal["open", "read", "log", "write", "deploy", "approve", "worker", "gateway", "admin"]

# "log" is to log to runs and to store blobs: of all that "write" allows, what a task needs
ROLES: dict[str, frozenset[str]] = {
    "viewer": frozenset({"open", "read"}),
    "contributor": frozenset({"open", "read", "log", "write"}),
    "operator": frozenset({"open", "read", "log", "write", "deploy"}),
    "approver": frozenset({"open", "read", "approve"}),
    "task": frozenset({"open", "read", "log"}),
    "worker": frozenset({"open", "read", "log", "write", "worker"}),
    "gateway": frozenset({"open", "read", "gateway"}),
    "caller": frozenset({"open"}),
    "admin": frozenset({"open", "read", "log", "write", "deploy", "approve", "worker", "gateway", "admin"}),
}


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token; the database has only the SHA-256 of its secret."""

    id: str
    name: str
    role: str
    secret_sha256: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    scopes: tuple[str, ...] = ()  # of a token for gateways, whose role is `caller`
    version: int = 1


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret of steps; `sealed` is its value as the vault has encrypted it."""

    name: str
    sealed: str
    created_at: datetime
    updated_at: datetime
    updated_by: str
    version: int = 1


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person's session in a browser, as stored: hashes of its cookie and of the token that opened it."""

    id: str
    secret_sha256: str
    token_sha256: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    version: int = 1


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of a request; a task has the id of its attempt. In local mode a caller may come without a token."""

    name: str
    role: str
    attempt: str = ""
    is_identified: bool = True

    def may(self, permission: str) -> bool:
        return permission in ROLES.get(self.role, frozenset())
