"""The verbs of model versions."""

from __future__ import annotations

import msgspec

from helicline import bus, tracking
from helicline.errors import NotFound, Refused
from helicline.records.model import ArtifactFile, ModelVersion, RegisteredModel
from helicline.registry import source as sources
from helicline.registry.model import (
    UNPROTECT,
    checked_model_name,
    checked_tag,
    create_model,
    get_model,
    locked_model,
)
from helicline.store.nouns import ALIASES, MODELS, VERSIONS
from helicline.store.unit import Reader, Tx
from helicline.tracking import checks

LINKS_TAG = "mlflow.modelVersions"
DELETED_STAGE = "Deleted_Internal"


def register(
    tx: Tx,
    model: str,
    *,
    source: str,
    run_id: str = "",
    model_id: str = "",
    tags: dict[str, str] | None = None,
    description: str = "",
    loop: str = "",
    turn: int = 0,
) -> ModelVersion:
    """Return the model's next version, bound to the content of its files by `digest`.

    A loop's model is made where it is missing; for others it must be there. See `source.resolve` for what is refused.
    """
    if loop and MODELS.find(tx, model) is None:
        create_model(tx, model)
    registered = locked_model(tx, model)
    origin = _origin(tx, registered, source, run_id=run_id, model_id=model_id)
    version = ModelVersion(
        model=model,
        number=registered.last_version + 1,
        source=origin.source,
        artifact_root=origin.root,
        run_id=origin.run_id,
        model_id=origin.model_id,
        digest=sources.digest_of(_files(tx, origin.root), origin.source),
        created_at=tx.now,
        updated_at=tx.now,
        created_by=tx.actor,
        description=checks.checked_text("description", description),
        tags={key: checked_tag(key, value) for key, value in (tags or {}).items()},
        loop=loop,
        turn=turn,
    )
    VERSIONS.insert(tx, version)
    MODELS.swap(tx, msgspec.structs.replace(registered, last_version=version.number, updated_at=tx.now))
    _link(tx, version)
    bus.emit(
        tx,
        "registered",
        "model_version",
        version.id,
        loop=loop,
        turn=turn,
        run_id=version.run_id,
        digest=version.digest,
    )
    return version


def _origin(tx: Tx, model: RegisteredModel, source: str, *, run_id: str, model_id: str) -> sources.Origin:
    if model.is_prompt:
        if source not in sources.PROMPT_SOURCES:
            sources.refuse(source, "A prompt has no files.")
        return sources.Origin(source=source, root="", run_id=checks.checked_ref("run_id", run_id))
    return sources.resolve(tx, source, run_id=run_id, model_id=model_id)


def _link(tx: Tx, version: ModelVersion) -> None:
    """Tell the logged model where it is registered, in the tag that stock clients read."""
    if not version.model_id:
        return
    logged = tracking.get_logged_model(tx, version.model_id)
    try:
        links = msgspec.json.decode(logged.tags.get(LINKS_TAG, "[]"), type=list[dict[str, object]])
    except msgspec.MsgspecError:
        links = []
    link_key = (version.model, str(version.number))  # clients write the number as a number or as text
    if link_key in {(str(link.get("name")), str(link.get("version"))) for link in links}:
        return
    links.append({"name": version.model, "version": version.number})
    tracking.tag_logged_model(tx, version.model_id, {LINKS_TAG: msgspec.json.encode(links).decode()})


def get_version(tx: Reader, model: str, number: int) -> ModelVersion:
    """Return the version; a deleted one is not found."""
    checked_model_name(model)
    version = VERSIONS.find(tx, model, number) if 0 < number < checks.INT64 else None
    if version is None or version.deleted:
        raise NotFound("model version", f"{model}/{number}")
    return version


def versions(tx: Reader, model: str) -> list[ModelVersion]:
    """Return the model's versions that are not deleted, oldest first."""
    get_model(tx, model)
    return [version for version in VERSIONS.select(tx, VERSIONS.table.c.model == model) if not version.deleted]


def newest(tx: Reader, model: str) -> ModelVersion | None:
    all_versions = versions(tx, model)
    return all_versions[-1] if all_versions else None


def latest_by_stage(candidates: list[ModelVersion]) -> list[ModelVersion]:
    """Return of each stage the version with the highest number."""
    best: dict[str, ModelVersion] = {}
    for version in candidates:
        if version.stage not in best or version.number > best[version.stage].number:
            best[version.stage] = version
    return sorted(best.values(), key=lambda version: version.number)


def files(tx: Reader, version: ModelVersion) -> list[ArtifactFile]:
    """Return the version's files; none where they lie in another store."""
    return _files(tx, version.artifact_root)


def _files(tx: Reader, root: str) -> list[ArtifactFile]:
    return tracking.artifact_files(tx, root) if root else []


def current_digest(tx: Reader, version: ModelVersion) -> str:
    """Return the digest of the files as they lie now; `version.digest` is that of the files at registration."""
    return sources.digest_of(files(tx, version), version.source)


def describe_version(tx: Tx, model: str, number: int, description: str) -> ModelVersion:
    locked_model(tx, model)
    text = checks.checked_text("description", description)
    fresh = _changed(tx, get_version(tx, model, number), description=text)
    bus.emit(tx, "described", "model_version", fresh.id)
    return fresh


def tag_version(tx: Tx, model: str, number: int, key: str, value: str) -> None:
    checked = checked_tag(key, value)
    locked_model(tx, model)
    version = get_version(tx, model, number)
    _changed(tx, version, tags=version.tags | {key: checked})
    bus.emit(tx, "tagged", "model_version", version.id, key=key)


def untag_version(tx: Tx, model: str, number: int, key: str) -> None:
    """Drop the tag; one that is not there is fine."""
    locked_model(tx, model)
    version = get_version(tx, model, number)
    if key in version.tags:
        _changed(tx, version, tags={tag: text for tag, text in version.tags.items() if tag != key})
        bus.emit(tx, "untagged", "model_version", version.id, key=key)


def delete_version(tx: Tx, model: str, number: int) -> None:
    """Hide the version and drop its aliases; its number is never used again. Raises Refused under a protected alias."""
    guarded = {rule.alias for rule in locked_model(tx, model).protected}
    version = get_version(tx, model, number)
    for alias in ALIASES.select(tx, ALIASES.table.c.model == model, ALIASES.table.c.number == number):
        if alias.alias in guarded:
            raise Refused("delete", f"{model}@{alias.alias} is protected and names it", UNPROTECT)
    _changed(tx, version, deleted=True, stage=DELETED_STAGE, description="", tags={})
    for alias in ALIASES.select(tx, ALIASES.table.c.model == model, ALIASES.table.c.number == number):
        ALIASES.delete(tx, model, alias.alias)
        bus.emit(tx, "unpointed", "alias", f"{model}@{alias.alias}", previous=number)
    bus.emit(tx, "deleted", "model_version", version.id)


def _changed(tx: Tx, version: ModelVersion, **fields: object) -> ModelVersion:
    return VERSIONS.swap(tx, msgspec.structs.replace(version, updated_at=tx.now, **fields))
