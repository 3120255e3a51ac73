"""Upload, download and listing of artifacts through the server; bodies of any size are streamed."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from helicline import tracking
from helicline.errors import Invalid, NotFound, TooLarge
from helicline.protocol.mlflow.artifact.byte_range import OutOfRange, out_of_range, requested_part
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.request import Request, Response, non_empty
from helicline.records.model import ArtifactFile
from helicline.registry import check_not_frozen
from helicline.store.unit import Reader, Tx
from helicline.tracking.artifact import Entry, path_in_store
from helicline.tracking.checks import checked_path

# a slow upload blocks a thread until it ends, so uploads have threads of their own
UPLOAD_THREADS = ThreadPoolExecutor(16, thread_name_prefix="helicline-upload")
STALL_TIMEOUT_S = 120
TEXT_SUFFIXES = (
    ".txt",
    ".log",
    ".py",
    ".yaml",
    ".yml",
    ".json",
    ".md",
    ".csv",
    ".html",
    ".htm",
    ".svg",
    ".xml",
    ".js",
    ".ipynb",
)
# no browser runs what is in the file
SAFE_HEADERS = (("x-content-type-options", "nosniff"), ("content-security-policy", "sandbox; default-src 'none'"))
TEXT_NAMES = ("MLmodel", "MLproject", "Dockerfile", "README", "LICENSE")


class ClientGone(Exception):
    """The client disconnected before the body was complete."""


def _path(request: Request) -> str:
    return checked_path("path", request.parts["path"])


async def upload(request: Request) -> Any:
    await store_body(request, _path(request))
    return Response()


async def upload_to_run(request: Request) -> Any:
    """Answer `upload-artifact`, by which pages and other tools add a file to a run."""
    run_id, path = request.fields.text("run_uuid", also="run_id"), request.fields.text("path")
    for name, value in (("run_uuid", run_id), ("path", path)):
        if not value:
            raise WireError("INVALID_PARAMETER_VALUE", f"Request must specify {name}.")
    if request.header("content-length", "") == "0":
        raise WireError("INVALID_PARAMETER_VALUE", "Request must specify data.")
    checked_path("path", path)
    uri = (await request.read(lambda tx: tracking.get_run(tx, run_id))).artifact_uri
    root = path_in_store(uri)
    if root is None:
        raise WireError("INVALID_PARAMETER_VALUE", f"The artifacts lie at {uri}, which clients write by themselves.")
    await store_body(request, f"{root}/{path}")
    return Response(headers=(("content-type", "application/json"),))


async def store_body(request: Request, path: str) -> None:
    """Store the body as the artifact, while it arrives."""
    limit = request.settings.max_upload_bytes
    declared = request.header("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge("body", int(declared), f"at most {limit} bytes")
    await request.read(lambda tx: check_may_put(tx, path))  # before the bytes are sent
    loop = asyncio.get_running_loop()
    try:
        digest, size = await loop.run_in_executor(
            UPLOAD_THREADS, lambda: request.blobs.put(_pieces(request, loop), limit=limit)
        )
    except Invalid as error:
        raise TooLarge(error.field, error.got, error.allowed) from None
    await request.write(lambda tx: put_unfrozen(tx, path, digest=digest, size=size))


def check_may_put(tx: Reader, path: str) -> None:
    """Raise Refused within the files of a registered version, and Invalid for the name of a folder or below a file."""
    check_not_frozen(tx, path)
    tracking.check_is_no_folder(tx, path)


def put_unfrozen(tx: Tx, path: str, *, digest: str, size: int) -> None:
    """Record an artifact. Raises Refused within the files of a registered version."""
    check_not_frozen(tx, path)
    tracking.put_artifact(tx, path, hash=digest, size=size)


def _pieces(request: Request, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """Yield the body in pieces, each read from the event loop when the blob store asks for it."""
    assert request.receive is not None
    more = True
    while more:
        try:
            message = asyncio.run_coroutine_threadsafe(_receive(request.receive), loop).result(STALL_TIMEOUT_S)
        except TimeoutError:
            raise ClientGone from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _receive(receive: Any) -> Any:
    return await receive()


async def download(request: Request) -> Any:
    path = _path(request)
    return await file_response(request, await request.read(lambda tx: find(tx, path)))


async def file_response(request: Request, file: ArtifactFile) -> Response:
    """Return the file, or the part asked for, as an attachment: no browser shows it as a page of this server."""
    name, tag = file.path.rpartition("/")[2], f'"{file.hash}"'
    try:
        part = requested_part(request, size=file.size, tag=tag)
    except OutOfRange:
        return out_of_range(file.size)
    headers: tuple[tuple[str, str], ...] = (
        ("content-type", content_type(name)),
        ("content-length", str(file.size if part is None else len(part))),
        ("accept-ranges", "bytes"),
        ("etag", tag),
        ("content-disposition", f"attachment; filename*=UTF-8''{quote(name)}"),
        *SAFE_HEADERS,
    )
    if part is not None:
        headers = (*headers, ("content-range", f"bytes {part.start}-{part.stop - 1}/{file.size}"))
    pieces = await asyncio.to_thread(request.blobs.read, file.hash, part)
    return Response(status=200 if part is None else 206, headers=headers, stream=_stream(pieces))


def find(tx: Reader, path: str) -> ArtifactFile:
    """Return the file. Raises Invalid where the path is a directory."""
    try:
        return tracking.get_artifact(tx, path)
    except NotFound:
        if tracking.artifact_files(tx, path):
            raise Invalid("path", path, "a file, this is a directory") from None
        raise


async def _stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def content_type(name: str) -> str:
    """Return the content type of a file; a type that a browser would execute becomes plain text."""
    if name in TEXT_NAMES or name.lower().endswith(TEXT_SUFFIXES):
        return "text/plain; charset=utf-8"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


async def listing(request: Request) -> Any:
    path = request.fields.text("path").rstrip("/")
    entries = await request.read(lambda tx: tracking.list_artifacts(tx, path))
    return {"files": [_entry(entry) for entry in entries]}


def _entry(entry: Entry, prefix: str = "") -> dict[str, Any]:
    wire = {"path": f"{prefix}/{entry.path}" if prefix else entry.path, "is_dir": entry.is_dir}
    return wire if entry.is_dir else wire | {"file_size": entry.size}


async def of_run(request: Request) -> Any:
    """Answer `artifacts/list`: the entries of a run's artifact folder, with paths relative to it."""
    run_id, path = request.fields.required("run_id", also="run_uuid"), request.fields.text("path").rstrip("/")
    run = await request.read(lambda tx: tracking.get_run(tx, run_id))
    return await _list_folder(request, run.artifact_uri, path)


async def of_model(request: Request) -> Any:
    path = request.fields.text("artifact_directory_path").rstrip("/")
    model = await request.read(lambda tx: tracking.get_logged_model(tx, request.parts["model_id"]))
    return await _list_folder(request, model.artifact_uri, path)


async def _list_folder(request: Request, uri: str, path: str) -> Any:
    root = path_in_store(uri)
    if root is None:
        raise WireError("INVALID_PARAMETER_VALUE", f"The artifacts lie at {uri}, which clients read by themselves.")
    folder = f"{root}/{checked_path('path', path)}" if path else root
    entries = await request.read(lambda tx: tracking.list_artifacts(tx, folder))
    return non_empty(root_uri=uri, files=[_entry(entry, path) for entry in entries])


async def delete(request: Request) -> Any:
    path = _path(request)

    def unit(tx: Tx) -> None:
        check_not_frozen(tx, path)
        tracking.delete_artifacts(tx, path)

    await request.write(unit)
    return {}
