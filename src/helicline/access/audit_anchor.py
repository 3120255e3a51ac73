"""Checkpoints of the audit trail outside of the database and the home, so that a rewritten chain is found (note 0025).

Whoever has the database can cut the chain or build another one that verifies. An anchor is a file or a bucket of the
user's choice that holds signed checkpoints (seq, hash): a chain that does not run through each of them was changed.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from helicline import bus
from helicline.errors import Invalid, Unavailable
from helicline.settings import Settings
from helicline.store import durable
from helicline.store.rows import event as rows
from helicline.store.unit import Reader
from helicline.store.vault import Vault

_HOUR, _DAY, _MONTH = timedelta(hours=1), timedelta(days=1), timedelta(days=31)
_EPOCH = datetime.fromtimestamp(0, UTC)
_log = logging.getLogger("helicline.access")


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The hash of one event, signed: the chain ran through it at that time."""

    seq: int
    hash: str
    at: datetime
    key: str
    signature: str = ""


class AnchorMismatch(bus.ChainBreak):
    """The chain does not run through a checkpoint of the anchor."""


def _payload(checkpoint: Checkpoint) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(checkpoint, signature=""), order="sorted")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """Return the key of checkpoints, derived from the key of the vault, which is in no database."""
    return Ed25519PrivateKey.from_private_bytes(Vault.of(settings).derived_key("audit anchor 1"))


def make_checkpoint(tx: Reader, key: Ed25519PrivateKey) -> Checkpoint | None:
    """Return a checkpoint of the newest event, None before the first."""
    seq, newest = rows.head(tx)
    if not seq:
        return None
    return signed(key, seq, newest, at=tx.now)


def signed(key: Ed25519PrivateKey, seq: int, event_hash: str, *, at: datetime) -> Checkpoint:
    """Return a checkpoint of an event."""
    public = _text(key.public_key().public_bytes_raw())
    bare = Checkpoint(seq=seq, hash=event_hash, at=at, key=public)
    return msgspec.structs.replace(bare, signature=_text(key.sign(_payload(bare))))


class Anchor:
    """The place of the checkpoints: a file with a line each, or a bucket with an object each."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._bucket: Any = None
        if "://" in place:
            import obstore

            self._bucket = obstore.store.from_url(place)

    def append(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint, durable before the return. Raises OSError where the place does not take it."""
        line = msgspec.json.encode(checkpoint)
        if self._bucket is not None:
            import obstore

            obstore.put(self._bucket, _key(checkpoint), line)
            return
        path = Path(self.place).expanduser()
        durable.make_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write((b"" if _ends_a_line(path) else b"\n") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def replace(self, checkpoints: Sequence[Checkpoint], remaining: Sequence[Checkpoint]) -> None:
        """Have only the remaining ones of these checkpoints there. Raises OSError where the place refuses it."""
        if self._bucket is None:
            lines = b"".join(msgspec.json.encode(checkpoint) + b"\n" for checkpoint in remaining)
            durable.write(Path(self.place).expanduser(), lines, mode=0o600)
            return
        import obstore

        stays = set(remaining)
        obstore.delete(self._bucket, [_key(checkpoint) for checkpoint in checkpoints if checkpoint not in stays])

    def checkpoints(self) -> list[Checkpoint]:
        """Return all checkpoints by seq.

        Raises:
            Invalid: there is none. Lines that are none are logged.
            Unavailable: the bucket does not answer.
        """
        checkpoints, damaged_count = [], 0
        with suppress(FileNotFoundError):
            for line in self._lines():
                try:
                    checkpoints.append(msgspec.json.decode(line, type=Checkpoint))
                except msgspec.MsgspecError:
                    damaged_count += 1
        if damaged_count:
            # a write that was cut off leaves one; what is signed says nothing less for it
            _log.warning("anchor %s: %d lines are no checkpoints of Helicline", self.place, damaged_count)
        if not checkpoints:
            raise Invalid("anchor", self.place, "a file or bucket with checkpoints")
        return sorted(checkpoints, key=lambda checkpoint: checkpoint.seq)

    def _lines(self) -> Iterator[bytes]:
        if self._bucket is None:
            yield from (line for line in Path(self.place).expanduser().read_bytes().split(b"\n") if line)
            return
        import obstore

        try:
            for page in obstore.list(self._bucket, "audit"):
                for entry in page:
                    yield bytes(obstore.get(self._bucket, entry["path"]).bytes())
        except obstore.exceptions.BaseError as error:
            why = str(error).partition("\n")[0]
            raise Unavailable(f"the anchor {self.place}", why, "Look at its name and at the credentials.") from None


def _key(checkpoint: Checkpoint) -> str:
    return f"audit/{checkpoint.seq:015d}-{checkpoint.hash[:16]}.json"


def thinned(checkpoints: Sequence[Checkpoint], now: datetime) -> list[Checkpoint]:
    """Return the checkpoints to keep: all of the last day, the last one of each hour of a month, of each day before.

    The first stays too: all have to be signed with its key.
    """
    newest: dict[Any, Checkpoint] = {}
    for checkpoint in checkpoints:
        age = now - checkpoint.at
        every = _HOUR if age <= _MONTH else _DAY
        newest[checkpoint.seq if age <= _DAY else (every, (checkpoint.at - _EPOCH) // every)] = checkpoint
    return sorted({*checkpoints[:1], *newest.values()}, key=lambda checkpoint: checkpoint.seq)


def _ends_a_line(path: Path) -> bool:
    """Return whether the file is empty or ends with a whole line."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def check_signatures(checkpoints: Sequence[Checkpoint]) -> None:
    """Raise AnchorMismatch where a checkpoint was not signed by the key of the first one."""
    for checkpoint in checkpoints:
        try:
            if checkpoint.key != checkpoints[0].key:
                raise AnchorMismatch(checkpoint.seq, "its checkpoint was signed with another key than the first one")
            public = Ed25519PublicKey.from_public_bytes(base64.b64decode(checkpoint.key, validate=True))
            public.verify(base64.b64decode(checkpoint.signature, validate=True), _payload(checkpoint))
        except (binascii.Error, ValueError, InvalidSignature):
            raise AnchorMismatch(checkpoint.seq, "the signature of its checkpoint is wrong") from None
