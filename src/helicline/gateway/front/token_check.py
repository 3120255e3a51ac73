"""The check of tokens in the front: signed claims, a list of revoked ones, no question to a server on the way.

A signature is checked once; from then on the token is found in memory. Probes of health stay open.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable

from helicline.access.failure_limit import FailureLimit
from helicline.access.signed_token import Claims, Verifier
from helicline.errors import RateLimited
from helicline.gateway.front.request import Request
from helicline.protocol.scoring.errors import v1_error
from helicline.records.deployment import Desired

MAX_KNOWN = 10_000
OPEN_PATHS = frozenset({"/ping", "/health", "/version", "/v2", "/v2/health/live", "/v2/health/ready"})
_MODEL_PROBE = re.compile(r"/v2/models/[^/]+(?:/versions/[^/]+)?/ready|/v1/models/[^/:]+")
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
_HINT = "an administrator makes a token: hl token create NAME --scope predict:DEPLOYMENT"


class TokenCheck:
    """Knows callers by their tokens where the setting `auth` is `token`; elsewhere everybody may call."""

    def __init__(self, desired: Callable[[], Desired], *, required: bool) -> None:
        self._desired, self._required = desired, required
        self._claims: OrderedDict[bytes, Claims] = OrderedDict()
        self._key = ""
        self._verifier: Verifier | None = None
        self._failures = FailureLimit()

    def let_in(self, request: Request) -> bool:
        """Set the request's caller and return True, or answer it with 401, 429 or 503 and return False."""
        if not self._required or _is_probe(request):
            return True
        desired = self._desired()
        if desired.token_key != self._key:
            self._claims.clear()
            self._key, self._verifier = desired.token_key, Verifier(desired.token_key) if desired.token_key else None
        header = request.headers.get(b"authorization", b"")
        claims = self._claims.get(header) or self._claims_of(request, header)
        if claims is None:
            return False
        if claims.expires_s <= time.time() or claims.id in desired.revoked_tokens:
            self._claims.pop(header, None)
            _refuse(request, 401, f"the token {claims.name} has expired or was revoked; {_HINT}")
            return False
        request.caller = claims
        return True

    def may(self, request: Request, verb: str, deployment: str = "") -> bool:
        """Return True where the caller has the scope, or answer with 403 and return False."""
        if self.allows(request.caller, verb, deployment):
            return True
        scope = f"{verb}:{deployment}" if deployment else verb
        _refuse(request, 403, f"the token has not the scope {scope}; {_HINT}")
        return False

    def allows(self, caller: Claims | None, verb: str, deployment: str = "") -> bool:
        """Return whether the caller has the scope, or needs none."""
        return not self._required or (caller is not None and caller.may(verb, deployment))

    def _claims_of(self, request: Request, header: bytes) -> Claims | None:
        if self._verifier is None:
            _refuse(request, 503, "the key for tokens has not come from the server yet; try again")
            return None
        try:
            self._failures.check(request.host)
        except RateLimited as error:
            _refuse(request, 429, str(error), headers=((b"retry-after", str(error.retry_after_s).encode()),))
            return None
        kind, _, token = header.decode("latin-1").partition(" ")
        claims = self._verifier.claims_of(token.strip()) if kind.lower() == "bearer" else None
        if claims is None:
            if header:
                self._failures.record(request.host)
            why = "the token was not signed for this gateway" if header else "this gateway needs a token"
            _refuse(request, 401, f"{why}; {_HINT}")
            return None
        self._claims[header] = claims
        if len(self._claims) > MAX_KNOWN:
            self._claims.popitem(last=False)
        return claims


def _is_probe(request: Request) -> bool:
    path = request.path.rstrip("/")
    return request.method == b"GET" and (path in OPEN_PATHS or _MODEL_PROBE.fullmatch(path) is not None)


def _refuse(request: Request, status: int, why: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    request.respond(status, v1_error(why), headers=_CHALLENGE if status == 401 else headers)
