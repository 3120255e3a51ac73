"""The session of a browser over HTTP: sign in with a token, who one is, sign out."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.openapi.datastructures import ResponseSpec

from helicline.access import sessions, tokens
from helicline.errors import Unauthenticated
from helicline.protocol.rest.edge import NO_STORE, Edge
from helicline.records.access import ROLES, Session

CSRF_HEADER = "x-csrf-token"
NO_TOKEN_HINT = "An administrator makes one: hl token create NAME"


class SignIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    token: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who the caller is and may do. `csrf` goes into the header `X-CSRF-Token` of each change made by cookie."""

    name: str
    role: str
    permissions: list[str]
    csrf: str = ""
    expires_at: datetime | None = None


def cookie_name(host: str) -> str:
    """Return the name of the session's cookie: browsers do not tell the ports of a host apart, so its name does."""
    port = host.rpartition(":")[2]
    return f"helicline_session_{port}" if port.isdecimal() else "helicline_session"


def cookie_secret(host: str, cookies: str) -> str:
    """Return the session's secret in the header Cookie, or an empty string."""
    name = cookie_name(host)
    pairs = (part.strip().partition("=") for part in cookies.split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def _cookie(request: Request[Any, Any, Any], secret: str, *, max_age_s: int) -> Cookie:
    is_https = request.scope["scheme"] == "https" or request.headers.get("origin", "").startswith("https:")
    return Cookie(
        cookie_name(request.headers.get("host", "")),
        value=secret,
        max_age=max_age_s,
        httponly=True,
        samesite="strict",
        secure=is_https,
    )


def _view(name: str, role: str, *, session: Session | None, secret: str) -> SessionView:
    return SessionView(
        name=name,
        role=role,
        permissions=sorted(ROLES.get(role, frozenset()) - {"open"}),
        csrf=sessions.csrf_token(secret) if secret else "",
        expires_at=session.expires_at if session else None,
    )


@get("/session", sync_to_thread=False, response_headers=NO_STORE)
def get_session(edge: Edge, request: Request[Any, Any, Any]) -> SessionView:
    """Who the caller is, and what the caller may do."""
    state: dict[str, Any] = request.scope["state"]
    secret = state.get("session_secret", "")
    return _view(edge.caller.name, edge.caller.role, session=state.get("session"), secret=secret)


@post("/session", sync_to_thread=True, response_headers=NO_STORE)
def sign_in(edge: Edge, request: Request[Any, Any, Any], data: SignIn) -> Response[SessionView]:
    """Open a session with a token; the answer sets its cookie."""
    digest = tokens.digest_of(data.token.strip())
    name, role, until = "local", "admin", None
    if not hmac.compare_digest(digest, tokens.digest_of(tokens.owner_token(edge.context.home))):
        token = edge.read(lambda tx: tokens.find_valid(tx, digest))
        if token is None:
            raise Unauthenticated("sign you in", "the token is not known, expired or revoked", NO_TOKEN_HINT)
        name, role, until = token.name, token.role, token.expires_at
    session, secret = edge.context.store.write(
        lambda tx: sessions.open_session(tx, token_sha256=digest, until=until), actor=name, request_id=edge.request_id
    )
    lifetime_s = int((session.expires_at - session.created_at).total_seconds())
    view = _view(name, role, session=session, secret=secret)
    return Response(view, cookies=[_cookie(request, secret, max_age_s=lifetime_s)])


SIGNED_OUT_RESPONSES = {204: ResponseSpec(None, description="There is no session any more", generate_examples=False)}


@delete("/session", sync_to_thread=True, responses=SIGNED_OUT_RESPONSES)
def sign_out(edge: Edge, request: Request[Any, Any, Any]) -> Response[None]:
    """End the session of the cookie on every server, and remove the cookie."""
    session = request.scope["state"].get("session")
    if session is not None:
        edge.write(lambda tx: sessions.end_session(tx, session.id))
    return Response(None, status_code=204, cookies=[_cookie(request, "", max_age_s=0)])


ROUTES = [get_session, sign_in, sign_out]
