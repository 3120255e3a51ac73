"""What people write on a version's card; the rest of the card is read from what was recorded."""

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
MOST = 20_000


def edit_card(tx: Tx, model: str, number: int, fields: Mapping[str, str]) -> ModelVersion:
    """Write the fields given, an empty one away, and return the version."""
    for name, text in fields.items():
        if name not in FIELDS:
            raise Invalid("fields", name, f"one of {', '.join(FIELDS)}")
        checks.checked_length(name, MOST, checks.checked_text(name, text))
    locked_model(tx, model)
    version = get_version(tx, model, number)
    card = {name: text.strip() for name, text in (version.card | dict(fields)).items() if text.strip()}
    bus.emit(tx, "described", "model_version", version.id, card=sorted(fields))
    return VERSIONS.swap(tx, msgspec.structs.replace(version, card=card, updated_at=tx.now))


def earlier_card(tx: Reader, version: ModelVersion) -> dict[str, tuple[str, int]]:
    """Return what the nearest earlier version says in each field that this one leaves empty, and its number."""
    texts: dict[str, tuple[str, int]] = {}
    for other in versions(tx, version.model):
        if other.number < version.number:
            texts |= {name: (text, other.number) for name, text in other.card.items()}
    return {name: entry for name, entry in texts.items() if name not in version.card}
