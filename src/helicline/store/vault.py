"""The vault (note 0016): secrets encrypted with a key that is stored outside of the database.

A reader of the database or of its dump learns no secret, and a writer cannot move a secret to another record
unnoticed. AES-256-GCM with a new random nonce for each secret.
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
KEY_FILE = "secrets.key"
NONCE_BYTES = 12


class Vault:
    """Encrypts and decrypts secrets; the key is read at the first use, and made where there is none."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> Vault:
        """Return the vault of a home, or of all servers that share the setting `secret_key`."""
        if settings.secret_key:
            return cls(lambda: settings.secret_key.encode())
        return cls(lambda: _key_of(settings.home_path))

    def seal(self, text: str, about: str) -> str:
        """Return the encrypted text, bound to the context `about`. An empty text stays empty."""
        if not text:
            return ""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return PREFIX + base64.b64encode(nonce + self._cipher().encrypt(nonce, text.encode(), about.encode())).decode()

    def open(self, stored: str, about: str) -> str:
        """Return the decrypted text; a text that was stored before there was a vault is returned unchanged.

        Raises:
            Conflict: it was encrypted with another key or for another context, or was changed.
        """
        if not stored.startswith(PREFIX):
            return stored
        try:
            raw = base64.b64decode(stored.removeprefix(PREFIX), validate=True)
            return self._cipher().decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], about.encode()).decode()
        except (binascii.Error, InvalidTag, ValueError):
            why = "was sealed with another key, or was changed"
            hint = f"Set it again, or bring back {KEY_FILE} or the setting secret_key."
            raise Conflict("secret", about, why, hint) from None

    def derived_key(self, purpose: str) -> bytes:
        """Return 32 bytes for that purpose alone, the same on every server with this key."""
        return hmac.digest(self._key(), f"helicline {purpose}".encode(), hashlib.sha256)

    def is_sealed(self, stored: str) -> bool:
        return not stored or stored.startswith(PREFIX)

    def _cipher(self) -> AESGCM:
        # derives a key of 256 bits that has no other use
        return AESGCM(hmac.digest(self._key(), b"helicline vault 1", hashlib.sha256))


def _key_of(home: Path) -> bytes:
    """Return the home's key, made at the first use (mode 0600)."""
    path = home / KEY_FILE
    if not path.is_file():
        durable.make_folder(home, mode=0o700)
        new_file = home / f".{KEY_FILE}.{secrets.token_hex(8)}"
        with os.fdopen(os.open(new_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new_file, path)  # atomic, and never replaces a key that another process has just made
        except FileExistsError:
            pass
        finally:
            new_file.unlink()
        # secrets encrypted with it may soon be durable, so the key must survive a power cut
        durable.sync(home)
    return path.read_bytes().strip()
