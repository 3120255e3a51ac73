"""Scorers, stored as clients serialized them; this server never runs them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from helicline import bus
from helicline.errors import Invalid, NotFound, Refused
from helicline.records.evaluation import OnlineScoring, ScorerVersion
from helicline.store.nouns import SCORERS
from helicline.store.rows.experiment import lock_topics
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks
from helicline.tracking.experiment import active_experiment

MAX_TEXT = 1_000_000


def register_scorer(tx: Tx, experiment_id: str, name: str, serialized: str) -> ScorerVersion:
    """Return the scorer's next version."""
    if not name.strip():
        raise Invalid("name", name, "Scorer name cannot be empty or contain only whitespace.")
    checks.checked_text("name", checks.checked_length("name", 256, name))
    checks.checked_length("serialized_scorer", MAX_TEXT, serialized)
    try:
        msgspec.json.decode(serialized, type=dict)
    except (msgspec.MsgspecError, RecursionError):
        raise Invalid("serialized_scorer", serialized[:100], "a JSON object") from None
    active_experiment(tx, experiment_id)
    lock_topics(tx, f"scorer:{experiment_id}/{name}")
    before = _versions(tx, experiment_id, name)
    added = ScorerVersion(
        experiment=experiment_id,
        name=name,
        number=before[-1].number + 1 if before else 1,
        scorer_id=before[-1].scorer_id if before else str(uuid.uuid4()),
        serialized=serialized,
        created_at=tx.now,
        online=before[-1].online if before else None,
    )
    bus.emit(tx, "registered", "scorer", f"{experiment_id}/{name}", number=added.number)
    return SCORERS.insert(tx, added)


def _versions(tx: Reader, experiment_id: str, name: str) -> list[ScorerVersion]:
    table = SCORERS.table.c
    return SCORERS.select(tx, table.experiment == experiment_id, table.name == name)


def scorer_versions(tx: Reader, experiment_id: str, name: str) -> list[ScorerVersion]:
    """Return the scorer's versions, oldest first. Raises NotFound where it has none."""
    active_experiment(tx, experiment_id)
    scorers = _versions(tx, experiment_id, name)
    if not scorers:
        raise NotFound("scorer", name, experiment_id)
    return scorers


def get_scorer(tx: Reader, experiment_id: str, name: str, number: int | None = None) -> ScorerVersion:
    """Return one version of the scorer, the newest by default."""
    scorers = scorer_versions(tx, experiment_id, name)
    if number is None:
        return scorers[-1]
    for version in scorers:
        if version.number == number:
            return version
    raise NotFound("scorer version", f"{name}/{number}", experiment_id)


def newest_scorers(tx: Reader, experiment_ids: Sequence[str]) -> list[ScorerVersion]:
    """Return the newest version of each scorer of the experiments, by name."""
    newest = {
        (version.experiment, version.name): version
        for version in SCORERS.select(tx, SCORERS.table.c.experiment.in_(list(experiment_ids)))
    }
    return sorted(newest.values(), key=lambda version: (version.name, version.experiment))


def delete_scorer(tx: Tx, experiment_id: str, name: str, number: int | None = None) -> None:
    """Delete one version of the scorer, or all of them."""
    lock_topics(tx, f"scorer:{experiment_id}/{name}")
    scorers = scorer_versions(tx, experiment_id, name)
    deleted = scorers if number is None else [get_scorer(tx, experiment_id, name, number)]
    for version in deleted:
        SCORERS.delete(tx, version.experiment, version.name, version.number)
    bus.emit(tx, "deleted", "scorer", f"{experiment_id}/{name}", versions=len(deleted))


def set_online_scoring(tx: Tx, experiment_id: str, name: str, *, sample_rate: float, filter: str = "") -> ScorerVersion:
    """Return the scorer's newest version with its online scoring, which later versions inherit.

    Raises:
        Refused: the rate is over 0: scorers are code of users, which this server never runs.
    """
    if not 0 <= sample_rate <= 1:
        raise Invalid("sample_rate", sample_rate, "0.0 to 1.0")
    lock_topics(tx, f"scorer:{experiment_id}/{name}")
    newest = get_scorer(tx, experiment_id, name)
    if sample_rate > 0:
        model = _model(msgspec.json.decode(newest.serialized, type=dict[str, Any]))
        if not model.startswith("gateway:/"):
            why = f"Scorer '{name}' does not use a gateway model, as automatic evaluation needs."
            raise Invalid("sample_rate", sample_rate, why)
        raise Refused("score traces by itself", "this server runs no code of users", "Use mlflow.genai.evaluate.")
    online = OnlineScoring(id=uuid.uuid4().hex, sample_rate=sample_rate, filter=filter)
    bus.emit(tx, "sampled", "scorer", f"{experiment_id}/{name}", sample_rate=sample_rate, filter=filter)
    return SCORERS.swap(tx, msgspec.structs.replace(newest, online=online))


def _model(serialized: dict[str, Any]) -> str:
    """Return the model that a scorer calls, "" where it calls none."""
    nested = (serialized.get("memory_augmented_judge_data") or {}).get("base_judge")
    if isinstance(nested, dict):
        return _model(nested)
    for part in ("instructions_judge_pydantic_data", "builtin_scorer_pydantic_data", "third_party_scorer_data"):
        if isinstance(component := serialized.get(part), dict):
            return str(component.get("model") or "")
    return ""


def online_scoring(tx: Reader, scorer_ids: Sequence[str]) -> list[ScorerVersion]:
    """Return the newest version of each of the scorers that has online scoring."""
    scorers = SCORERS.select(tx, SCORERS.table.c.scorer_id.in_(list(scorer_ids)))
    newest = {version.scorer_id: version for version in scorers}
    return [version for version in newest.values() if version.online is not None]
