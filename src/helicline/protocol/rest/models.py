"""Models, versions, gates and approvals over HTTP."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

import msgspec
from litestar import get, post
from litestar.response import Stream

from helicline.access.person import LOCAL
from helicline.errors import Invalid
from helicline.gate import reports
from helicline.protocol.rest.edge import Edge, Page, grouped
from helicline.protocol.rest.registry.protection import acting_person
from helicline.records.gate import GateReport
from helicline.records.model import Alias, ArtifactFile, ModelVersion, PromotionRequest, RegisteredModel
from helicline.registry import current_digest, files, get_version, register, requests_of, versions
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.rows import overview
from helicline.store.unit import Reader


class ModelSummary(msgspec.Struct, frozen=True, kw_only=True):
    model: RegisteredModel
    aliases: list[Alias]
    latest: ModelVersion | None


class VersionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A version with aliases, verdicts, approvals and files. `changed`: its files differ from the registered ones."""

    version: ModelVersion
    aliases: list[str]
    report: GateReport | None
    request: PromotionRequest | None
    deployments: list[str]
    files: list[ArtifactFile]
    changed: bool = False


class RegisterBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    source: str
    run_id: str = ""
    description: str = ""


class WaiveBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    check: str
    reason: str
    person: str = ""


@get("/models", sync_to_thread=True)
def list_models(edge: Edge) -> Page[ModelSummary]:
    """Every registered model with its aliases and newest version."""
    return Page(edge.read(summaries))


def summaries(tx: Reader) -> list[ModelSummary]:
    """Return every registered model with its summary."""
    aliases, newest = grouped(nouns.ALIASES.select(tx), "model"), overview.newest_versions(tx)
    return [
        ModelSummary(model=model, aliases=aliases.get(model.name, []), latest=newest.get(model.name))
        for model in nouns.MODELS.select(tx)
        if not model.is_prompt
    ]


@get("/models/{name:str}/versions", sync_to_thread=True)
def list_model_versions(edge: Edge, name: str) -> Page[VersionDetail]:
    """The versions of a model, newest first, with aliases and verdicts."""

    def view(tx: Reader) -> list[VersionDetail]:
        nouns.MODELS.get(tx, name)
        ordered = sorted(versions(tx, name), key=lambda version: -version.number)
        about = _about(tx, name)
        return [_detail(about, version) for version in ordered if not version.deleted]

    return Page(edge.read(view))


@get("/models/{name:str}/versions/{number:int}", sync_to_thread=True)
def get_model_version(edge: Edge, name: str, number: int) -> VersionDetail:
    """One version: verdicts, approvals, files, and the deployments that serve it."""

    def view(tx: Reader) -> VersionDetail:
        version = get_version(tx, name, number)
        changed = current_digest(tx, version) != version.digest
        return msgspec.structs.replace(_detail(_about(tx, name), version), files=files(tx, version), changed=changed)

    return edge.read(view)


class _About(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded about the versions of a model, each by number."""

    aliases: dict[int, list[Alias]]
    reports: dict[int, GateReport]
    requests: dict[int, list[PromotionRequest]]
    deployments: dict[int, list[str]]


def _about(tx: Reader, model: str) -> _About:
    serving: dict[int, list[str]] = {}
    for row in deployments.serving(tx, model=model):
        if row.stable is not None:
            serving.setdefault(row.stable.model_version, []).append(row.deployment.name)
    return _About(
        aliases=grouped(nouns.ALIASES.select(tx, nouns.ALIASES.table.c.model == model), "number"),
        reports={row.number: row for row in nouns.REPORTS.select(tx, nouns.REPORTS.table.c.model == model)},
        requests=grouped(requests_of(tx, model), "number"),
        deployments=serving,
    )


def _detail(about: _About, version: ModelVersion) -> VersionDetail:
    return VersionDetail(
        version=version,
        aliases=[alias.alias for alias in about.aliases.get(version.number, [])],
        report=about.reports.get(version.number),
        request=next(iter(about.requests.get(version.number, [])), None),
        deployments=about.deployments.get(version.number, []),
        files=[],
    )


@post("/models/{name:str}/versions", sync_to_thread=True)
def register_version(edge: Edge, name: str, data: RegisterBody) -> ModelVersion:
    """Register a logged model as the next version; the gates of the model's loops then judge it."""
    return edge.write(
        lambda tx: register(tx, name, source=data.source, run_id=data.run_id, description=data.description)
    )


@get("/models/{name:str}/versions/{number:int}/archive", sync_to_thread=True, media_type="application/x-tar")
def get_archive(edge: Edge, name: str, number: int) -> Stream:
    """The version's files as a tar stream."""
    members = edge.read(lambda tx: files(tx, get_version(tx, name, number)))
    return Stream(_tar(edge, members))


def _tar(edge: Edge, members: list[ArtifactFile]) -> Iterator[bytes]:
    for file in members:
        info = tarfile.TarInfo(file.path)
        info.size, info.mode = file.size, 0o644
        yield info.tobuf(format=tarfile.PAX_FORMAT)
        yield from edge.context.blobs.read(file.hash)
        yield b"\0" * (-file.size % tarfile.BLOCKSIZE)
    yield b"\0" * (tarfile.BLOCKSIZE * 2)


@get("/gates/{name:str}/{number:int}", sync_to_thread=True)
def get_report(edge: Edge, name: str, number: int) -> GateReport:
    """The verdicts on a version, with their evidence."""
    return edge.read(lambda tx: nouns.REPORTS.get(tx, name, number))


@post("/gates/{name:str}/{number:int}/waive", sync_to_thread=True, status_code=200)
def waive(edge: Edge, name: str, number: int, data: WaiveBody) -> GateReport:
    """Waive a check of a version in a person's name; its turn continues."""
    if edge.caller.name == LOCAL and not data.person.strip():
        raise Invalid("person", data.person, "the name of the person who answers for it")
    person = acting_person(edge, data.person)
    return edge.write(lambda tx: reports.waive(tx, name, number, check=data.check, person=person, reason=data.reason))


ROUTES = [
    list_models,
    list_model_versions,
    get_model_version,
    register_version,
    get_archive,
    get_report,
    waive,
]
