"""The verbs of registered models."""

from __future__ import annotations

import posixpath

import msgspec

from helicline import bus
from helicline.errors import Conflict, Invalid, NotFound, Refused
from helicline.records.model import RegisteredModel
from helicline.store.nouns import ALIASES, MODELS, VERSIONS
from helicline.store.rows.experiment import lock_topics
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks

UNPROTECT = "An administrator can lift the protection: hl model unprotect."
IS_PROMPT = "mlflow.prompt.is_prompt"


def create_model(tx: Tx, name: str, *, tags: dict[str, str] | None = None, description: str = "") -> RegisteredModel:
    """Return the new model, without versions. Raises Conflict where the name is taken."""
    checked_model_name(name)
    lock_topics(tx, f"model:{name}")
    checked_tags = {key: checked_tag(key, value) for key, value in (tags or {}).items()}
    if MODELS.find(tx, name) is not None:
        raise Conflict("registered model", name, "exists already")
    model = RegisteredModel(
        name=name,
        created_at=tx.now,
        updated_at=tx.now,
        description=checks.checked_text("description", description),
        tags=checked_tags,
        is_prompt=checked_tags.get(IS_PROMPT, "").lower() == "true",
    )
    MODELS.insert(tx, model)
    bus.emit(tx, "created", "registered_model", name, is_prompt=model.is_prompt)
    return model


def get_model(tx: Reader, name: str) -> RegisteredModel:
    """Return the model. Raises NotFound where there is none."""
    checked_model_name(name)
    model = MODELS.find(tx, name)
    if model is None:
        raise NotFound("registered model", name)
    return model


def locked_model(tx: Tx, name: str) -> RegisteredModel:
    """Return the model; no other unit changes it or its versions until this one ends."""
    lock_topics(tx, f"model:{name}")
    return get_model(tx, name)


def describe_model(tx: Tx, name: str, description: str) -> RegisteredModel:
    model = locked_model(tx, name)
    text = checks.checked_text("description", description)
    fresh = MODELS.swap(tx, msgspec.structs.replace(model, description=text, updated_at=tx.now))
    bus.emit(tx, "described", "registered_model", name)
    return fresh


def rename_model(tx: Tx, name: str, new_name: str) -> RegisteredModel:
    """Give the model another name; its versions and aliases follow. Raises Refused where an alias is protected."""
    checked_model_name(new_name, field="new_name")
    for topic in sorted({name, new_name}):
        lock_topics(tx, f"model:{topic}")
    model = get_model(tx, name)
    if new_name == name:
        return model
    _unprotected(model, "rename")
    if MODELS.find(tx, new_name) is not None:
        raise Conflict("registered model", new_name, "exists already")
    fresh = msgspec.structs.replace(model, name=new_name, updated_at=tx.now)
    MODELS.delete(tx, name)
    MODELS.insert(tx, fresh)
    for version in VERSIONS.select(tx, VERSIONS.table.c.model == name):
        VERSIONS.delete(tx, name, version.number)
        VERSIONS.insert(tx, msgspec.structs.replace(version, model=new_name))
    for alias in ALIASES.select(tx, ALIASES.table.c.model == name):
        ALIASES.delete(tx, name, alias.alias)
        ALIASES.insert(tx, msgspec.structs.replace(alias, model=new_name))
    bus.emit(tx, "renamed", "registered_model", new_name, previous=name)
    return fresh


def delete_model(tx: Tx, name: str) -> None:
    """Remove the model with its versions and aliases for good; the artifacts stay. Refused for a protected alias."""
    _unprotected(locked_model(tx, name), "delete")
    for version in VERSIONS.select(tx, VERSIONS.table.c.model == name):
        VERSIONS.delete(tx, name, version.number)
    for alias in ALIASES.select(tx, ALIASES.table.c.model == name):
        ALIASES.delete(tx, name, alias.alias)
    MODELS.delete(tx, name)
    bus.emit(tx, "deleted", "registered_model", name)


def _unprotected(model: RegisteredModel, action: str) -> None:
    if model.protected:
        raise Refused(action, f"{model.name}@{model.protected[0].alias} is protected", UNPROTECT)


def tag_model(tx: Tx, name: str, key: str, value: str) -> None:
    checked = checked_tag(key, value)
    model = locked_model(tx, name)
    tags = model.tags | {key: checked}
    is_prompt = tags.get(IS_PROMPT, "").lower() == "true"
    MODELS.swap(tx, msgspec.structs.replace(model, tags=tags, is_prompt=is_prompt))
    bus.emit(tx, "tagged", "registered_model", name, key=key)


def untag_model(tx: Tx, name: str, key: str) -> None:
    """Drop the tag; one that is not there is fine."""
    model = locked_model(tx, name)
    if key not in model.tags:
        return
    tags = {tag: value for tag, value in model.tags.items() if tag != key}
    MODELS.swap(tx, msgspec.structs.replace(model, tags=tags))
    bus.emit(tx, "untagged", "registered_model", name, key=key)


def checked_model_name(name: str, field: str = "name") -> str:
    """Return the name if it can stand in `models:/` URIs."""
    if not name.strip():
        raise Invalid(field, name, f"Missing value for required parameter '{field}'.")
    if "/" in name or ":" in name:
        raise Invalid(field, name, f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    if posixpath.normpath(name) != name or name in (".", ".."):
        raise Invalid(field, name, "Names may be treated as files in certain cases, and must not resolve to others")
    return checks.checked_text(field, checks.checked_length(field, 256, name))


def checked_tag(key: str, value: str) -> str:
    checks.checked_key("key", "key", key)
    checks.checked_text("value", value)
    return checks.checked_length("value", 100_000, value)
