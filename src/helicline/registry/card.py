"""The part of a version's card that people write; the rest comes from records."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from helicline import bus
from helicline.errors import Invalid
from helicline.records.model import ModelVersion
from helicline.registry.model import locked_model
from helicline.registry.version import get_version, versions
from helicline.store.nouns import VERSIONS
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks

FIELDS = {
    "owner": "Who answers for the model, and how to reach them",
    "intended_use": "What it is for, and who should use it",
    "out_of_scope": "What it must not be used for",
    "limitations": "Where it is known to fail, and for whom it is worse",
    "ethics": "Whom its mistakes hurt, and what was done about that",
}
MAX_LENGTH = 20_000


def edit_card(tx: Tx, model: str, number: int, fields: Mapping[str, str]) -> ModelVersion:
    """Write the given fields, delete those with an empty text, and return the version."""
    for name, text in fields.items():
        if name not in FIELDS:
            raise Invalid("fields", name, f"one of {', '.join(FIELDS)}")
        checks.checked_length(name, MAX_LENGTH, checks.checked_text(name, text))
    locked_model(tx, model)
    version = get_version(tx, model, number)
    card = {name: text.strip() for name, text in (version.card | dict(fields)).items() if text.strip()}
    bus.emit(tx, "described", "model_version", version.id, card=sorted(fields))
    return VERSIONS.swap(tx, msgspec.structs.replace(version, card=card, updated_at=tx.now))


def earlier_card(tx: Reader, version: ModelVersion) -> dict[str, tuple[str, int]]:
    """Return, for each empty field of this version, the text and number of the nearest earlier version with one."""
    texts: dict[str, tuple[str, int]] = {}
    for earlier in versions(tx, version.model):
        if earlier.number < version.number:
            texts |= {name: (text, earlier.number) for name, text in earlier.card.items()}
    return {name: entry for name, entry in texts.items() if name not in version.card}
