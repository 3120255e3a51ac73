"""What may be removed for good: soft-deleted, long enough ago, and referenced by nothing that is not deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from helicline import tracking
from helicline.errors import Invalid
from helicline.records.model import ModelVersion
from helicline.records.run import Experiment, LoggedModel, Run
from helicline.store import nouns
from helicline.store.rows import experiment as experiments
from helicline.store.rows import logged_model as model_rows
from helicline.store.rows import run as run_rows
from helicline.store.rows import trash as trash_rows
from helicline.store.unit import Reader, Tx
from helicline.tracking.artifact import path_in_store

DEFAULT = "0"


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go: the runs and experiments that are named, or without any all that was deleted so long ago."""

    run_ids: tuple[str, ...] = ()
    experiment_ids: tuple[str, ...] = ()
    older_than: timedelta = timedelta(0)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the trash, the folder of its artifacts where it has one, and why it has to stay."""

    noun: Literal["run", "logged_model", "model_version", "experiment"]
    id: str
    folder: str = ""
    within: str = ""
    why: str = ""


def find(tx: Reader, selection: Selection) -> list[Item]:
    """Return the selected items: contents before their experiment, and with a reason where an item has to stay.

    Raises:
        NotFound: a run or experiment that is named does not exist.
        Invalid: one that is named is not deleted, or not long enough ago.
    """
    named = bool(selection.run_ids or selection.experiment_ids)
    until = tx.now - selection.older_than
    in_use = _versions_in_use(tx)
    items: dict[tuple[str, str], Item] = {}
    for experiment in _experiments(tx, selection, until, named=named):
        inside = _inside(tx, experiment.experiment_id, in_use)
        items |= {(item.noun, item.id): item for item in [*inside, _experiment(experiment, inside)]}
    singles = [_run(run, in_use) for run in _runs(tx, selection, until, named=named)]
    if not named:
        singles += [_model(model, in_use) for model in trash_rows.deleted_models(tx) if model.updated_at <= until]
        singles += [_version(version) for version in _versions(tx, until)]
    return [*items.values(), *(item for item in singles if (item.noun, item.id) not in items)]


def still(tx: Tx, items: Sequence[Item]) -> list[Item]:
    """Return the items that may go at this moment; experiments only once nothing is left in them."""
    in_use = _versions_in_use(tx)
    return [item for item in items if _may_go(tx, item, in_use)]


def _may_go(tx: Tx, item: Item, in_use: Sequence[ModelVersion]) -> bool:
    if item.noun == "run":
        run = run_rows.find_info(tx, item.id)
        return run is not None and run.lifecycle == "deleted" and not _run(run, in_use).why
    if item.noun == "logged_model":
        model = model_rows.find(tx, item.id)
        return model is not None and _is_gone(tx, model) and not _model(model, in_use).why
    if item.noun == "model_version":
        name, _, number = item.id.rpartition("/")
        version = nouns.VERSIONS.find(tx, name, int(number))
        return version is not None and version.deleted and version not in in_use
    experiment = experiments.find(tx, int(item.id))
    inside = [
        *trash_rows.runs_of(tx, item.id),
        *trash_rows.models_of(tx, item.id),
        *trash_rows.traces_of(tx, item.id, limit=1),
    ]
    return experiment is not None and experiment.lifecycle == "deleted" and not inside


def _is_gone(tx: Tx, model: LoggedModel) -> bool:
    """Tell whether the model is deleted, by itself or with its experiment."""
    experiment = experiments.find(tx, int(model.experiment_id))
    return model.lifecycle == "deleted" or (experiment is not None and experiment.lifecycle == "deleted")


def _experiments(tx: Reader, selection: Selection, until: datetime, *, named: bool) -> list[Experiment]:
    if not named:
        deleted = experiments.find_all(tx, ["deleted"])
        return [experiment for experiment in deleted if experiment.updated_at <= until]
    selected = [tracking.get_experiment(tx, experiment_id) for experiment_id in selection.experiment_ids]
    for experiment in selected:
        _check(
            "experiment_ids",
            experiment.experiment_id,
            deleted=experiment.lifecycle == "deleted",
            old=experiment.updated_at <= until,
        )
    return selected


def _runs(tx: Reader, selection: Selection, until: datetime, *, named: bool) -> list[Run]:
    runs = [tracking.get_run(tx, run_id) for run_id in selection.run_ids] if named else trash_rows.deleted_runs(tx)
    deleted_at = _deleted_at(tx, runs)
    if not named:
        return [run for run in runs if deleted_at[run.run_id] <= until]
    for run in runs:
        _check("run_ids", run.run_id, deleted=run.lifecycle == "deleted", old=deleted_at[run.run_id] <= until)
    return runs


def _check(field: str, item_id: str, *, deleted: bool, old: bool) -> None:
    if not deleted:
        raise Invalid(field, item_id, "only what is deleted", "Delete it first: nothing is removed that is in use.")
    if not old:
        raise Invalid(field, item_id, "only what was deleted longer ago than older_than")


def _deleted_at(tx: Reader, runs: Sequence[Run]) -> dict[str, datetime]:
    """Return when each run was deleted: by itself, or with its experiment."""
    by_itself = trash_rows.last_deleted(tx, "run", [run.run_id for run in runs])
    with_all = {experiment.experiment_id: experiment.updated_at for experiment in experiments.find_all(tx, ["deleted"])}
    # what no event tells of is as young as can be
    return {run.run_id: by_itself.get(run.run_id) or with_all.get(run.experiment_id, tx.now) for run in runs}


def _versions(tx: Reader, until: datetime) -> list[ModelVersion]:
    """Return deleted versions that no deployment ever had: what was deployed can be asked about for good."""
    deployed = {(revision.model, revision.model_version) for revision in nouns.REVISIONS.select(tx)}
    return [
        version
        for version in nouns.VERSIONS.select(tx)
        if version.deleted and version.updated_at <= until and (version.model, version.number) not in deployed
    ]


def _versions_in_use(tx: Reader) -> list[ModelVersion]:
    """Return the versions that stand on runs, logged models and files: those that live, or were deployed."""
    deployed = {(revision.model, revision.model_version) for revision in nouns.REVISIONS.select(tx)}
    every = nouns.VERSIONS.select(tx)
    return [version for version in every if not version.deleted or (version.model, version.number) in deployed]


def _run(run: Run, in_use: Sequence[ModelVersion], within: str = "") -> Item:
    folder = path_in_store(run.artifact_uri) or ""
    why = _stands_on(in_use, folder, run_id=run.run_id)
    return Item(noun="run", id=run.run_id, folder=folder, within=within, why=why)


def _model(model: LoggedModel, in_use: Sequence[ModelVersion], within: str = "") -> Item:
    folder = path_in_store(model.artifact_uri) or ""
    why = _stands_on(in_use, folder, model_id=model.model_id)
    return Item(noun="logged_model", id=model.model_id, folder=folder, within=within, why=why)


def _stands_on(in_use: Sequence[ModelVersion], folder: str, *, run_id: str = "", model_id: str = "") -> str:
    for version in in_use:
        beneath = bool(folder) and f"{version.artifact_root}/".startswith(f"{folder}/")
        if beneath or (run_id and version.run_id == run_id) or (model_id and version.model_id == model_id):
            return f"{version.id} comes from it"
    return ""


def _version(version: ModelVersion) -> Item:
    return Item(noun="model_version", id=version.id)


def _inside(tx: Reader, experiment_id: str, in_use: Sequence[ModelVersion]) -> list[Item]:
    runs = [_run(run, in_use, experiment_id) for run in trash_rows.runs_of(tx, experiment_id)]
    return [*runs, *(_model(model, in_use, experiment_id) for model in trash_rows.models_of(tx, experiment_id))]


def _experiment(experiment: Experiment, inside: Sequence[Item]) -> Item:
    staying = [item for item in inside if item.why]
    why = f"its {staying[0].noun.replace('_', ' ')} {staying[0].id} stays: {staying[0].why}" if staying else ""
    if experiment.experiment_id == DEFAULT:
        why = why or "it is the default one"
    return Item(noun="experiment", id=experiment.experiment_id, why=why)
