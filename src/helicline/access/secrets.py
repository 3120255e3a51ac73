"""Secrets of steps: set by a person, sealed, opened only for the worker of a step which names them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from helicline import bus
from helicline.errors import Invalid, NotFound
from helicline.records.access import Secret
from helicline.store.nouns import SECRETS
from helicline.store.unit import Reader, Tx
from helicline.store.vault import Vault

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# what a worker sets itself, and what would have the step run other code
RESERVED = re.compile(r"(HELICLINE|MLFLOW|PYTHON|LD|DYLD)_?.*|PATH|HOME|TMPDIR|USER|SHELL")
MIN_CHARS, MAX_CHARS = 4, 8_192  # a shorter one would be masked all over the logs


def set_secret(tx: Tx, vault: Vault, name: str, *, value: str) -> Secret:
    """Set a secret, or replace its value.

    Raises:
        Invalid: the name cannot be a variable of a step, or the value is too short to be masked.
    """
    checked_name(name)
    if not MIN_CHARS <= len(value) <= MAX_CHARS or "\0" in value:
        raise Invalid(f"value of {name}", f"{len(value)} characters", f"{MIN_CHARS} to {MAX_CHARS} without a zero byte")
    present = SECRETS.find(tx, name)
    sealed = vault.seal(value, _context(name))
    bus.emit(tx, "replaced" if present else "set", "secret", name)
    if present is None:
        secret = Secret(name=name, sealed=sealed, created_at=tx.now, updated_at=tx.now, updated_by=tx.actor)
        return SECRETS.insert(tx, secret)
    return SECRETS.swap(tx, msgspec.structs.replace(present, sealed=sealed, updated_at=tx.now, updated_by=tx.actor))


def checked_name(name: str) -> str:
    """Return the name of a secret if it can be a variable of a step. Raises Invalid otherwise."""
    if not NAME.fullmatch(name):
        raise Invalid("secret", name, "capital letters, digits and '_', at most 64, like SHOP_DB")
    if RESERVED.fullmatch(name):
        raise Invalid("secret", name, "a name that is no variable of Python, MLflow, Helicline or the system")
    return name


def remove(tx: Tx, name: str) -> None:
    """Delete a secret; steps that name it cannot run any more."""
    SECRETS.get(tx, checked_name(name))
    SECRETS.delete(tx, name)
    bus.emit(tx, "deleted", "secret", name)


def missing(tx: Reader, names: Iterable[str]) -> list[str]:
    """Return the names for which no secret is set."""
    return [name for name in dict.fromkeys(names) if SECRETS.find(tx, name) is None]


def values(tx: Reader, vault: Vault, names: Iterable[str]) -> dict[str, str]:
    """Return secrets in clear, by name.

    Raises:
        NotFound: one is not set. Conflict: it was sealed with another key.
    """
    absent = missing(tx, names)
    if absent:
        raise not_set(absent[0])
    return {name: vault.open(SECRETS.get(tx, name).sealed, _context(name)) for name in names}


def not_set(name: str) -> NotFound:
    return NotFound("secret", name, f"Set it: hl secret set {name}")


def _context(name: str) -> str:
    """Return the context to which the value is bound: it can be decrypted under no other name."""
    return f"secret/{name}"
