"""Artifacts: files under paths in the artifact space of this server."""

from __future__ import annotations

import msgspec

from helicline.errors import Invalid, NotFound
from helicline.records.model import ArtifactFile
from helicline.store.rows import artifact as rows
from helicline.store.unit import Reader, Tx
from helicline.tracking.checks import checked_path

SCHEME = "mlflow-artifacts:"
ANOTHER_NAME = "Choose another name, or delete it first."


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder directly below a folder; `path` is relative to that folder."""

    path: str
    is_dir: bool
    size: int = 0


def put_artifact(tx: Tx, path: str, *, hash: str, size: int) -> None:
    """Set the blob at `path`; the blob must be durable already. Raises Invalid as `check_is_no_folder` does."""
    rows.lock(tx, checked_path("path", path))
    check_is_no_folder(tx, path)
    rows.put(tx, path, hash=hash, size=size)


def check_is_no_folder(tx: Reader, path: str) -> None:
    """Raise Invalid where a folder has that name, or a file the name of a folder that it would lie in."""
    if file := rows.find_any(tx, rows.folders_of(path)):
        raise Invalid("path", path, f"Invalid path: {file!r} is a file, so nothing can lie below it. {ANOTHER_NAME}")
    if rows.has_below(tx, path):
        raise Invalid("path", path, f"Invalid path: {path!r} is a folder, so no file can have its name. {ANOTHER_NAME}")


def get_artifact(tx: Reader, path: str) -> ArtifactFile:
    file = rows.find(tx, checked_path("path", path))
    if file is None:
        raise NotFound("artifact", path)
    return file


def list_artifacts(tx: Reader, prefix: str) -> list[Entry]:
    """Return the entries of the folder `prefix`, by name; none where it is a file."""
    entries: dict[str, Entry] = {}
    for file in artifact_files(tx, prefix):
        name, slash, _ = file.path.partition("/")
        entries[name] = Entry(path=name, is_dir=bool(slash), size=0 if slash else file.size)
    return [entries[name] for name in sorted(entries)]


def artifact_files(tx: Reader, root: str) -> list[ArtifactFile]:
    """Return every file below `root` at any depth, with paths relative to `root`."""
    if root:
        checked_path("path", root)
    prefix_length = len(root) + 1 if root else 0
    return [msgspec.structs.replace(file, path=file.path[prefix_length:]) for file in rows.find_below(tx, root)]


def delete_artifacts(tx: Tx, path: str) -> int:
    """Delete the file, or the folder with all files below it; return the number of files."""
    return rows.remove(tx, checked_path("path", path))


def path_in_store(uri: str) -> str | None:
    """Return the artifact path of a URI of this server, or None for a URI of another store."""
    if not uri.startswith(SCHEME):
        return None
    rest = uri[len(SCHEME) :]
    if rest.startswith("//"):
        rest = rest[2:].partition("/")[2]
    return checked_path("source", rest.strip("/"))
