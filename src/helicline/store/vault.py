"""Secrets at rest: sealed with a key that lies beside the database, never in it.

Who reads the database or a dump of it reads no secret; who writes to it cannot move a secret elsewhere unnoticed.
Encrypt, then authenticate, both with HMAC-SHA256 as the only primitive: docs/decisions/0016-secrets-at-rest.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from helicline.errors import Conflict
from helicline.settings import Settings

PREFIX = "sealed:1:"
FILE = "secrets.key"
NONCE, TAG = 24, 32


class Vault:
    """Seals and opens secrets; the key is read (and at first made) when it is needed."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> Vault:
        """Return the vault of a home, or of all servers that share the setting `secret_key`."""
        if settings.secret_key:
            return cls(lambda: settings.secret_key.encode())
        return cls(lambda: _key_of(settings.home_path))

    def seal(self, text: str, about: str) -> str:
        """Return the text as it may be kept, bound to what it is `about`. An empty one stays empty."""
        if not text:
            return ""
        nonce = secrets.token_bytes(NONCE)
        body = self._masked(text.encode(), nonce)
        return PREFIX + base64.b64encode(nonce + body + self._tag(nonce, body, about)).decode()

    def open(self, kept: str, about: str) -> str:
        """Return the text; one that was kept before there was a vault comes back as it is.

        Raises:
            Conflict: it was sealed with another key, for something else, or was changed.
        """
        if not kept.startswith(PREFIX):
            return kept
        try:
            raw = base64.b64decode(kept.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raw = b""
        nonce, body, tag = raw[:NONCE], raw[NONCE:-TAG], raw[-TAG:]
        if len(raw) <= NONCE + TAG or not hmac.compare_digest(tag, self._tag(nonce, body, about)):
            why = "was sealed with another key, or was changed"
            raise Conflict("secret", about, why, f"Set it again, or bring back {FILE} or the setting secret_key.")
        return self._masked(body, nonce).decode()

    def is_sealed(self, kept: str) -> bool:
        return not kept or kept.startswith(PREFIX)

    def _subkey(self, use: bytes) -> bytes:
        return hmac.digest(self._key(), b"helicline vault 1 " + use, hashlib.sha256)

    def _masked(self, body: bytes, nonce: bytes) -> bytes:
        """Return the body under the nonce's key stream, or what was under it."""
        key = self._subkey(b"mask")
        blocks = -(-len(body) // hashlib.sha256().digest_size)
        stream = b"".join(hmac.digest(key, nonce + at.to_bytes(8, "big"), hashlib.sha256) for at in range(blocks))
        return bytes(one ^ other for one, other in zip(body, stream, strict=False))

    def _tag(self, nonce: bytes, body: bytes, about: str) -> bytes:
        name = about.encode()
        told = nonce + len(name).to_bytes(8, "big") + name + body
        return hmac.digest(self._subkey(b"tag"), told, hashlib.sha256)


def _key_of(home: Path) -> bytes:
    """Return the home's key, made at the first need (mode 0600)."""
    path = home / FILE
    if not path.is_file():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = home / f".{FILE}.{secrets.token_hex(8)}"
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)  # whole or not at all, and never over one that another process just made
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        # what is sealed with it is durable soon: it must not be gone after a power cut
        folder = os.open(home, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path.read_bytes().strip()
