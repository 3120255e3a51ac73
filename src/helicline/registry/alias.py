"""Aliases such as `digits@champion`: point, unpoint and find."""

from __future__ import annotations

import re

import msgspec

from helicline import bus
from helicline.errors import Invalid, NotFound, Refused
from helicline.records.model import Alias
from helicline.registry.model import get_model, locked_model, unprotect_hint
from helicline.registry.version import get_version, newest
from helicline.store.nouns import ALIASES
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks

NAME = re.compile(r"[\w-]+")
VERSION_LIKE = re.compile(r"[vV]\d+")


def point(tx: Tx, model: str, alias: str, number: int) -> Alias:
    """Return the alias, which now points to that version; no event where it did before.

    This ignores protection. Requests of people and clients go through `protect.point_or_ask`.
    """
    checked_alias(alias)
    locked_model(tx, model)
    get_version(tx, model, number)
    before = ALIASES.find(tx, model, alias)
    if before is not None and before.number == number:
        return before
    moved = Alias(model=model, alias=alias, number=number, updated_at=tx.now, updated_by=tx.actor)
    if before is None:
        ALIASES.insert(tx, moved)
    else:
        moved = ALIASES.swap(tx, msgspec.structs.replace(moved, version=before.version))
    bus.emit(tx, "pointed", "alias", f"{model}@{alias}", number=number, previous=before.number if before else None)
    return moved


def unpoint(tx: Tx, model: str, alias: str) -> None:
    """Delete the alias; no error where it does not exist. Raises Refused where it is protected."""
    check_spelling(alias)
    registered = locked_model(tx, model)
    if any(rule.alias == alias for rule in registered.protected):
        raise Refused("drop the alias", f"{model}@{alias} is protected", unprotect_hint(model, alias))
    drop(tx, model, alias)


def drop(tx: Tx, model: str, alias: str) -> None:
    """Delete the alias, protected or not."""
    before = ALIASES.find(tx, model, alias)
    if before is None:
        return
    ALIASES.delete(tx, model, alias)
    bus.emit(tx, "unpointed", "alias", f"{model}@{alias}", previous=before.number)


def alias_of(tx: Reader, model: str, alias: str) -> int | None:
    """Return the version number of the alias, or None where there is none. `latest` is the newest version."""
    if alias.lower() == "latest":
        version = newest(tx, model)
        return None if version is None else version.number
    pointer = ALIASES.find(tx, model, alias)
    return None if pointer is None else pointer.number


def aliases(tx: Reader, model: str) -> dict[str, int]:
    """Return the version numbers of the model's aliases."""
    return {alias.alias: alias.number for alias in ALIASES.select(tx, ALIASES.table.c.model == model)}


def number_at(tx: Reader, model: str, alias: str) -> int:
    """Return the version number of the alias. Raises NotFound where it does not exist."""
    check_spelling(alias)
    get_model(tx, model)
    number = alias_of(tx, model, alias)
    if number is None:
        raise NotFound("alias", alias)
    return number


def checked_alias(alias: str) -> str:
    """Return the alias. Raises Invalid for a malformed or reserved name."""
    check_spelling(alias)
    if alias.lower() == "latest":
        raise Invalid("alias", alias, "'latest' alias name (case insensitive) is reserved")
    if VERSION_LIKE.fullmatch(alias):
        raise Invalid("alias", alias, f"Version alias name '{alias}' is reserved")
    return alias


def check_spelling(alias: str) -> None:
    """Raise Invalid for a malformed alias; reserved names pass."""
    if not alias:
        raise Invalid("alias", alias, "Registered model alias name cannot be empty.")
    if not NAME.fullmatch(alias):
        raise Invalid(
            "alias",
            alias,
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)",
        )
    checks.checked_length("Registered model alias name", 255, alias)
