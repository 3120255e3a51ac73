"""The artifacts of a run over HTTP. No answer has a content type that a browser would execute."""

from __future__ import annotations

from itertools import islice
from urllib.parse import quote

from litestar import get
from litestar.response import Stream

from helicline.protocol.rest.edge import Edge, Page
from helicline.records.model import ArtifactFile
from helicline.store.blobs import CHUNK
from helicline.tracking.artifact import Entry
from helicline.tracking.browse import files
from helicline.tracking.browse.preview import Preview, checked_kind, max_bytes, preview

SAFE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


@get("/runs/{run_id:str}/artifacts", sync_to_thread=True)
def list_files(edge: Edge, run_id: str, path: str = "") -> Page[Entry]:
    """The entries of a folder of the run's artifacts."""
    return Page(edge.read(lambda tx: files.list_files(tx, run_id, path)))


@get("/runs/{run_id:str}/artifacts/preview", sync_to_thread=True)
def show_file(edge: Edge, run_id: str, path: str) -> Preview:
    """A file as data to show: the first rows of a table, text, the cells of a notebook; never markup."""
    file = edge.read(lambda tx: files.file_of(tx, run_id, path))
    return preview(path, first_bytes(edge, file, max_bytes(path)), size=file.size)


@get("/runs/{run_id:str}/artifacts/image", sync_to_thread=True)
def show_image(edge: Edge, run_id: str, path: str) -> Stream:
    """An image to embed; the answer is sandboxed, so that a script inside it does not run."""
    kind = checked_kind(path)
    file = edge.read(lambda tx: files.file_of(tx, run_id, path))
    return Stream(edge.context.blobs.read(file.hash), media_type=kind, headers=SAFE_HEADERS)


@get("/runs/{run_id:str}/artifacts/download", sync_to_thread=True, media_type="application/octet-stream")
def download(edge: Edge, run_id: str, path: str) -> Stream:
    """The bytes of a file, as an attachment."""
    file = edge.read(lambda tx: files.file_of(tx, run_id, path))
    name = quote(path.rpartition("/")[2])
    headers = {**SAFE_HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Stream(edge.context.blobs.read(file.hash), headers=headers)


def first_bytes(edge: Edge, file: ArtifactFile, max_count: int) -> bytes:
    """Return the first bytes of a file, at most `max_bytes`."""
    if not max_count:
        return b""
    return b"".join(islice(edge.context.blobs.read(file.hash), -(-max_count // CHUNK)))[:max_count]


ROUTES = [list_files, show_file, show_image, download]
