"""Links to single files, as in notebooks and older clients: `/get-artifact?run_id=...&path=...`."""

from __future__ import annotations

from typing import Any

from helicline import registry, tracking
from helicline.protocol.mlflow.artifact.files import file_response, find
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.request import Request
from helicline.records.model import ArtifactFile
from helicline.store.unit import Reader
from helicline.tracking.artifact import path_in_store
from helicline.tracking.checks import checked_path


def file_below(tx: Reader, uri: str, path: str) -> ArtifactFile:
    """Return the file at the path below a URI of this server. Raises WireError for a URI of another store."""
    root = path_in_store(uri)
    if root is None:
        raise _elsewhere(uri)
    return find(tx, f"{root}/{path}")


def _elsewhere(uri: str) -> WireError:
    return WireError("INVALID_PARAMETER_VALUE", f"The artifacts lie at {uri}, which clients read by themselves.")


def _path(request: Request, name: str = "path") -> str:
    return checked_path(name, request.fields.required(name))


async def of_run(request: Request) -> Any:
    run_id, path = request.fields.required("run_id", also="run_uuid"), _path(request)
    return await file_response(
        request, await request.read(lambda tx: file_below(tx, tracking.get_run(tx, run_id).artifact_uri, path))
    )


async def of_version(request: Request) -> Any:
    name, number, path = request.fields.required("name"), request.fields.version(), _path(request)

    def view(tx: Reader) -> ArtifactFile:
        version = registry.get_version(tx, name, number)
        if not version.artifact_root:
            raise _elsewhere(version.source)
        return file_below(tx, registry.download_uri(tx, version), path)

    return await file_response(request, await request.read(view))


async def of_logged_model(request: Request) -> Any:
    model_id, path = request.parts["model_id"], _path(request, "artifact_file_path")
    file = await request.read(lambda tx: file_below(tx, tracking.get_logged_model(tx, model_id).artifact_uri, path))
    return await file_response(request, file)
