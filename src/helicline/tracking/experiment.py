"""Experiments: create, find, rename, tag, delete and restore."""

from __future__ import annotations

import re

import msgspec

from helicline import bus
from helicline.errors import Conflict, Invalid, NotFound
from helicline.records.run import Experiment, Lifecycle
from helicline.store.rows import experiment as rows
from helicline.store.rows import run as run_rows
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks
from helicline.tracking.errors import NotActive


def create_experiment(
    tx: Tx, name: str, *, artifact_location: str = "", tags: dict[str, str] | None = None
) -> Experiment:
    """Return the new experiment. Raises Conflict where another one has the name, even a deleted one."""
    _checked_name(name)
    location = checks.checked_location("artifact_location", artifact_location)
    number = rows.next_id(tx)
    if rows.find_by_name(tx, name) is not None:
        raise Conflict("experiment", name, "exists already")
    experiment = Experiment(
        experiment_id=str(number),
        name=name,
        artifact_location=location or f"mlflow-artifacts:/{number}",
        lifecycle="active",
        created_at=tx.now,
        updated_at=tx.now,
        tags={key: _checked_tag(key, value) for key, value in (tags or {}).items()},
    )
    rows.insert(tx, experiment)
    bus.emit(tx, "created", "experiment", experiment.experiment_id, name=name)
    return experiment


def ensure_experiment(tx: Tx, name: str) -> Experiment:
    """Return the experiment with that name, created if it does not exist. Raises Conflict where it is deleted."""
    experiment = rows.find_by_name(tx, name)
    if experiment is None:
        return create_experiment(tx, name)
    return _active(experiment)


def get_experiment(tx: Reader, experiment_id: str) -> Experiment:
    """Return the experiment, deleted or not."""
    experiment = rows.find(tx, experiment_number(experiment_id))
    if experiment is None:
        raise NotFound("experiment", experiment_id)
    return experiment


def experiment_number(experiment_id: str) -> int:
    """Return the id as the number in the database."""
    if not re.fullmatch(r"-?[0-9]{1,18}", experiment_id, re.ASCII):
        raise Invalid(
            "experiment_id",
            experiment_id,
            f"Invalid experiment ID '{experiment_id}'. Experiment ID must be a valid integer.",
        )
    return int(experiment_id)


def get_experiment_by_name(tx: Reader, name: str) -> Experiment:
    """Return the experiment, deleted or not."""
    experiment = rows.find_by_name(tx, name)
    if experiment is None:
        raise NotFound("experiment by name", name)
    return experiment


def experiment_of(tx: Reader, reference: str) -> str:
    """Return the id of the experiment with that id, or with that name if it is not a number."""
    if reference.isdecimal():
        return reference
    experiment = rows.find_by_name(tx, reference)
    if experiment is None:
        raise NotFound("experiment", reference)
    return experiment.experiment_id


def delete_experiment(tx: Tx, experiment_id: str) -> None:
    """Delete the experiment and its runs softly; `restore_experiment` reverses it."""
    experiment = get_experiment(tx, experiment_id)
    if experiment.lifecycle == "deleted":
        raise NotFound("experiment", experiment_id)
    _set_lifecycle(tx, experiment, "deleted")
    bus.emit(tx, "deleted", "experiment", experiment_id, name=experiment.name)


def restore_experiment(tx: Tx, experiment_id: str) -> None:
    experiment = get_experiment(tx, experiment_id)
    if experiment.lifecycle == "active":
        raise NotFound("experiment", experiment_id)
    _set_lifecycle(tx, experiment, "active")
    bus.emit(tx, "restored", "experiment", experiment_id, name=experiment.name)


def _set_lifecycle(tx: Tx, experiment: Experiment, lifecycle: Lifecycle) -> None:
    rows.save(tx, msgspec.structs.replace(experiment, lifecycle=lifecycle, updated_at=tx.now))
    run_rows.set_lifecycle_of_experiment(tx, experiment.experiment_id, lifecycle)


def rename_experiment(tx: Tx, experiment_id: str, name: str) -> Experiment:
    _checked_name(name, field="new_name")
    rows.lock_topics(tx, "experiment")
    experiment = get_experiment(tx, experiment_id)
    if experiment.lifecycle != "active":
        raise Conflict("experiment", experiment_id, "is deleted, and cannot be renamed unless it is restored")
    other = rows.find_by_name(tx, name)
    if other is not None and other.experiment_id != experiment_id:
        raise Conflict("experiment", name, "exists already")
    renamed = msgspec.structs.replace(experiment, name=name, updated_at=tx.now)
    rows.save(tx, renamed)
    bus.emit(tx, "renamed", "experiment", experiment_id, name=name, previous=experiment.name)
    return renamed


def tag_experiment(tx: Tx, experiment_id: str, key: str, value: str) -> None:
    checked = _checked_tag(key, value)
    experiment = _active(get_experiment(tx, experiment_id))
    tags = experiment.tags | {key: checked}
    rows.save(tx, msgspec.structs.replace(experiment, tags=tags, updated_at=tx.now))


def untag_experiment(tx: Tx, experiment_id: str, key: str) -> None:
    experiment = _active(get_experiment(tx, experiment_id))
    if key not in experiment.tags:
        raise NotFound("experiment tag", key, experiment_id)
    tags = {name: value for name, value in experiment.tags.items() if name != key}
    rows.save(tx, msgspec.structs.replace(experiment, tags=tags, updated_at=tx.now))


def active_experiment(tx: Reader, experiment_id: str) -> Experiment:
    """Return the experiment. Raises NotActive where it is deleted."""
    return _active(get_experiment(tx, experiment_id))


def _active(experiment: Experiment) -> Experiment:
    if experiment.lifecycle != "active":
        raise NotActive("experiment", experiment.experiment_id, experiment.lifecycle)
    return experiment


def _checked_name(name: str, field: str = "name") -> None:
    if not name.strip():
        raise Invalid(field, name, f"Invalid experiment name: '{name}'")
    checks.checked_text(field, name)
    checks.checked_length(field, 500, name)


def _checked_tag(key: str, value: str) -> str:
    checks.checked_key("key", "key", key)
    checks.checked_text("value", value)
    return checks.checked_length("value", 20_000, value)
