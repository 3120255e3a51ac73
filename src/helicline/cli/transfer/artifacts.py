"""Files of runs and logged models, streamed from one server to the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from helicline.cli.transfer.job import Job
from helicline.cli.transfer.tracker import STORE, Tracker
from helicline.errors import Invalid


class FileOwner(NamedTuple):
    """The owner of files (`run` or `model`, and its id) and the URI of their folder."""

    kind: str
    id: str
    uri: str


def files(server: Tracker, owner: FileOwner, folder: str = "") -> Iterator[tuple[str, int]]:
    """Yield the path and size of every file below the folder."""
    if owner.kind == "run":
        entries = list(server.get_pages("/artifacts/list", "files", run_id=owner.id, path=folder))
    else:
        path = f"/logged-models/{owner.id}/artifacts/directories"
        entries = list(server.get_pages(path, "files", artifact_directory_path=folder))
    for entry in entries:
        if entry.get("is_dir"):
            yield from files(server, owner, entry["path"])
        else:
            yield entry["path"], int(entry.get("file_size", 0))


def copy_files(job: Job, source: FileOwner, target: FileOwner) -> None:
    """Copy the files that the destination does not have, or has with another size."""
    pending = list(files(job.source, source))
    if not pending:
        return
    root = root_of(target.uri)
    if root is None:
        raise Invalid("artifact_uri", target.uri, "a folder that the destination serves itself (mlflow-artifacts:)")
    present = dict(files(job.target, target))
    for path, size in pending:
        if present.get(path) != size:
            job.target.put_file(f"{root}/{path}", _pieces(job.source, source, path), size)
            job.step("files")


def root_of(uri: str) -> str | None:
    """Return the path in the server's own artifact store, or None where the files are elsewhere."""
    parts = urlsplit(uri)
    return parts.path.strip("/") if parts.scheme == "mlflow-artifacts" else None


def _pieces(server: Tracker, owner: FileOwner, path: str) -> Iterator[bytes]:
    root = root_of(owner.uri)
    if root is not None:
        return server.pieces(f"{STORE}/{quote(f'{root}/{path}')}")
    if owner.kind == "run":  # the source server reads files in another store for us
        return server.pieces("/get-artifact", run_uuid=owner.id, path=path)
    return server.pieces(f"/ajax-api/2.0/mlflow/logged-models/{owner.id}/artifacts/files", artifact_file_path=path)
