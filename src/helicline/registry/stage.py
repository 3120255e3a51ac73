"""Stages, as older clients know them: each of the two active ones keeps an alias on its newest version.

Several versions may stand at a stage; clients that ask for the stage get the highest number, and so does its alias
(`production`, `staging`). What protects the alias so protects the stage. Pointing such an alias by hand moves no stage.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from helicline import bus
from helicline.errors import Invalid
from helicline.records.model import ModelVersion, StageMove
from helicline.registry import version as versions
from helicline.registry.alias import alias_of, drop, point
from helicline.registry.model import locked_model
from helicline.store.nouns import VERSIONS
from helicline.store.unit import Reader, Tx

STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
ALIAS_OF = {"Staging": "staging", "Production": "production"}


def checked_stage(stage: str) -> str:
    """Return the stage in its one spelling, whatever the case it came in."""
    known_stage = STAGES.get(stage.lower())
    if known_stage is None:
        allowed = ", ".join(STAGES.values())
        raise Invalid("stage", stage, f"Invalid Model Version stage: {stage}. Value must be one of {allowed}.")
    return known_stage


def checked_move(stage: str, *, archive_others: bool) -> StageMove:
    """Return the move if it can be made: only those of an active stage can be archived for it."""
    canonical = checked_stage(stage)
    if archive_others and canonical not in ALIAS_OF:
        raise Invalid(
            "archive_existing_versions",
            stage,
            "Archiving existing model versions is only possible for the stages Staging and Production",
        )
    return StageMove(stage=canonical, archive_others=archive_others)


def changes(tx: Reader, version: ModelVersion, move: StageMove) -> dict[int, str]:
    """Return the new stage of each version that the move concerns."""
    siblings = versions.versions(tx, version.model) if move.archive_others else []
    archived = {other.number: "Archived" for other in siblings if other.stage == move.stage}
    return archived | {version.number: move.stage}


def shifts(tx: Reader, model: str, changed: dict[int, str]) -> dict[str, int | None]:
    """Return the aliases of stages that no longer name their stage's newest version, and where each should point."""
    before = {version.number: version.stage for version in versions.versions(tx, model)}
    after = before | changed
    touched = {before.get(number, "None") for number in changed} | set(changed.values())
    targets = {
        alias: max((number for number, at in after.items() if at == stage), default=None)
        for stage, alias in ALIAS_OF.items()
        if stage in touched
    }
    return {alias: number for alias, number in targets.items() if alias_of(tx, model, alias) != number}


def carry_out(tx: Tx, version: ModelVersion, move: StageMove, *, but: Collection[str] = ()) -> ModelVersion:
    """Return the version at its new stage, with the aliases of stages where they belong, `but` for those named."""
    changed = changes(tx, version, move)
    moving = shifts(tx, version.model, changed)
    for number, stage in changed.items():
        _moved(tx, versions.get_version(tx, version.model, number), stage)
    _shifted(tx, version.model, {alias: number for alias, number in moving.items() if alias not in but})
    return versions.get_version(tx, version.model, version.number)


def _moved(tx: Tx, version: ModelVersion, stage: str) -> None:
    VERSIONS.swap(tx, msgspec.structs.replace(version, stage=stage, updated_at=tx.now))
    bus.emit(tx, "moved", "model_version", version.id, stage=stage, previous=version.stage)


def _shifted(tx: Tx, model: str, moving: dict[str, int | None]) -> None:
    for alias, number in moving.items():
        if number is None:
            drop(tx, model, alias)
        else:
            point(tx, model, alias, number)


def delete_version(tx: Tx, model: str, number: int) -> None:
    """Hide the version and drop its aliases; its stage is the next one's then. Refused under a protected alias."""
    guarded = {rule.alias for rule in locked_model(tx, model).protected}
    stage = versions.get_version(tx, model, number).stage
    versions.delete_version(tx, model, number)
    if stage in ALIAS_OF:
        moving = shifts(tx, model, _standing(tx, model, stage))
        _shifted(tx, model, {alias: target for alias, target in moving.items() if alias not in guarded})


def _standing(tx: Reader, model: str, stage: str) -> dict[int, str]:
    return {version.number: stage for version in versions.versions(tx, model) if version.stage == stage}
