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
from helicline.protocol.rest.edge import Edge, Page
from helicline.protocol.rest.registry.protection import acting_person
from helicline.records.gate import GateReport
from helicline.records.model import Alias, ArtifactFile, ModelVersion, PromotionRequest, RegisteredModel
from helicline.registry import current_digest, files, get_version, register, requests_of, versions
from helicline.store import nouns
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


def _aliases(tx: Reader, model: str) -> list[Alias]:
    return nouns.ALIASES.select(tx, nouns.ALIASES.table.c.model == model)


@get("/models", sync_to_thread=True)
def list_models(edge: Edge) -> Page[ModelSummary]:
    """Every registered model with its aliases and newest version."""
    return Page(edge.read(summaries))


def summaries(tx: Reader) -> list[ModelSummary]:
    """Return every registered model with its summary."""
    models = [model for model in nouns.MODELS.select(tx) if not model.is_prompt]
    return [
        ModelSummary(model=model, aliases=_aliases(tx, model.name), latest=_newest(tx, model.name)) for model in models
    ]


def _newest(tx: Reader, model: str) -> ModelVersion | None:
    candidates = [version for version in versions(tx, model) if not version.deleted]
    return max(candidates, key=lambda version: version.number, default=None)


@get("/models/{name:str}/versions", sync_to_thread=True)
def list_model_versions(edge: Edge, name: str) -> Page[VersionDetail]:
    """The versions of a model, newest first, with aliases and verdicts."""

    def view(tx: Reader) -> list[VersionDetail]:
        nouns.MODELS.get(tx, name)
        ordered = sorted(versions(tx, name), key=lambda version: -version.number)
        return [_detail(tx, version, with_files=False) for version in ordered if not version.deleted]

    return Page(edge.read(view))


@get("/models/{name:str}/versions/{number:int}", sync_to_thread=True)
def get_model_version(edge: Edge, name: str, number: int) -> VersionDetail:
    """One version: verdicts, approvals, files, and the deployments that serve it."""
    return edge.read(lambda tx: _detail(tx, get_version(tx, name, number), with_files=True))


def _detail(tx: Reader, version: ModelVersion, *, with_files: bool) -> VersionDetail:
    requests = requests_of(tx, version.model, number=version.number)
    return VersionDetail(
        version=version,
        aliases=[alias.alias for alias in _aliases(tx, version.model) if alias.number == version.number],
        report=nouns.REPORTS.find(tx, version.model, version.number),
        request=requests[0] if requests else None,
        deployments=_serving(tx, version),
        files=files(tx, version) if with_files else [],
        changed=with_files and current_digest(tx, version) != version.digest,
    )


def _serving(tx: Reader, version: ModelVersion) -> list[str]:
    deployments = nouns.DEPLOYMENTS.select(tx, nouns.DEPLOYMENTS.table.c.model == version.model)
    return [
        deployment.name
        for deployment in deployments
        if deployment.stable
        and nouns.REVISIONS.get(tx, deployment.name, deployment.stable).model_version == version.number
    ]


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
