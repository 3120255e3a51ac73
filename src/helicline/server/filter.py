"""The filter in front of all routes: origin check, method, and the caller's name and role.

In `local` mode, requests without credentials are served only if they come from this machine, to a loopback name, and
not from a web page of another origin. A page that signed in is known by its cookie. See docs/security.md.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from helicline import origin_check
from helicline.access import sessions, tokens
from helicline.access.failure_limit import FailureLimit
from helicline.errors import HeliclineError, Refused, Unauthenticated
from helicline.protocol.rest.access.session import CSRF_HEADER, NO_TOKEN_HINT, cookie_secret
from helicline.protocol.rest.stream import Credential
from helicline.records.access import Caller, Session, Token
from helicline.settings import Settings
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
        b"cookie",
        b"x-csrf-token",
        b"content-length",
        b"transfer-encoding",
    }
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION_PATH = "/api/v1/session"
MAX_ACCEPTED = 10_000
LOCAL_ADMIN = Caller(name="local", role="admin")
LOCAL_WITHOUT_TOKEN = Caller(name="local", role="admin", is_identified=False)


class CsrfMismatch(Refused):
    """``CsrfMismatch(action, why, hint="")``: a change by cookie came without the token that only our pages know."""

    code = "csrf"


class Authenticator:
    """Decides whether a request is served, and determines its caller."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self.owner = tokens.owner_token(settings.home_path)
        self.failures = FailureLimit()
        self._accepted: set[str] = set()  # digests of tokens that were valid here: what serves is never shut out
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
        peer = (scope.get("client") or ("",))[0]
        if credentials := headers.get("authorization", []):
            return self._by_token(credentials[0], peer, scope)
        if is_sign_in(scope):  # the token of its body says who it is; an older cookie does not
            self.failures.check(peer)
        elif caller := self._by_cookie(headers, scope):
            return caller
        if self.settings.auth == "local" and peer in ("127.0.0.1", "::1"):
            return LOCAL_WITHOUT_TOKEN
        return Caller(name="anonymous", role="")

    def _by_token(self, header: str, peer: str, scope: Scope) -> Caller:
        secret = _secret(header)
        if secret and hmac.compare_digest(secret.encode(), self.owner.encode()):
            return LOCAL_ADMIN
        digest = tokens.digest_of(secret)
        if digest not in self._accepted:
            self.failures.check(peer)
        token = self._find_token(digest)
        if token is None:
            self._accepted.discard(digest)
            self.failures.record(peer)
            raise Unauthenticated("serve this request", "the token is not known, expired or revoked", NO_TOKEN_HINT)
        if len(self._accepted) < MAX_ACCEPTED:
            self._accepted.add(digest)
        _keep(scope, credential=Credential(lambda: self._find_token(digest) is not None, token.expires_at))
        return Caller(name=token.name, role=token.role, attempt=tokens.attempt_of(token))

    def _find_token(self, digest: str) -> Token | None:
        return self.store.read(lambda tx: tokens.find_valid(tx, digest))

    def _by_cookie(self, headers: dict[str, list[str]], scope: Scope) -> Caller | None:
        """Return the caller of a session, or None where there is no cookie of an open one."""
        secret = cookie_secret(", ".join(headers.get("host", [])), "; ".join(headers.get("cookie", [])))
        opened = self._open_session(secret) if secret else None
        if opened is None:
            return None
        session, token = opened
        csrf = ", ".join(headers.get(CSRF_HEADER, []))
        is_ours = hmac.compare_digest(csrf.encode(), sessions.csrf_token(secret).encode())
        if scope["method"] not in SAFE_METHODS and not is_ours:
            why = f"the header {CSRF_HEADER} is missing or wrong"
            raise CsrfMismatch("change anything", why, "Load the page again.")
        credential = Credential(lambda: self._open_session(secret) is not None, session.expires_at)
        _keep(scope, session=session, session_secret=secret, credential=credential)
        return LOCAL_ADMIN if token is None else Caller(name=token.name, role=token.role)

    def _open_session(self, secret: str) -> tuple[Session, Token | None] | None:
        opened = self.store.read(lambda tx: sessions.find_session(tx, secret))
        if opened is not None and opened[1] is None and opened[0].token_sha256 != tokens.digest_of(self.owner):
            return None
        return opened


def _keep(scope: Scope, **values: Any) -> None:
    scope.setdefault("state", {}).update(values)


def is_sign_in(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"] == SESSION_PATH)


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
        wrapped = _with_headers(send, state["request_id"], extra=added)
        await self.app(scope, receive, self._counting_failures(scope, wrapped) if is_sign_in(scope) else wrapped)

    def _counting_failures(self, scope: Scope, send: Send) -> Send:
        async def counted(message: MutableMapping[str, Any]) -> None:
            if message.get("status") == 401:
                self.authenticator.failures.record((scope.get("client") or ("",))[0])
            await send(message)

        return counted


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
