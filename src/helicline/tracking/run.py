"""Runs: create, find, update, delete and restore."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Literal

import msgspec

from helicline import bus, ids
from helicline.errors import Invalid, NotFound
from helicline.records.run import Lifecycle, Run, RunStatus
from helicline.store.rows import run as rows
from helicline.store.rows.run_summary import ENDED_STATUSES
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks
from helicline.tracking.errors import NotActive
from helicline.tracking.experiment import active_experiment

NAME_TAG = "mlflow.runName"
ADJECTIVES = "able bold brisk calm clean deft eager fair fleet glad keen kind lucid merry neat quick sage spry tidy wry"
ANIMALS = "ant bee carp crane deer dove elk finch fox gull hare ibis lark lynx mole newt otter perch seal swan wren"


def create_run(
    tx: Tx,
    experiment_id: str,
    *,
    name: str = "",
    tags: dict[str, str] | None = None,
    user: str = "",
    start_time: datetime | None = None,
    run_id: str | None = None,
) -> Run:
    """Return the new run, RUNNING. Its name equals the tag `mlflow.runName`; without either, a name is generated.

    With `run_id` the call can be repeated: an existing run is returned unchanged.
    """
    if run_id is not None and (existing := rows.find(tx, run_id)) is not None:
        return existing
    experiment = active_experiment(tx, experiment_id)
    checked_tags = {key: _checked_first_tag(key, value) for key, value in (tags or {}).items()}
    run = Run(
        run_id=_new_id(run_id),
        experiment_id=experiment.experiment_id,
        name=_run_name(name, checked_tags.get(NAME_TAG, "")),
        status="RUNNING",
        lifecycle="active",
        user=user,
        start_time=start_time or tx.now,
        end_time=None,
        artifact_uri="",
    )
    uri = f"{experiment.artifact_location.rstrip('/')}/{run.run_id}/artifacts"
    run = msgspec.structs.replace(run, artifact_uri=uri, tags=checked_tags | {NAME_TAG: run.name})
    rows.save(tx, run)
    rows.set_tags(tx, run.run_id, run.tags)
    bus.emit(tx, "created", "run", run.run_id, experiment=run.experiment_id, name=run.name)
    return run


def _checked_first_tag(key: str, value: str) -> str:
    """Return the value of a tag of a new run. Its key is less restricted than later ones, as on the stock server."""
    checks.checked_text("tags.key", checks.checked_length("key", 250, key))
    return checks.checked_text("tags.value", value)[:8000]


def _new_id(requested: str | None) -> str:
    if requested is None:
        return ids.new_run_id()
    if not checks.RUN_ID.fullmatch(requested):
        raise Invalid("run_id", requested, "letters, digits, '_' and '-', at most 256")
    return requested


def _run_name(name: str, name_tag: str) -> str:
    if name and name_tag and name != name_tag:
        raise Invalid(
            "run_name",
            name,
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{name_tag}').",
        )
    if name or name_tag:
        return checks.checked_text("run_name", name or name_tag)
    source = random.SystemRandom()
    return f"{source.choice(ADJECTIVES.split())}-{source.choice(ANIMALS.split())}-{source.randrange(1000)}"


def find_run(tx: Reader, run_id: str) -> Run | None:
    """Return the whole run, deleted or not, or None for one that another tracking server recorded."""
    return rows.find(tx, run_id)


def get_run(tx: Reader, run_id: str) -> Run:
    """Return the whole run, deleted or not."""
    run = find_run(tx, run_id)
    if run is None:
        raise NotFound("run", run_id)
    return run


def active_run(tx: Tx, run_id: str) -> Run:
    """Return the run without its logged data, locked until the unit ends. Raises NotActive for a deleted run."""
    run = rows.find_info(tx, run_id)
    if run is None:
        raise NotFound("run", run_id)
    if run.lifecycle != "active":
        raise NotActive("run", run_id, run.lifecycle)
    return run


def update_run(
    tx: Tx,
    run_id: str,
    *,
    status: RunStatus | None = None,
    end_time: datetime | None = None,
    name: str | None = None,
) -> Run:
    """Change the arguments that are set, and return the run without its logged data."""
    before = active_run(tx, run_id)
    run = msgspec.structs.replace(
        before, status=status or before.status, end_time=end_time or before.end_time, name=name or before.name
    )
    rows.save(tx, run)
    if name:
        rows.set_tags(tx, run_id, {NAME_TAG: checks.checked_text("run_name", name)})
    if status in ENDED_STATUSES and before.status != status:
        bus.emit(tx, "finished", "run", run_id, status=status, experiment=run.experiment_id)
    return run


def delete_run(tx: Tx, run_id: str) -> None:
    """Delete the run softly; no error where it is deleted already."""
    _set_lifecycle(tx, run_id, "deleted", verb="deleted")


def restore_run(tx: Tx, run_id: str) -> None:
    """Restore the run; no error where it is active."""
    _set_lifecycle(tx, run_id, "active", verb="restored")


def _set_lifecycle(tx: Tx, run_id: str, lifecycle: Lifecycle, *, verb: Literal["deleted", "restored"]) -> None:
    run = rows.find_info(tx, run_id)
    if run is None:
        raise NotFound("run", run_id)
    if run.lifecycle == lifecycle:
        return
    if verb == "restored":
        active_experiment(tx, run.experiment_id)
    rows.save(tx, msgspec.structs.replace(run, lifecycle=lifecycle))
    bus.emit(tx, verb, "run", run_id, experiment=run.experiment_id)


def checked_tag(key: str, value: str, path: str = "") -> str:
    """Return the value in the form to store: truncated to 8000 characters, as by the stock server."""
    prefix = f"{path}." if path else ""
    checks.checked_key(f"{prefix}key", f"{prefix}key", key)
    return checks.checked_text(f"{prefix}value", value)[:8000]
