"""Artifacts: what lies where in our artifact space."""

from __future__ import annotations

import msgspec

from helicline.errors import NotFound
from helicline.records.model import ArtifactFile
from helicline.store.rows import artifact as rows
from helicline.store.unit import Reader, Tx
from helicline.tracking.checks import checked_path

OURS = "mlflow-artifacts:"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder directly below a prefix; `path` is its name there."""

    path: str
    is_dir: bool
    size: int = 0


def put_artifact(tx: Tx, path: str, *, hash: str, size: int) -> None:
    """Let `path` name the blob, which must be durable already."""
    rows.put(tx, checked_path("path", path), hash=hash, size=size)


def get_artifact(tx: Reader, path: str) -> ArtifactFile:
    file = rows.find(tx, checked_path("path", path))
    if file is None:
        raise NotFound("artifact", path)
    return file


def list_artifacts(tx: Reader, prefix: str) -> list[Entry]:
    """Return what lies directly below the folder `prefix`, by name; nothing where it is a file."""
    entries: dict[str, Entry] = {}
    for file in artifact_files(tx, prefix):
        name, slash, _ = file.path.partition("/")
        entries[name] = Entry(path=name, is_dir=bool(slash), size=0 if slash else file.size)
    return [entries[name] for name in sorted(entries)]


def artifact_files(tx: Reader, root: str) -> list[ArtifactFile]:
    """Return every file below `root`, however deep, with its path relative to it."""
    if root:
        checked_path("path", root)
    cut = len(root) + 1 if root else 0
    return [msgspec.structs.replace(file, path=file.path[cut:]) for file in rows.below(tx, root)]


def delete_artifacts(tx: Tx, path: str) -> int:
    """Remove the file, or the folder with all below it; return how many files went."""
    return rows.remove(tx, checked_path("path", path))


def path_in_store(uri: str) -> str | None:
    """Return the artifact path of a URI of ours, None where the URI lies elsewhere."""
    if not uri.startswith(OURS):
        return None
    rest = uri[len(OURS) :]
    if rest.startswith("//"):
        rest = rest[2:].partition("/")[2]
    return checked_path("source", rest.strip("/"))
