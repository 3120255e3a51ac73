"""Tokens over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar import get, post

from helicline.access import tokens
from helicline.access.signed_token import signer_of
from helicline.errors import Invalid, Refused
from helicline.protocol.rest.edge import NO_STORE, Edge, Page
from helicline.records.access import Token
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.unit import Tx


class TokenBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A role for the server, or scopes for gateways: `predict:NAME`, `feedback:NAME`, `metrics`."""

    name: str
    role: str = ""
    scopes: list[str] = []
    days: int = 90


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new token with its secret; the secret is not stored and cannot be shown again."""

    id: str
    name: str
    role: str
    secret: str


class TokenShown(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    role: str
    created_at: Any
    expires_at: Any
    revoked_at: Any
    scopes: list[str] = []


def _without_secret(token: Token) -> TokenShown:
    return TokenShown(
        id=token.id,
        name=token.name,
        role=token.role,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        scopes=list(token.scopes),
    )


@post("/tokens", sync_to_thread=True, response_headers=NO_STORE)
def create_token(edge: Edge, data: TokenBody) -> TokenMade:
    """Make a token; only this answer contains its secret.

    A token is needed for it, in local mode too: any program of the machine could ask, a model's for example.
    """
    if not edge.caller.is_identified:
        hint = "Send the owner's token, as the command does: hl token create NAME"
        raise Refused("make a token", "the request came without one", hint)
    if data.role == tokens.TASK_ROLE:
        raise Invalid("role", data.role, "a role of people or services; tasks get their tokens with their lease")
    if not 1 <= data.days <= 3650:
        raise Invalid("days", data.days, "1 to 3650")
    if data.role == tokens.SCOPED_ROLE:
        raise Invalid("role", data.role, "scopes instead: such a token may do what they say")
    if data.scopes and data.role:
        raise Invalid("role", data.role, "none beside scopes: a token is for the server or for gateways")
    lifetime = timedelta(days=data.days)
    if data.scopes:
        signer = signer_of(edge.context.settings)
        token, secret = edge.write(
            lambda tx: tokens.mint_scoped(tx, data.name, scopes=data.scopes, lifetime=lifetime, signer=signer)
        )
    else:
        token, secret = edge.write(lambda tx: tokens.mint(tx, data.name, role=data.role, lifetime=lifetime))
    return TokenMade(id=token.id, name=token.name, role=token.role, secret=secret)


@get("/tokens", sync_to_thread=True)
def list_tokens(edge: Edge) -> Page[TokenShown]:
    """Every token, without its secret."""
    return Page([_without_secret(token) for token in edge.read(nouns.TOKENS.select)])


@post("/tokens/{token_id:str}/revoke", sync_to_thread=True, status_code=200)
def revoke_token(edge: Edge, token_id: str) -> TokenShown:
    """End a token at once."""

    def revoke(tx: Tx) -> Token:
        token = tokens.revoke(tx, token_id)
        if token.scopes:
            deployments.reroute(tx, f"token {token.name} was revoked")  # gateways know revoked tokens by the table
        return token

    return _without_secret(edge.write(revoke))


ROUTES = [create_token, list_tokens, revoke_token]
