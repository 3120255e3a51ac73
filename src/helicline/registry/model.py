"""Registered models: create, find, describe, rename, tag and delete."""

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

IS_PROMPT = "mlflow.prompt.is_prompt"


def unprotect_hint(model: str, alias: str) -> str:
    """Return the next step for a person whom a protected alias stops."""
    return f"An administrator can lift the protection: hl model unprotect {model} {alias}"


def create_model(tx: Tx, name: str, *, tags: dict[str, str] | None = None, description: str = "") -> RegisteredModel:
    """Return the new model, without versions. Raises Conflict where the name exists."""
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
    """Return the model. Raises NotFound where it does not exist."""
    checked_model_name(name)
    model = MODELS.find(tx, name)
    if model is None:
        raise NotFound("registered model", name)
    return model


def locked_model(tx: Tx, name: str) -> RegisteredModel:
    """Return the model, and block other units that change it or its versions until this one ends."""
    lock_topics(tx, f"model:{name}")
    return get_model(tx, name)


def describe_model(tx: Tx, name: str, description: str) -> RegisteredModel:
    model = locked_model(tx, name)
    text = checks.checked_text("description", description)
    updated = MODELS.swap(tx, msgspec.structs.replace(model, description=text, updated_at=tx.now))
    bus.emit(tx, "described", "registered_model", name)
    return updated


def rename_model(tx: Tx, name: str, new_name: str) -> RegisteredModel:
    """Rename the model with its versions and aliases. Raises Refused where an alias is protected."""
    checked_model_name(new_name, field="new_name")
    for topic in sorted({name, new_name}):
        lock_topics(tx, f"model:{topic}")
    model = get_model(tx, name)
    if new_name == name:
        return model
    _check_unprotected(model, "rename")
    if MODELS.find(tx, new_name) is not None:
        raise Conflict("registered model", new_name, "exists already")
    updated = msgspec.structs.replace(model, name=new_name, updated_at=tx.now)
    MODELS.delete(tx, name)
    MODELS.insert(tx, updated)
    for version in VERSIONS.select(tx, VERSIONS.table.c.model == name):
        VERSIONS.delete(tx, name, version.number)
        VERSIONS.insert(tx, msgspec.structs.replace(version, model=new_name))
    for alias in ALIASES.select(tx, ALIASES.table.c.model == name):
        ALIASES.delete(tx, name, alias.alias)
        ALIASES.insert(tx, msgspec.structs.replace(alias, model=new_name))
    bus.emit(tx, "renamed", "registered_model", new_name, previous=name)
    return updated


def delete_model(tx: Tx, name: str) -> None:
    """Delete the model, its versions and aliases permanently; artifacts stay. Raises Refused for a protected alias."""
    _check_unprotected(locked_model(tx, name), "delete")
    for version in VERSIONS.select(tx, VERSIONS.table.c.model == name):
        VERSIONS.delete(tx, name, version.number)
    for alias in ALIASES.select(tx, ALIASES.table.c.model == name):
        ALIASES.delete(tx, name, alias.alias)
    MODELS.delete(tx, name)
    bus.emit(tx, "deleted", "registered_model", name)


def _check_unprotected(model: RegisteredModel, action: str) -> None:
    if model.protected:
        raise Refused(
            action,
            f"{model.name}@{model.protected[0].alias} is protected",
            unprotect_hint(model.name, model.protected[0].alias),
        )


def tag_model(tx: Tx, name: str, key: str, value: str) -> None:
    checked = checked_tag(key, value)
    model = locked_model(tx, name)
    tags = model.tags | {key: checked}
    is_prompt = tags.get(IS_PROMPT, "").lower() == "true"
    MODELS.swap(tx, msgspec.structs.replace(model, tags=tags, is_prompt=is_prompt))
    bus.emit(tx, "tagged", "registered_model", name, key=key)


def untag_model(tx: Tx, name: str, key: str) -> None:
    """Delete the tag; no error where it does not exist."""
    model = locked_model(tx, name)
    if key not in model.tags:
        return
    tags = {tag: value for tag, value in model.tags.items() if tag != key}
    MODELS.swap(tx, msgspec.structs.replace(model, tags=tags))
    bus.emit(tx, "untagged", "registered_model", name, key=key)


def checked_model_name(name: str, field: str = "name") -> str:
    """Return the name. Raises Invalid where it is not valid in a `models:/` URI."""
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
