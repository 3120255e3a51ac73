"""Files of runs and logged models, streamed from the one server to the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from helicline.cli.transfer.job import Job
from helicline.cli.transfer.tracker import STORE, Tracker
from helicline.errors import Invalid


class Place(NamedTuple):
    """Whose files they are (`run` or `model`, its id) and the URI below which they lie."""

    kind: str
    id: str
    uri: str


def files(server: Tracker, place: Place, folder: str = "") -> Iterator[tuple[str, int]]:
    """Yield the path and size of every file below the folder."""
    if place.kind == "run":
        entries = list(server.listed("/artifacts/list", "files", run_id=place.id, path=folder))
    else:
        path = f"/logged-models/{place.id}/artifacts/directories"
        entries = list(server.listed(path, "files", artifact_directory_path=folder))
    for entry in entries:
        if entry.get("is_dir"):
            yield from files(server, place, entry["path"])
        else:
            yield entry["path"], int(entry.get("file_size", 0))


def copy_files(job: Job, source: Place, target: Place) -> None:
    """Copy the files that the destination lacks or has in another size."""
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
    """Return the path below the server's own artifact store; None where files lie elsewhere."""
    parts = urlsplit(uri)
    return parts.path.strip("/") if parts.scheme == "mlflow-artifacts" else None


def _pieces(server: Tracker, place: Place, path: str) -> Iterator[bytes]:
    root = root_of(place.uri)
    if root is not None:
        return server.pieces(f"{STORE}/{quote(f'{root}/{path}')}")
    if place.kind == "run":  # files that lie elsewhere: the server fetches them for us
        return server.pieces("/get-artifact", run_uuid=place.id, path=path)
    return server.pieces(f"/ajax-api/2.0/mlflow/logged-models/{place.id}/artifacts/files", artifact_file_path=path)
