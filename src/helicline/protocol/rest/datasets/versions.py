"""Datasets, their versions, refs and contracts, and blobs over HTTP."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.response import Stream

from helicline.access.person import LOCAL
from helicline.data import contracts, tree, versions
from helicline.errors import Invalid
from helicline.loop import audits
from helicline.protocol.rest.edge import Done, Edge, Page, checked_limit
from helicline.protocol.rest.registry.protection import acting_person
from helicline.records.contract import Contract, ContractSpec
from helicline.records.dataset import Commit, Dataset, DatasetRef, DatasetVersion, FileEntry, TreeDiff
from helicline.store import nouns
from helicline.store.blobs import Blobs, checked_digest


class CommitBody(Commit, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Files by path, whose blobs were uploaded before; they become a new version, and `ref` points to it.

    Of a draft `ref` stays where it is; `PUT /datasets/{name}/refs/{ref}` publishes it. Files that are tables are looked
    into and have to make one table, unless all are taken `as_files`.
    """

    files: list[FileEntry]
    as_files: bool = False


class PointBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    target: str
    expected: str | None = None
    because: str = ""
    person: str = ""


class MissingBody(msgspec.Struct, forbid_unknown_fields=True):
    hashes: list[str]


class BlobKept(msgspec.Struct, frozen=True):
    hash: str
    size: int


class DatasetSummary(msgspec.Struct, frozen=True, kw_only=True):
    dataset: Dataset
    refs: list[DatasetRef]
    latest: DatasetVersion | None
    has_contract: bool = False


@get("/datasets", sync_to_thread=True)
def list_datasets(edge: Edge) -> Page[DatasetSummary]:
    """Every dataset with its refs and its newest version."""

    def summary_of(dataset: Dataset) -> DatasetSummary:
        newest = edge.read(lambda tx: versions.versions(tx, dataset.name, limit=1))
        refs = edge.read(lambda tx: versions.refs(tx, dataset.name))
        return DatasetSummary(
            dataset=dataset,
            refs=refs,
            latest=newest[0] if newest else None,
            has_contract=dataset.name in with_contract,
        )

    with_contract = {contract.dataset for contract in edge.read(nouns.CONTRACTS.select)}
    return Page([summary_of(dataset) for dataset in edge.read(versions.datasets)])


@get("/datasets/{name:str}/versions", sync_to_thread=True)
def list_versions(edge: Edge, name: str, limit: int = 200) -> Page[DatasetVersion]:
    """The versions of a dataset, newest first."""
    return Page(edge.read(lambda tx: versions.versions(tx, name, limit=checked_limit(limit))))


@get("/datasets/{name:str}/versions/{point:str}", sync_to_thread=True)
def get_version(edge: Edge, name: str, point: str) -> DatasetVersion:
    """One version, by ref, `v3` or id."""
    return edge.read(lambda tx: versions.resolve(tx, f"{name}@{point}"))


@get("/datasets/{name:str}/versions/{point:str}/files", sync_to_thread=True)
def list_files(edge: Edge, name: str, point: str) -> Page[FileEntry]:
    """Every file of a version: path, size, BLAKE3."""
    version = edge.read(lambda tx: versions.resolve(tx, f"{name}@{point}"))
    return Page(tree.read_tree(edge.context.blobs, version.root_hash))


@get("/datasets/{name:str}/diff", sync_to_thread=True)
def diff_versions(edge: Edge, name: str, before: str, after: str) -> TreeDiff:
    """Which files were added, removed and changed from one version to another."""
    old, new = edge.read(lambda tx: (versions.resolve(tx, f"{name}@{before}"), versions.resolve(tx, f"{name}@{after}")))
    return tree.diff(edge.context.blobs, old.root_hash, new.root_hash)


@post("/datasets/{name:str}/versions", sync_to_thread=True)
def commit_version(edge: Edge, name: str, data: CommitBody) -> DatasetVersion:
    """Commit a version; 409 when `expected` is given and the ref has moved, 400 with the file that cannot be read.

    With a contract, a commit to `main` is a draft until its checks pass: its `audit` says how far they are.
    """
    blobs = edge.context.blobs
    head = edge.read(lambda tx: versions.head_of(tx, name, data.ref))
    before = versions.read_facts(blobs, head) if head else None
    prepared = versions.prepare(blobs, data.files, read_before=before.files if before else (), as_files=data.as_files)
    return edge.write(lambda tx: audits.commit(tx, name, prepared, data))


@put("/datasets/{name:str}/refs/{ref:str}", sync_to_thread=True)
def point_ref(edge: Edge, name: str, ref: str, data: PointBody) -> DatasetRef:
    """Move a ref by compare-and-swap.

    `main` of a dataset with a contract moves to versions that passed it; to another one in a person's name, `because`.
    """
    person = acting_person(edge, data.person)
    override = contracts.Override(data.because, "" if person == LOCAL else person)
    return edge.write(
        lambda tx: contracts.point(tx, name, ref, target=data.target, expected=data.expected, override=override)
    )


@get("/datasets/{name:str}/contract", sync_to_thread=True)
def get_contract(edge: Edge, name: str) -> Contract:
    """The contract of a dataset."""
    return edge.read(lambda tx: contracts.get(tx, name))


@put("/datasets/{name:str}/contract", sync_to_thread=True)
def set_contract(edge: Edge, name: str, data: ContractSpec) -> Contract:
    """Set the contract of a dataset, for commits from now on."""
    if data.dataset != name:
        raise Invalid("dataset", data.dataset, name)
    return edge.write(lambda tx: contracts.set_contract(tx, data))


@delete("/datasets/{name:str}/contract", sync_to_thread=True, status_code=200)
def remove_contract(edge: Edge, name: str) -> Done:
    """Remove the contract of a dataset: commits are published at once again."""
    edge.write(lambda tx: contracts.remove(tx, name))
    return Done()


@post("/datasets/{name:str}/versions/{point:str}/check", sync_to_thread=True, status_code=200)
def check_version(edge: Edge, name: str, point: str) -> DatasetVersion:
    """Check a version by the contract as it is now; its `audit` says how far that is."""
    return edge.write(lambda tx: audits.check_again(tx, f"{name}@{point}"))


@post("/blobs/missing", sync_to_thread=True, status_code=200)
def missing_blobs(edge: Edge, data: MissingBody) -> MissingBody:
    """Those of the given hashes that the store does not have."""
    return MissingBody([digest for digest in data.hashes if not edge.context.blobs.has(digest)])


@put("/blobs", status_code=201)
async def put_blob(request: Request[Any, Any, Any], edge: Edge) -> BlobKept:
    """Store the body as a blob; the answer comes after it is durable."""
    limit = edge.context.settings.max_upload_bytes
    digest, size = await receive(request.stream(), edge.context.blobs, limit=limit)
    return BlobKept(hash=digest, size=size)


@get("/blobs/{digest:str}", sync_to_thread=True, media_type="application/octet-stream")
def get_blob(edge: Edge, digest: str) -> Stream:
    """The bytes of a blob."""
    return Stream(edge.context.blobs.read(checked_digest(digest)))


async def receive(stream: AsyncIterator[bytes], blobs: Blobs, *, limit: int) -> tuple[str, int]:
    """Store a request body as a blob while it arrives; at most 16 pieces are in memory."""
    pieces: queue.Queue[bytes | None] = queue.Queue(maxsize=16)

    def body_pieces() -> Iterator[bytes]:
        while (piece := pieces.get()) is not None:
            yield piece

    upload = asyncio.ensure_future(asyncio.to_thread(blobs.put, body_pieces(), limit=limit))
    try:
        async for piece in stream:
            while not upload.done():
                try:
                    pieces.put_nowait(piece)
                    break
                except queue.Full:
                    await asyncio.sleep(0.001)
            if upload.done():
                break
    finally:
        await _close(pieces, upload)
    return await upload


async def _close(pieces: queue.Queue[bytes | None], upload: asyncio.Future[tuple[str, int]]) -> None:
    while not upload.done():
        try:
            pieces.put_nowait(None)
            return
        except queue.Full:
            await asyncio.sleep(0.001)


ROUTES = [
    list_datasets,
    list_versions,
    get_version,
    list_files,
    diff_versions,
    commit_version,
    point_ref,
    get_contract,
    set_contract,
    remove_contract,
    check_version,
    missing_blobs,
    put_blob,
    get_blob,
]
