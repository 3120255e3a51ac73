"""Model versions: register, find, describe, tag and delete."""

from __future__ import annotations

import msgspec

from helicline import bus, tracking
from helicline.errors import NotFound, Refused
from helicline.records.model import ArtifactFile, ModelVersion, RegisteredModel
from helicline.registry import source as sources
from helicline.registry.model import (
    checked_model_name,
    checked_tag,
    create_model,
    get_model,
    locked_model,
    unprotect_hint,
)
from helicline.store.nouns import ALIASES, MODELS, VERSIONS
from helicline.store.rows import logged_model as model_rows
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
    run_link: str = "",
    loop: str = "",
    turn: int = 0,
) -> ModelVersion:
    """Return the model's next version, bound to the content of its files by `digest`.

    The model of a loop is created where it does not exist; others must exist. `source.resolve` rejects invalid sources.
    """
    if loop and MODELS.find(tx, model) is None:
        create_model(tx, model)
    registered = locked_model(tx, model)
    origin = _resolve_origin(tx, registered, source, run_id=run_id, model_id=model_id)
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
        run_link=checks.checked_text("run_link", run_link),
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


def _resolve_origin(tx: Tx, model: RegisteredModel, source: str, *, run_id: str, model_id: str) -> sources.Origin:
    if model.is_prompt:
        if source not in sources.PROMPT_SOURCES:
            sources.refuse(source, "A prompt has no files.")
        return sources.Origin(source=source, root="", run_id=checks.checked_ref("run_id", run_id))
    return sources.resolve(tx, source, run_id=run_id, model_id=model_id)


def _link(tx: Tx, version: ModelVersion) -> None:
    """Add the version to the tag of the logged model, if it is here, in which clients read its registrations."""
    if not version.model_id or model_rows.find(tx, version.model_id) is None:
        return
    logged = tracking.get_logged_model(tx, version.model_id)
    try:
        links = msgspec.json.decode(logged.tags.get(LINKS_TAG, "[]"), type=list[dict[str, object]])
    except msgspec.MsgspecError:
        links = []
    registration = (version.model, str(version.number))  # some clients write the number as a number, some as text
    if registration in {(str(link.get("name")), str(link.get("version"))) for link in links}:
        return
    links.append({"name": version.model, "version": version.number})
    tracking.tag_logged_model(tx, version.model_id, {LINKS_TAG: msgspec.json.encode(links).decode()})


def get_version(tx: Reader, model: str, number: int) -> ModelVersion:
    """Return the version. Raises NotFound for a deleted one too."""
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
    """Return the version with the highest number of each stage."""
    latest: dict[str, ModelVersion] = {}
    for version in candidates:
        if version.stage not in latest or version.number > latest[version.stage].number:
            latest[version.stage] = version
    return sorted(latest.values(), key=lambda version: version.number)


def files(tx: Reader, version: ModelVersion) -> list[ArtifactFile]:
    """Return the version's files; none where they are in another store."""
    return _files(tx, version.artifact_root)


def _files(tx: Reader, root: str) -> list[ArtifactFile]:
    return tracking.artifact_files(tx, root) if root else []


def is_frozen(version: ModelVersion) -> bool:
    """Return whether the version's files stand as they were registered; one that had none yet still waits for them."""
    return bool(version.artifact_root) and version.digest != sources.digest_of((), version.source)


def check_not_frozen(tx: Reader, path: str) -> None:
    """Raise Refused where an artifact path is, holds, or lies within the files of a registered version.

    The bytes that were judged and approved are the bytes that serve: to change them, register another version.
    """
    column, parts = VERSIONS.table.c, path.split("/")  # the id of the run or model is one of them
    for version in VERSIONS.select(tx, column.model_id.in_(parts) | column.run_id.in_(parts)):
        root = version.artifact_root
        is_within = path == root or path.startswith(f"{root}/") or root.startswith(f"{path}/")
        if not version.deleted and is_frozen(version) and is_within:
            raise Refused(
                f"change {path}",
                f"it belongs to model version {version.id}, whose files are frozen",
                "Log the model anew, and register it as the next version.",
            )


def served_digest(tx: Reader, version: ModelVersion) -> str:
    """Return the digest that what is loaded must have: of the files at registration, or of those that came later."""
    return version.digest if is_frozen(version) else current_digest(tx, version)


def current_digest(tx: Reader, version: ModelVersion) -> str:
    """Return the digest of the present files; `version.digest` is that of the files at registration."""
    return sources.digest_of(files(tx, version), version.source)


def describe_version(tx: Tx, model: str, number: int, description: str) -> ModelVersion:
    locked_model(tx, model)
    text = checks.checked_text("description", description)
    updated = _update(tx, get_version(tx, model, number), description=text)
    bus.emit(tx, "described", "model_version", updated.id)
    return updated


def tag_version(tx: Tx, model: str, number: int, *, key: str, value: str) -> None:
    checked = checked_tag(key, value)
    locked_model(tx, model)
    version = get_version(tx, model, number)
    _update(tx, version, tags=version.tags | {key: checked})
    bus.emit(tx, "tagged", "model_version", version.id, key=key)


def untag_version(tx: Tx, model: str, number: int, key: str) -> None:
    """Delete the tag; no error where it does not exist."""
    locked_model(tx, model)
    version = get_version(tx, model, number)
    if key in version.tags:
        _update(tx, version, tags={tag: text for tag, text in version.tags.items() if tag != key})
        bus.emit(tx, "untagged", "model_version", version.id, key=key)


def delete_version(tx: Tx, model: str, number: int) -> None:
    """Delete the version softly with its aliases; its number is never reused. Raises Refused for a protected alias."""
    protected = {rule.alias for rule in locked_model(tx, model).protected}
    version = get_version(tx, model, number)
    for alias in ALIASES.select(tx, ALIASES.table.c.model == model, ALIASES.table.c.number == number):
        if alias.alias in protected:
            raise Refused(
                "delete", f"{model}@{alias.alias} is protected and names it", unprotect_hint(model, alias.alias)
            )
    _update(tx, version, deleted=True, stage=DELETED_STAGE, description="", tags={})
    for alias in ALIASES.select(tx, ALIASES.table.c.model == model, ALIASES.table.c.number == number):
        ALIASES.delete(tx, model, alias.alias)
        bus.emit(tx, "unpointed", "alias", f"{model}@{alias.alias}", previous=number)
    bus.emit(tx, "deleted", "model_version", version.id)


def _update(tx: Tx, version: ModelVersion, **fields: object) -> ModelVersion:
    return VERSIONS.swap(tx, msgspec.structs.replace(version, updated_at=tx.now, **fields))
