"""Stages of older clients: each of the two active stages keeps an alias on its newest version.

Several versions may be in a stage; clients that ask for the stage get the highest number, and its alias
(`production`, `staging`) points to it. So protection of the alias protects the stage. Moving such an alias directly
changes no stage.
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
    """Return the stage in its canonical spelling; case is ignored."""
    canonical = STAGES.get(stage.lower())
    if canonical is None:
        allowed = ", ".join(STAGES.values())
        raise Invalid("stage", stage, f"Invalid Model Version stage: {stage}. Value must be one of {allowed}.")
    return canonical


def checked_move(stage: str, *, archive_others: bool) -> StageMove:
    """Return the move. Raises Invalid where others shall be archived for a stage that is not active."""
    canonical = checked_stage(stage)
    if archive_others and canonical not in ALIAS_OF:
        raise Invalid(
            "archive_existing_versions",
            stage,
            "Archiving existing model versions is only possible for the stages Staging and Production",
        )
    return StageMove(stage=canonical, archive_others=archive_others)


def stage_changes(tx: Reader, version: ModelVersion, move: StageMove) -> dict[int, str]:
    """Return the new stage of each version that the move changes."""
    siblings = versions.versions(tx, version.model) if move.archive_others else []
    archived = {other.number: "Archived" for other in siblings if other.stage == move.stage}
    return archived | {version.number: move.stage}


def alias_moves(tx: Reader, model: str, new_stages: dict[int, str]) -> dict[str, int | None]:
    """Return the stage aliases that no longer point to the newest version of their stage, with their new targets."""
    before = {version.number: version.stage for version in versions.versions(tx, model)}
    after = before | new_stages
    affected = {before.get(number, "None") for number in new_stages} | set(new_stages.values())
    targets = {
        alias: max((number for number, other_stage in after.items() if other_stage == stage), default=None)
        for stage, alias in ALIAS_OF.items()
        if stage in affected
    }
    return {alias: number for alias, number in targets.items() if alias_of(tx, model, alias) != number}


def carry_out(tx: Tx, version: ModelVersion, move: StageMove, *, except_aliases: Collection[str] = ()) -> ModelVersion:
    """Return the version in its new stage, after moving the stage aliases except those in `except_aliases`."""
    new_stages = stage_changes(tx, version, move)
    moves = alias_moves(tx, version.model, new_stages)
    for number, stage in new_stages.items():
        _set_stage(tx, versions.get_version(tx, version.model, number), stage)
    _move_aliases(tx, version.model, {alias: number for alias, number in moves.items() if alias not in except_aliases})
    return versions.get_version(tx, version.model, version.number)


def _set_stage(tx: Tx, version: ModelVersion, stage: str) -> None:
    VERSIONS.swap(tx, msgspec.structs.replace(version, stage=stage, updated_at=tx.now))
    bus.emit(tx, "moved", "model_version", version.id, stage=stage, previous=version.stage)


def _move_aliases(tx: Tx, model: str, moves: dict[str, int | None]) -> None:
    for alias, number in moves.items():
        if number is None:
            drop(tx, model, alias)
        else:
            point(tx, model, alias, number)


def delete_version(tx: Tx, model: str, number: int) -> None:
    """Delete the version softly with its aliases, and move the alias of its stage. Refused for a protected alias."""
    protected = {rule.alias for rule in locked_model(tx, model).protected}
    stage = versions.get_version(tx, model, number).stage
    versions.delete_version(tx, model, number)
    if stage in ALIAS_OF:
        moves = alias_moves(tx, model, _in_stage(tx, model, stage))
        _move_aliases(tx, model, {alias: target for alias, target in moves.items() if alias not in protected})


def _in_stage(tx: Reader, model: str, stage: str) -> dict[int, str]:
    return {version.number: stage for version in versions.versions(tx, model) if version.stage == stage}
