"""The files of a run over HTTP. What users uploaded is never served in a form that a browser would run."""

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
from helicline.tracking.browse.preview import Preview, checked_kind, most_bytes, preview

SAFE = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


@get("/runs/{run_id:str}/artifacts", sync_to_thread=True)
def list_files(edge: Edge, run_id: str, path: str = "") -> Page[Entry]:
    """What lies directly below a folder of the run's artifacts."""
    return Page(edge.read(lambda tx: files.listing(tx, run_id, path)))


@get("/runs/{run_id:str}/artifacts/preview", sync_to_thread=True)
def show_file(edge: Edge, run_id: str, path: str) -> Preview:
    """A file as data to show: a table's first rows, text, a notebook's cells; never markup."""
    file = edge.read(lambda tx: files.file_of(tx, run_id, path))
    return preview(path, head(edge, file, most_bytes(path)), size=file.size)


@get("/runs/{run_id:str}/artifacts/image", sync_to_thread=True)
def show_image(edge: Edge, run_id: str, path: str) -> Stream:
    """An image to embed; opened by itself it is sandboxed, so that a script in it stays dead."""
    kind = checked_kind(path)
    file = edge.read(lambda tx: files.file_of(tx, run_id, path))
    return Stream(edge.context.blobs.read(file.hash), media_type=kind, headers=SAFE)


@get("/runs/{run_id:str}/artifacts/download", sync_to_thread=True, media_type="application/octet-stream")
def download(edge: Edge, run_id: str, path: str) -> Stream:
    """The bytes of a file, to be saved."""
    file = edge.read(lambda tx: files.file_of(tx, run_id, path))
    name = quote(path.rpartition("/")[2])
    headers = {**SAFE, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Stream(edge.context.blobs.read(file.hash), headers=headers)


def head(edge: Edge, file: ArtifactFile, most: int) -> bytes:
    """Return the first bytes of a file, at most `most`."""
    if not most:
        return b""
    return b"".join(islice(edge.context.blobs.read(file.hash), -(-most // CHUNK)))[:most]


ROUTES = [list_files, show_file, show_image, download]
