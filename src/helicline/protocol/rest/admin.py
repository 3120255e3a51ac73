"""Status, events, tokens, the origin of a prediction and labelled rows over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.response import Stream

import helicline
from helicline import bus
from helicline.access import tokens
from helicline.errors import Invalid, Refused
from helicline.loop.overview import status
from helicline.loop.walk import why
from helicline.protocol.rest.edge import NO_STORE, Edge, Page, checked_limit
from helicline.protocol.rest.feed import Feed
from helicline.records.access import Token
from helicline.records.event import Event
from helicline.serving.prediction_log import harvest as log_harvest
from helicline.store import nouns
from helicline.store.rows import event as events

HEARTBEAT_S = 15.0


class TokenBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    role: str
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


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    events: int
    broken_at: int = 0
    why: str = ""


@get("/status", sync_to_thread=True)
def get_status(edge: Edge) -> status.Status:
    """Counts for each part of the loop, and what needs a person."""
    return edge.read(lambda tx: status.read(tx, version=helicline.__version__))


@get("/events", sync_to_thread=True)
def list_events(edge: Edge, noun: str = "", id: str = "", before: int = 0, limit: int = 100) -> Page[Event]:
    """Events, newest first."""
    page = edge.read(lambda tx: events.latest(tx, noun=noun, id=id, before=before, limit=checked_limit(limit)))
    return Page(page, str(page[-1].seq) if len(page) == limit else "")


@get("/audit", sync_to_thread=True)
def verify_audit(edge: Edge) -> Audit:
    """Verify the hash chain of all events."""
    try:
        return Audit(ok=True, events=edge.read(bus.verify))
    except bus.ChainBreak as broken:
        return Audit(ok=False, events=0, broken_at=broken.seq, why=broken.why)


@get("/stream", media_type="text/event-stream")
async def stream(edge: Edge, feed: Feed, after: int = -1) -> Stream:
    """Server-sent events: `{seq, noun, id, verb, at}` of every change after `after` (default: now)."""
    return Stream(
        _live(feed, feed.seq if after < 0 else after),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _live(feed: Feed, seq: int) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    while True:
        for event in feed.after(seq):
            seq = event.seq
            body = {"seq": event.seq, "noun": event.noun, "id": event.id, "verb": event.verb, "at": event.at}
            yield b"id: %d\ndata: %s\n\n" % (seq, msgspec.json.encode(body))
        if not await feed.wait(seq, HEARTBEAT_S):
            yield b": still here\n\n"
        if feed.closed:
            return


@get("/why/{prediction_id:str}", sync_to_thread=True)
def get_why(edge: Edge, prediction_id: str) -> why.Answer:
    """The origin of one prediction: version, run, code, environment, data, gates, people."""
    return why.why(edge.context, prediction_id)


@get("/deployments/{name:str}/labelled", sync_to_thread=True, media_type="application/vnd.apache.parquet")
def get_labelled(edge: Edge, name: str, label: str = "label", since_ms: int = 0) -> Response[bytes]:
    """Predictions whose label has arrived, as Parquet: the model's inputs and the label."""
    edge.read(lambda tx: nouns.DEPLOYMENTS.get(tx, name))
    with NamedTemporaryFile(suffix=".parquet", dir=edge.context.home) as target:
        path = Path(target.name)
        count = log_harvest.write(edge.context.home, name, path, label=label, since_ms=since_ms)
        body = path.read_bytes() if count else b""
    headers = {"X-Row-Count": str(count)}
    return Response(body, headers=headers)


def _without_secret(token: Token) -> TokenShown:
    return TokenShown(
        id=token.id,
        name=token.name,
        role=token.role,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
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
    token, secret = edge.write(
        lambda tx: tokens.mint(tx, data.name, role=data.role, lifetime=timedelta(days=data.days))
    )
    return TokenMade(id=token.id, name=token.name, role=token.role, secret=secret)


@get("/tokens", sync_to_thread=True)
def list_tokens(edge: Edge) -> Page[TokenShown]:
    """Every token, without its secret."""
    return Page([_without_secret(token) for token in edge.read(nouns.TOKENS.select)])


@post("/tokens/{token_id:str}/revoke", sync_to_thread=True, status_code=200)
def revoke_token(edge: Edge, token_id: str) -> TokenShown:
    """End a token at once."""
    return _without_secret(edge.write(lambda tx: tokens.revoke(tx, token_id)))


ROUTES = [
    get_status,
    list_events,
    verify_audit,
    stream,
    get_why,
    get_labelled,
    create_token,
    list_tokens,
    revoke_token,
]
