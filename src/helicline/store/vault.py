"""Secrets at rest: sealed with a key that lies beside the database, never in it.

Who reads the database or a dump of it reads no secret; who writes to it cannot move a secret elsewhere unnoticed.
AES-GCM with a fresh nonce each: docs/decisions/0016-secrets-at-rest.md.
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

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helicline.errors import Conflict
from helicline.settings import Settings
from helicline.store import durable

PREFIX = "sealed:1:"
FILE = "secrets.key"
NONCE = 12


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
        return PREFIX + base64.b64encode(nonce + self._cipher().encrypt(nonce, text.encode(), about.encode())).decode()

    def open(self, sealed: str, about: str) -> str:
        """Return the text; one that was kept before there was a vault comes back as it is.

        Raises:
            Conflict: it was sealed with another key, for something else, or was changed.
        """
        if not sealed.startswith(PREFIX):
            return sealed
        try:
            raw = base64.b64decode(sealed.removeprefix(PREFIX), validate=True)
            return self._cipher().decrypt(raw[:NONCE], raw[NONCE:], about.encode()).decode()
        except (binascii.Error, InvalidTag, ValueError):
            why = "was sealed with another key, or was changed"
            hint = f"Set it again, or bring back {FILE} or the setting secret_key."
            raise Conflict("secret", about, why, hint) from None

    def is_sealed(self, sealed: str) -> bool:
        return not sealed or sealed.startswith(PREFIX)

    def _cipher(self) -> AESGCM:
        # whatever was given as a key becomes one of 256 bits, for this use alone
        return AESGCM(hmac.digest(self._key(), b"helicline vault 1", hashlib.sha256))


def _key_of(home: Path) -> bytes:
    """Return the home's key, made at the first need (mode 0600)."""
    path = home / FILE
    if not path.is_file():
        durable.make_folder(home, mode=0o700)
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
        durable.sync(home)
    return path.read_bytes().strip()
