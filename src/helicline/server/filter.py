"""The filter in front of all routes: origin check, method, and the caller's name and role.

In `local` mode, requests without credentials are served only if they come from this machine, to a loopback name, and
not from a web page of another origin. See docs/security.md.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from helicline import origin_check
from helicline.errors import HeliclineError, Refused, Unauthenticated
from helicline.records.access import Caller
from helicline.settings import Settings
from helicline.store import durable, nouns
from helicline.store.database import Store

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READ_HEADERS = frozenset(
    {
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"authorization",
        b"content-length",
        b"transfer-encoding",
    }
)
LOCAL_ADMIN = Caller(name="local", role="admin")


def owner_token(home: Path) -> str:
    """Return the secret for those who can read the home's files, created at the first start (mode 0600)."""
    path = home / "owner.token"
    if not path.is_file() or not path.stat().st_size:
        durable.make_folder(home, mode=0o700)
        durable.write(path, f"hl_{secrets.token_urlsafe(32)}".encode(), mode=0o600)
    return path.read_text().strip()


class Authenticator:
    """Decides whether a request is served, and determines its caller."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self.owner = owner_token(settings.home_path)
        self.names = origin_check.allowed_names(settings.allowed_hosts)

    def authenticate(self, scope: Scope) -> Caller:
        """Return the caller. Raises Refused or Unauthenticated."""
        headers = _headers(scope)
        if scope["method"] not in METHODS:
            raise Refused("serve this request", f"method {scope['method'][:20]!r} is not known")
        self._check_origin(headers, scope["method"])
        if "content-length" in headers and "transfer-encoding" in headers:
            raise Refused("serve this request", "it has both Content-Length and Transfer-Encoding")
        return self._caller(headers, scope)

    def _check_origin(self, headers: dict[str, list[str]], method: str) -> None:
        joined = {name: ", ".join(values) for name, values in headers.items()}
        refusal = origin_check.refusal(
            joined.get("host"),
            joined.get("origin"),
            names=self.names,
            fetch_site=joined.get("sec-fetch-site", ""),
            is_navigation=method == "GET" and joined.get("sec-fetch-mode") == "navigate",
        )
        if refusal in ("no_host", "unknown_host"):
            host = joined.get("host", "")[:100] or "none"
            hint = "Add the name to the setting allowed_hosts if this server should answer to it."
            raise Refused("serve this request", f"Host {host!r} is not a name of this server", hint)
        if refusal == "foreign_origin":
            raise Refused("serve this request", f"Origin {joined['origin'][:100]!r} is foreign")
        if refusal == "foreign_site":
            raise Refused("serve this request", "it comes from another site's page")

    def _caller(self, headers: dict[str, list[str]], scope: Scope) -> Caller:
        credentials = headers.get("authorization", [])
        if credentials:
            return self._by_token(credentials[0])
        peer = (scope.get("client") or ("",))[0]
        if self.settings.auth == "local" and peer in ("127.0.0.1", "::1"):
            return LOCAL_ADMIN
        return Caller(name="anonymous", role="")

    def _by_token(self, header: str) -> Caller:
        secret = _secret(header)
        if secret and hmac.compare_digest(secret.encode(), self.owner.encode()):
            return LOCAL_ADMIN
        digest = hashlib.sha256(secret.encode()).hexdigest()
        column = nouns.TOKENS.table.c
        tokens, now = self.store.read(lambda tx: (nouns.TOKENS.select(tx, column.secret_sha256 == digest), tx.now))
        valid = [
            token
            for token in tokens
            if token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
        ]
        if not valid:
            raise Unauthenticated(
                "serve this request",
                "the token is not known, expired or revoked",
                "Ask an administrator for one: hl token create NAME",
            )
        return Caller(name=valid[0].name, role=valid[0].role)


def _secret(header: str) -> str:
    """Return the token of a Bearer header, or the password of a Basic one (MLflow's user and password settings)."""
    kind, _, rest = header.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        import base64
        import binascii

        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _headers(scope: Scope) -> dict[str, list[str]]:
    """Return the headers that the filter reads, by name."""
    headers: dict[str, list[str]] = {}
    for raw, value in scope["headers"]:
        if (name := raw.lower()) in READ_HEADERS:
            headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
    return headers


class Filter:
    """The outermost ASGI application: authenticates a request, gives it an id, and passes it on."""

    def __init__(
        self, app: App, authenticator: Authenticator, refuse: Callable[[HeliclineError, Scope, Send], Awaitable[None]]
    ) -> None:
        self.app, self.authenticator, self.refuse = app, authenticator, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        # identifies the request in logs; not a secret
        state["request_id"] = f"{random.getrandbits(128):032x}"
        try:
            state["caller"] = self.authenticator.authenticate(scope)
        except HeliclineError as error:
            await self.refuse(error, scope, send)
            return
        added = () if _has_json_body(scope) else BROWSER_HEADERS
        await self.app(scope, receive, _with_headers(send, state["request_id"], extra=added))


def _has_json_body(scope: Scope) -> bool:
    """Return whether the body is JSON, in which case the answer needs no headers for browsers.

    A form cannot send JSON, and a script of another origin needs a CORS permission, which this server never gives.
    """
    return any(name == b"content-type" and value.startswith(b"application/json") for name, value in scope["headers"])


BROWSER_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


def _with_headers(send: Send, request_id: str, *, extra: Sequence[tuple[bytes, bytes]]) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            present = {name.lower() for name, _ in headers} if extra else ()
            added = [pair for pair in extra if pair[0] not in present]
            message["headers"] = [*headers, *added, (b"x-request-id", request_id.encode())]
        await send(message)

    return wrapped
