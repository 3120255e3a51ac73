"""The files of the web UI, or a placeholder page where it was not built."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import helicline
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


class WebUi:
    """Serves the built files by exact name; every other path gets the page of the single-page application."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        # only files that exist at the start are served, so no request path reaches the file system
        self.files = {"/" + path.relative_to(folder).as_posix(): path for path in files}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, kind=b"text/plain", body=b"Method not allowed\n")
            return
        path = self.files.get(scope["path"])
        if path is not None:
            kind = (mimetypes.guess_type(path.name)[0] or "application/octet-stream").encode()
            cache = b"public, max-age=31536000, immutable" if "/assets/" in scope["path"] else b"no-cache"
            await _answer(send, 200, kind=kind, body=path.read_bytes(), cache=cache)
        elif scope["path"].startswith(("/api/", "/ajax-api/", "/assets/")):
            await _answer(send, 404, kind=b"text/html", body=b"<h1>Not found</h1>\n")
        else:
            index = self.files.get("/index.html")
            await _answer(send, 200, kind=b"text/html; charset=utf-8", body=index.read_bytes() if index else NOT_BUILT)


async def _answer(send: Send, status: int, *, kind: bytes, body: bytes, cache: bytes = b"no-cache") -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", cache),
        (b"content-security-policy", POLICY),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
