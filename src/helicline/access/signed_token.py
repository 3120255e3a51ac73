"""Tokens with scopes, which a gateway checks without asking a server: signed claims (Ed25519).

The private key is derived from the key of the vault, so that all servers that share that key sign alike; a gateway has
the public key only. `predict:churn` allows to call the deployment churn, `feedback:churn` to report its outcomes,
`metrics` to read the numbers of the gateway; `predict:*` stands for every deployment.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from helicline.errors import Invalid
from helicline.settings import Settings
from helicline.store.vault import Vault

PREFIX = "hls_"
MAX_SCOPES = 50
MAX_BYTES = 8192
SCOPE = re.compile(r"(?:predict|feedback):(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,99})|metrics")


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed token says: who calls, what the caller may do, and until when (seconds since 1970)."""

    id: str
    name: str
    scopes: tuple[str, ...]
    expires_s: int

    def may(self, verb: str, deployment: str = "") -> bool:
        """Return whether the caller may `predict` or `feedback` for the deployment, or read `metrics`."""
        if not deployment:
            return verb in self.scopes
        return f"{verb}:{deployment}" in self.scopes or f"{verb}:*" in self.scopes


def checked_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes, each once. Raises Invalid for one that is no scope."""
    for scope in scopes:
        if not SCOPE.fullmatch(scope):
            raise Invalid("scope", scope, "predict:NAME, feedback:NAME (NAME may be *) or metrics")
    if len(scopes) > MAX_SCOPES:
        raise Invalid("scopes", len(scopes), f"at most {MAX_SCOPES}")
    return tuple(dict.fromkeys(scopes))


class Signer:
    """Signs claims with the key that belongs to a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    def sign(self, claims: Claims) -> str:
        """Return the token."""
        payload = msgspec.json.encode(claims)
        return PREFIX + _text(payload) + "." + _text(self._key.sign(payload))

    @property
    def public_key(self) -> str:
        """The key by which gateways check tokens, as text."""
        return _text(self._key.public_key().public_bytes_raw())


def signer_of(settings: Settings) -> Signer:
    """Return the signer of all servers that share the home's key or the setting `secret_key`."""
    return Signer(Vault.of(settings).derived_key("gateway tokens 1"))


class Verifier:
    """Checks signatures with a public key."""

    def __init__(self, public_key: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(_bytes(public_key))

    def claims_of(self, token: str) -> Claims | None:
        """Return what the token says, or None where it was not signed with that key."""
        if not token.startswith(PREFIX) or len(token) > MAX_BYTES:
            return None
        payload, _, signature = token.removeprefix(PREFIX).partition(".")
        try:
            signed = _bytes(payload)
            self._key.verify(_bytes(signature), signed)
            return msgspec.json.decode(signed, type=Claims)
        except (binascii.Error, ValueError, InvalidSignature, msgspec.MsgspecError):
            return None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
