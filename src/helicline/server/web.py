"""The files of the web UI, or a placeholder page where it was not built."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from pathlib import Path

import helicline
from helicline.server.compression import choose_coding
from helicline.server.filter import Receive, Scope, Send

FOLDER = Path(helicline.__file__).parent / "web"
POLICY = (
    b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    b"script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Helicline</title>
<style>body{font:16px/1.6 system-ui;max-width:40rem;margin:15vh auto;padding:0 1rem}html{color-scheme:light dark}
code{background:#8882;padding:.1em .4em;border-radius:4px}</style>
<h1>Helicline is running</h1>
<p>The web UI was not built into this installation. The API is at
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
<p>To build it, install from a checkout without <code>HELICLINE_WEB=skip</code>:
<code>pip install .</code></p></html>"""


ENCODED = {"br": ".br", "gzip": ".gz"}  # what the build writes beside a file, in the order of preference


class WebFile:
    """A built file: its bytes in every coding that the build wrote, and how long a browser may keep it."""

    def __init__(self, path: Path, *, is_hashed: bool) -> None:
        self.path = path
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.media_type = (media_type + "; charset=utf-8" * media_type.startswith("text/")).encode()
        self.cache = b"public, max-age=31536000, immutable" if is_hashed else b"no-cache"
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:20].encode()
        encoded = {coding: path.with_name(path.name + ending) for coding, ending in ENCODED.items()}
        self.encoded = {coding: file for coding, file in encoded.items() if file.is_file()}

    async def answer(self, scope: Scope, send: Send) -> None:
        """Send the file, or 304 where the browser has it already."""
        coding = choose_coding(scope, self.encoded)
        tag = b'"%s-%s"' % (self.digest, coding.encode())
        headers = [(b"cache-control", self.cache), (b"etag", tag)]
        if self.encoded:
            headers.append((b"vary", b"Accept-Encoding"))
        if any(name.lower() == b"if-none-match" and tag in value for name, value in scope["headers"]):
            await _answer(send, 304, media_type=self.media_type, body=b"", headers=headers)
            return
        if coding:
            headers.append((b"content-encoding", coding.encode()))
        body = self.encoded.get(coding, self.path).read_bytes()
        await _answer(send, 200, media_type=self.media_type, body=body, headers=headers)


class WebUi:
    """Serves the built files by exact name; every other path gets the page of the single-page application."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        # only files that exist at the start are served, so no request path reaches the file system
        self.files = {
            "/" + path.relative_to(folder).as_posix(): WebFile(path, is_hashed=path.parent.name == "assets")
            for path in files
            if path.suffix not in ENCODED.values()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, media_type=b"text/plain", body=b"Method not allowed\n")
        elif file := self.files.get(scope["path"]):
            await file.answer(scope, send)
        elif scope["path"].startswith(("/api/", "/ajax-api/", "/assets/")):
            await _answer(send, 404, media_type=b"text/html", body=b"<h1>Not found</h1>\n")
        elif index := self.files.get("/index.html"):
            await index.answer(scope, send)
        else:
            await _answer(send, 200, media_type=b"text/html; charset=utf-8", body=NOT_BUILT)


async def _answer(
    send: Send,
    status: int,
    *,
    media_type: bytes,
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]] = ((b"cache-control", b"no-cache"),),
) -> None:
    own = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    if media_type.startswith((b"text/html", b"image/svg")):  # what a browser may open as a document of its own
        own.append((b"content-security-policy", POLICY))
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})
