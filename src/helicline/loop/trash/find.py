"""What lies in the trash and may go: deleted softly, long enough ago, and nothing that lives stands on it."""

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
from helicline.store.rows import purge
from helicline.store.rows import run as run_rows
from helicline.store.unit import Reader, Tx
from helicline.tracking.artifact import path_in_store

DEFAULT = "0"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
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


def find(tx: Reader, wish: Wish) -> list[Item]:
    """Return what the wish concerns: what belongs to an experiment before it, and whatever has to stay with its reason.

    Raises:
        NotFound: a run or experiment that is named does not exist.
        Invalid: one that is named is not deleted, or not long enough ago.
    """
    named = bool(wish.run_ids or wish.experiment_ids)
    until = tx.now - wish.older_than
    held = _held(tx)
    items: dict[tuple[str, str], Item] = {}
    for experiment in _experiments(tx, wish, until, named=named):
        inside = _inside(tx, experiment.experiment_id, held)
        items |= {(item.noun, item.id): item for item in [*inside, _experiment(experiment, inside)]}
    singles = [_run(run, held) for run in _runs(tx, wish, until, named=named)]
    if not named:
        singles += [_model(model, held) for model in purge.deleted_models(tx) if model.updated_at <= until]
        singles += [_version(one) for one in _versions(tx, until)]
    return [*items.values(), *(item for item in singles if (item.noun, item.id) not in items)]


def still(tx: Tx, items: Sequence[Item]) -> list[Item]:
    """Return the items that may go at this moment; experiments only once nothing is left in them."""
    held = _held(tx)
    return [item for item in items if _may_go(tx, item, held)]


def _may_go(tx: Tx, item: Item, held: Sequence[ModelVersion]) -> bool:
    if item.noun == "run":
        run = run_rows.bare(tx, item.id)
        return run is not None and run.lifecycle == "deleted" and not _run(run, held).why
    if item.noun == "logged_model":
        model = model_rows.find(tx, item.id)
        return model is not None and _is_gone(tx, model) and not _model(model, held).why
    if item.noun == "model_version":
        name, _, number = item.id.rpartition("/")
        version = nouns.VERSIONS.find(tx, name, int(number))
        return version is not None and version.deleted and version not in held
    experiment = experiments.find(tx, int(item.id))
    inside = [*purge.runs_of(tx, item.id), *purge.models_of(tx, item.id), *purge.traces_of(tx, item.id, limit=1)]
    return experiment is not None and experiment.lifecycle == "deleted" and not inside


def _is_gone(tx: Tx, model: LoggedModel) -> bool:
    """Tell whether the model is deleted, by itself or with its experiment."""
    experiment = experiments.find(tx, int(model.experiment_id))
    return model.lifecycle == "deleted" or (experiment is not None and experiment.lifecycle == "deleted")


def _experiments(tx: Reader, wish: Wish, until: datetime, *, named: bool) -> list[Experiment]:
    if not named:
        deleted = experiments.everything(tx, ["deleted"])
        return [one for one in deleted if one.updated_at <= until]
    found = [tracking.get_experiment(tx, one) for one in wish.experiment_ids]
    for one in found:
        _check("experiment_ids", one.experiment_id, deleted=one.lifecycle == "deleted", old=one.updated_at <= until)
    return found


def _runs(tx: Reader, wish: Wish, until: datetime, *, named: bool) -> list[Run]:
    found = [tracking.get_run(tx, one) for one in wish.run_ids] if named else purge.deleted_runs(tx)
    gone = _deleted_at(tx, found)
    if not named:
        return [run for run in found if gone[run.run_id] <= until]
    for run in found:
        _check("run_ids", run.run_id, deleted=run.lifecycle == "deleted", old=gone[run.run_id] <= until)
    return found


def _check(field: str, got: str, *, deleted: bool, old: bool) -> None:
    if not deleted:
        raise Invalid(field, got, "only what is deleted", "Delete it first: nothing is removed that is in use.")
    if not old:
        raise Invalid(field, got, "only what was deleted longer ago than older_than")


def _deleted_at(tx: Reader, found: Sequence[Run]) -> dict[str, datetime]:
    """Return when each run was deleted: by itself, or with its experiment."""
    by_itself = purge.last_deleted(tx, "run", [run.run_id for run in found])
    with_all = {one.experiment_id: one.updated_at for one in experiments.everything(tx, ["deleted"])}
    # what no event tells of is as young as can be
    return {run.run_id: by_itself.get(run.run_id) or with_all.get(run.experiment_id, tx.now) for run in found}


def _versions(tx: Reader, until: datetime) -> list[ModelVersion]:
    """Return deleted versions that no deployment ever had: what was deployed can be asked about for good."""
    deployed = {(one.model, one.model_version) for one in nouns.REVISIONS.select(tx)}
    return [
        one
        for one in nouns.VERSIONS.select(tx)
        if one.deleted and one.updated_at <= until and (one.model, one.number) not in deployed
    ]


def _held(tx: Reader) -> list[ModelVersion]:
    """Return the versions that stand on runs, logged models and files: those that live, or were deployed."""
    deployed = {(one.model, one.model_version) for one in nouns.REVISIONS.select(tx)}
    every = nouns.VERSIONS.select(tx)
    return [one for one in every if not one.deleted or (one.model, one.number) in deployed]


def _run(run: Run, held: Sequence[ModelVersion], within: str = "") -> Item:
    folder = path_in_store(run.artifact_uri) or ""
    why = _stands_on(held, folder, run_id=run.run_id)
    return Item(noun="run", id=run.run_id, folder=folder, within=within, why=why)


def _model(model: LoggedModel, held: Sequence[ModelVersion], within: str = "") -> Item:
    folder = path_in_store(model.artifact_uri) or ""
    why = _stands_on(held, folder, model_id=model.model_id)
    return Item(noun="logged_model", id=model.model_id, folder=folder, within=within, why=why)


def _stands_on(held: Sequence[ModelVersion], folder: str, *, run_id: str = "", model_id: str = "") -> str:
    for version in held:
        beneath = bool(folder) and f"{version.artifact_root}/".startswith(f"{folder}/")
        if beneath or (run_id and version.run_id == run_id) or (model_id and version.model_id == model_id):
            return f"{version.id} comes from it"
    return ""


def _version(version: ModelVersion) -> Item:
    return Item(noun="model_version", id=version.id)


def _inside(tx: Reader, experiment_id: str, held: Sequence[ModelVersion]) -> list[Item]:
    runs = [_run(run, held, experiment_id) for run in purge.runs_of(tx, experiment_id)]
    return [*runs, *(_model(model, held, experiment_id) for model in purge.models_of(tx, experiment_id))]


def _experiment(experiment: Experiment, inside: Sequence[Item]) -> Item:
    staying = [item for item in inside if item.why]
    why = f"its {staying[0].noun.replace('_', ' ')} {staying[0].id} stays: {staying[0].why}" if staying else ""
    if experiment.experiment_id == DEFAULT:
        why = why or "it is the default one"
    return Item(noun="experiment", id=experiment.experiment_id, why=why)
