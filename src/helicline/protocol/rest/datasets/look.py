"""What a person looks at: the profile of a version, its pictures, and who uses a dataset, over HTTP."""

from __future__ import annotations

from litestar import get
from litestar.response import Stream

from helicline.data import tree, versions
from helicline.errors import NotFound, TooLarge
from helicline.loop.walk.dataset_uses import DatasetUses, uses_of
from helicline.monitor.table_profile import stored
from helicline.monitor.table_profile.beside import VersionProfile, beside
from helicline.protocol.rest.edge import Edge
from helicline.protocol.rest.tracking.artifacts import SAFE_HEADERS
from helicline.records.dataset import DatasetVersion
from helicline.tracking.browse.preview import checked_kind

MAX_IMAGE_BYTES = 16 << 20


@get("/datasets/{name:str}/versions/{point:str}/profile", sync_to_thread=True)
def get_profile(edge: Edge, name: str, point: str, before: str | None = None) -> VersionProfile:
    """What is in each column of a version that is a table, now and in the version `before`: by default its parent.

    It is computed when it is first asked for, in a process of its own, and stored, since a version never changes.
    """
    version = stored.checked_table(edge.read(lambda tx: versions.resolve(tx, f"{name}@{point}")))
    other = _before(edge, version, before)
    now = stored.find(edge.context.home, edge.context.blobs, version)
    old = stored.find(edge.context.home, edge.context.blobs, other) if now and other else None
    ref = other.ref if other else ""
    if now is None or (other is not None and old is None):
        return VersionProfile(version=version.ref, before=ref, state="computing")
    return VersionProfile(
        version=version.ref,
        before=ref,
        state="ready",
        row_count=now.row_count,
        read_count=now.read_count,
        is_estimated=now.is_estimated,
        columns=beside(now, old),
        shown_columns=now.shown_columns,
        rows=now.shown_rows,
    )


def _before(edge: Edge, version: DatasetVersion, before: str | None) -> DatasetVersion | None:
    """Return the version that is to stand beside it; a parent that is no table is left out, another one refused."""
    if before:
        return stored.checked_table(edge.read(lambda tx: versions.resolve(tx, f"{version.dataset}@{before}")))
    if before is not None or not version.parent:
        return None
    parent = edge.read(lambda tx: versions.resolve(tx, f"{version.dataset}@{version.parent}"))
    return parent if stored.is_table(parent) else None


@get("/datasets/{name:str}/versions/{point:str}/image", sync_to_thread=True)
def show_image(edge: Edge, name: str, point: str, path: str) -> Stream:
    """A picture of a version to embed; the answer is sandboxed, so that a script inside it does not run."""
    kind = checked_kind(path)
    version = edge.read(lambda tx: versions.resolve(tx, f"{name}@{point}"))
    entry = tree.find_entry(edge.context.blobs, version.root_hash, path)
    if entry is None:
        raise NotFound("file", f"{version.ref}/{path}", f"See: hl data files {version.ref}")
    if entry.size > MAX_IMAGE_BYTES:
        raise TooLarge(path, entry.size, f"pictures of at most {MAX_IMAGE_BYTES} bytes", "Check it out to look at it.")
    return Stream(edge.context.blobs.read(entry.hash), media_type=kind, headers=SAFE_HEADERS)


@get("/datasets/{name:str}/uses", sync_to_thread=True)
def get_uses(edge: Edge, name: str) -> DatasetUses:
    """The loops that read the dataset or hold it to a contract, and the pipelines whose recent runs took it in."""
    return edge.read(lambda tx: uses_of(tx, name))


ROUTES = [get_profile, show_image, get_uses]
