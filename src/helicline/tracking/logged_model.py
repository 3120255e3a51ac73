"""Logged models: create, find, finalize, tag and delete."""

from __future__ import annotations

import re
import uuid

import msgspec

from helicline.errors import Invalid, NotFound
from helicline.records.run import LoggedModel
from helicline.store.rows import logged_model as rows
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks
from helicline.tracking.experiment import active_experiment

STATUSES = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
INVALID_NAME = re.compile(r"""[/:.%"']""")


def create_logged_model(
    tx: Tx,
    experiment_id: str,
    *,
    name: str = "",
    model_type: str = "",
    run_id: str = "",
    facts: tuple[dict[str, str], dict[str, str]] = ({}, {}),
    model_id: str | None = None,
) -> LoggedModel:
    """Return the new model, with the status pending; `facts` are its (params, tags).

    With `model_id` the call can be repeated: an existing model is returned unchanged.
    """
    if model_id is not None and (existing := rows.find(tx, model_id)) is not None:
        return existing
    experiment = active_experiment(tx, experiment_id)
    name = name or f"model-{uuid.uuid4().hex[:8]}"
    if INVALID_NAME.search(name):
        raise Invalid(
            "name",
            name,
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot "
            "contain the following characters: ('/', ':', '.', '%', '\"', \"'\")",
        )
    model_id = _new_id(model_id)
    model = LoggedModel(
        model_id=model_id,
        experiment_id=experiment_id,
        name=checks.checked_text("name", name),
        status="LOGGED_MODEL_PENDING",
        artifact_uri=f"{experiment.artifact_location.rstrip('/')}/models/{model_id}/artifacts",
        created_at=tx.now,
        updated_at=tx.now,
        source_run_id=checks.checked_ref("source_run_id", run_id),
        model_type=checks.checked_text("model_type", model_type),
        params=_checked(facts[0], "params", 6000),
        tags=_checked(facts[1], "tags", 100_000),
    )
    rows.save(tx, model)
    rows.add_params(tx, model_id, model.params)
    rows.set_tags(tx, model_id, model.tags)
    return model


def _new_id(requested: str | None) -> str:
    if requested is None:
        return f"m-{uuid.uuid4().hex}"
    if not MODEL_ID.fullmatch(requested):
        raise Invalid("model_id", requested, "m- and 32 hex digits")
    return requested


def _checked(facts: dict[str, str], field: str, limit: int) -> dict[str, str]:
    for key, value in facts.items():
        checks.checked_key(f"{field}.key", f"{field}.key", key)
        checks.checked_text(f"{field}.value", value)
    return {key: value[:limit] for key, value in facts.items()}


def get_logged_model(tx: Reader, model_id: str) -> LoggedModel:
    """Return the model. Raises NotFound for a deleted one too."""
    model = rows.find(tx, model_id)
    if model is None or model.lifecycle != "active":
        raise NotFound("logged model", model_id)
    return model


def finalize_logged_model(tx: Tx, model_id: str, status: str) -> LoggedModel:
    """Return the model with its final status."""
    if status not in STATUSES:
        raise Invalid("status", status, f"one of {', '.join(STATUSES)}")
    model = msgspec.structs.replace(get_logged_model(tx, model_id), status=status, updated_at=tx.now)
    rows.save(tx, model)
    return model


def delete_logged_model(tx: Tx, model_id: str) -> None:
    """Delete the model softly; no error where it is deleted already."""
    model = _existing(tx, model_id)
    rows.save(tx, msgspec.structs.replace(model, lifecycle="deleted", updated_at=tx.now))


def tag_logged_model(tx: Tx, model_id: str, tags: dict[str, str]) -> None:
    """Set the tags, of a deleted model too."""
    checked = _checked(tags, "tags", 100_000)
    _existing(tx, model_id)
    rows.set_tags(tx, model_id, checked)


def _existing(tx: Tx, model_id: str) -> LoggedModel:
    """Return the model, deleted or not."""
    model = rows.find(tx, model_id)
    if model is None:
        raise NotFound("logged model", model_id)
    return model


def untag_logged_model(tx: Tx, model_id: str, key: str) -> None:
    get_logged_model(tx, model_id)
    if not rows.drop_tag(tx, model_id, key):
        raise NotFound("logged model tag", key, model_id)


def add_logged_model_params(tx: Tx, model_id: str, params: dict[str, str]) -> None:
    """Add the new parameters, to a deleted model too; existing parameters stay unchanged."""
    checked = _checked(params, "params", 6000)
    _existing(tx, model_id)
    rows.add_params(tx, model_id, checked)
