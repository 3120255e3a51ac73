"""HTTP client of a Helicline server: sends and returns records, and raises the server's errors."""

from __future__ import annotations

import functools
import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from helicline import errors, settings
from helicline.content_hash import file_hash
from helicline.errors import HeliclineError, Unavailable
from helicline.records.dataset import Commit, DatasetVersion, FileEntry
from helicline.sdk.local_files import LocalFiles, local_files

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
CHUNK = 1 << 20
MAX_PAUSE_S = 2.0
ERRORS_BY_CODE: dict[str, type[HeliclineError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HeliclineError) and kind is not HeliclineError
} | {"stale": errors.Conflict}


class NotServed(Unavailable):
    """The server answered 503: by its own word nothing was changed, so that any request may be sent again."""


class _Items(msgspec.Struct):
    items: list[Any]
    next: str = ""


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the certificates that are trusted, read once for a process and its forks: that takes 40 ms."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


class Client:
    """A connection to a server. Without `url` it uses HELICLINE_URL, or the server of this project's home.

    Args:
        url: like "http://127.0.0.1:7070".
        token: a bearer token; default: HELICLINE_TOKEN.
        retry_s: how long a call is tried again while no server answers; default: HELICLINE_RETRY_S, or 0.

    Raises:
        Unavailable: no server answers there.
    """

    def __init__(self, url: str = "", *, token: str = "", retry_s: float | None = None) -> None:
        import httpx

        self.url = (url or os.environ.get("HELICLINE_URL", "") or settings.load().server_url).rstrip("/")
        self.retry_s = float(os.environ.get("HELICLINE_RETRY_S", "") or 0) if retry_s is None else retry_s
        secret = token or os.environ.get("HELICLINE_TOKEN", "") or _owner_token(url)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        timeout = httpx.Timeout(60, connect=5)
        self._http: httpx.Client = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False, verify=tls_context()
        )

    def __repr__(self) -> str:
        return f"Client({self.url!r})"  # the token stays out of logs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a `with` block does so at its end."""
        self._http.close()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that authenticate a request to this server."""
        return {name: value for name, value in self._http.headers.items() if name == "authorization"}

    def send(
        self, method: str, path: str, *, body: Any = None, timeout_s: float = 60.0, **query: Any
    ) -> httpx.Response:
        """Send a request below /api/v1 and return the response. Raises the server's error as a HeliclineError.

        While no server answers it is sent again, for `retry_s` seconds: a change only where it cannot have arrived.
        """
        content, headers = body, {}
        is_stream = hasattr(body, "__next__")
        if body is not None and not isinstance(body, bytes) and not is_stream:
            content, headers = msgspec.json.encode(body), {"Content-Type": "application/json"}
        params = {name: value for name, value in query.items() if value is not None}

        def attempt() -> httpx.Response:
            response = self._http.request(
                method, f"/api/v1{path}", content=content, params=params, headers=headers, timeout=timeout_s
            )
            if response.status_code >= 400:
                raise error_of(response)
            return response

        return self._persist(attempt, can_repeat=method in ("GET", "PUT"), retry_s=0.0 if is_stream else self.retry_s)

    def _persist(self, attempt: Callable[[], T], *, can_repeat: bool, retry_s: float) -> T:
        """Return what `attempt` gives, tried again with growing pauses while the server is away."""
        import httpx

        end, pause_s = time.monotonic() + retry_s, 0.1
        while True:
            try:
                return attempt()
            except httpx.HTTPError as error:
                away = Unavailable(f"the server at {self.url}", str(error) or type(error).__name__, HINT_UP)
                is_safe = can_repeat or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            except Unavailable as error:
                away, is_safe = error, can_repeat or isinstance(error, NotServed)
            if not is_safe or time.monotonic() + pause_s > end:
                raise away from None
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    def wire(self, method: str, path: str, *, body: Any = None, content: bytes | None = None) -> dict[str, Any]:
        """Send a request of the MLflow API and return its answer. Raises Refused with the server's message."""
        response = self._send_mlflow(method, path, json=body, content=content)
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer

    def wire_bytes(self, path: str) -> bytes | None:
        """Return a file by the MLflow API, or None where it does not exist."""
        response = self._send_mlflow("GET", path, missing_ok=True)
        return None if response.status_code == 404 else response.content

    def _send_mlflow(self, method: str, path: str, *, missing_ok: bool = False, **body: Any) -> httpx.Response:
        import httpx

        try:
            response = self._http.request(method, path, **body)
        except httpx.HTTPError as error:
            raise Unavailable(f"the server at {self.url}", str(error) or type(error).__name__, HINT_UP) from None
        if response.status_code >= 400 and not (missing_ok and response.status_code == 404):
            raise errors.Refused(f"{method} {path}", response.text[:500])
        return response

    def get(self, path: str, kind: type[T], **query: Any) -> T:
        """Return the record at `path`."""
        return msgspec.json.decode(self.send("GET", path, **query).content, type=kind)

    def items(self, path: str, kind: type[T], **query: Any) -> list[T]:
        """Return the items of the page at `path`."""
        page = msgspec.json.decode(self.send("GET", path, **query).content, type=_Items)
        return msgspec.convert(page.items, list[kind])  # type: ignore[valid-type]

    def post(self, path: str, kind: type[T], body: Any = None, **query: Any) -> T:
        """Post a body and return the record of the answer."""
        response = self.send("POST", path, body={} if body is None else body, **query)
        return msgspec.json.decode(response.content, type=kind)

    def put_blob(self, path: Path) -> FileEntry:
        """Upload a file as a blob and return its hash and size (with the file's name as path)."""

        def attempt() -> httpx.Response:
            with path.open("rb") as file:
                return self.send("PUT", "/blobs", body=_pieces(file), timeout_s=3600)

        response = self._persist(attempt, can_repeat=True, retry_s=self.retry_s)
        document = msgspec.json.decode(response.content)
        return FileEntry(path.name, document["size"], document["hash"])

    def put_bytes(self, content: bytes) -> str:
        """Upload bytes as a blob and return their hash."""
        return str(msgspec.json.decode(self.send("PUT", "/blobs", body=content).content)["hash"])

    def fetch_blob(self, digest: str, target: Path) -> Path:
        """Download a blob to `target`."""
        target.parent.mkdir(parents=True, exist_ok=True)

        def attempt() -> None:
            with self._http.stream("GET", f"/api/v1/blobs/{digest}") as response:
                if response.status_code >= 400:
                    response.read()
                    raise error_of(response)
                with target.open("wb") as file:
                    for piece in response.iter_bytes(CHUNK):
                        file.write(piece)

        self._persist(attempt, can_repeat=True, retry_s=self.retry_s)
        return target

    def commit(
        self,
        dataset: str,
        source: Path,
        *,
        ref: str = "main",
        message: str = "",
        expected: str | None = None,
        as_files: bool = False,
    ) -> DatasetVersion:
        """Commit a file or folder as a version of `dataset`; only blobs that the server does not have are uploaded.

        Tables among the files have to make one table, unless all are taken `as_files`. Of a dataset with a contract the
        version is a draft until its checks pass, for which this does not wait; `hl.data.commit` does.

        Raises:
            Invalid: there is no file, a path is not valid in a dataset, or a table cannot be read with the others.
            Conflict: the ref does not point to `expected`.
        """
        files = local_files(source)
        self.upload(files)
        detail = Commit(ref=ref, message=message, expected=expected)
        return self.commit_entries(dataset, [entry for entry, _ in files], detail, as_files=as_files)

    def upload(self, files: LocalFiles) -> None:
        """Upload the files whose blobs the server does not have."""
        paths_by_hash = {entry.hash: path for entry, path in files}
        missing = self.post("/blobs/missing", dict[str, list[str]], {"hashes": list(paths_by_hash)})["hashes"]
        for digest in missing:
            self.put_blob(paths_by_hash[digest])

    def commit_entries(
        self, dataset: str, files: list[FileEntry], detail: Commit, *, as_files: bool = False
    ) -> DatasetVersion:
        """Commit files whose blobs the server has; tables among them are read once, which may take its time."""
        body = {"files": files, "as_files": as_files, **msgspec.structs.asdict(detail)}
        return self.post(f"/datasets/{dataset}/versions", DatasetVersion, body, timeout_s=3600)

    def checkout(self, spec: str, target: Path) -> DatasetVersion:
        """Write the files of a dataset version (`name@ref`) below `target`.

        Raises:
            Conflict: a file exists with other content.
        """
        name, _, point = spec.partition("@")
        version = self.get(f"/datasets/{name}/versions/{point or 'main'}", DatasetVersion)
        for entry in self.items(f"/datasets/{name}/versions/{version.id}/files", FileEntry):
            path = target / entry.path
            if path.exists() and file_hash(path) != entry.hash:
                raise errors.Conflict("file", str(path), "is there with other content", "Check out to an empty folder.")
            if not path.exists():
                partial = path.with_name(path.name + ".part")
                self.fetch_blob(entry.hash, partial)
                partial.rename(path)
        return version


HINT_UP = "Start it with: hl up"


def _owner_token(url: str) -> str:
    """Return the home's own secret, but only for the server of this home."""
    home = settings.load().home_path
    url_file, secret = home / "server.url", home / "owner.token"
    address = url or os.environ.get("HELICLINE_URL", "")
    try:
        is_ours = url_file.is_file() and address.rstrip("/") in ("", url_file.read_text().strip())
        return secret.read_text().strip() if is_ours and secret.is_file() else ""
    except OSError:
        return ""


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece


def error_of(response: httpx.Response) -> HeliclineError:
    """Return the error of a server's answer."""
    try:
        problem = msgspec.json.decode(response.content)
        kind = ERRORS_BY_CODE.get(problem.get("code", ""))
        if kind is Unavailable and response.status_code == 503:
            return NotServed(*problem["data"])
        if kind is not None and problem.get("data"):
            return kind(*problem["data"])
        if kind is not None and problem["code"] == "invalid":
            return errors.Invalid("request", problem.get("detail", ""), "what the API describes")
        detail = str(problem.get("detail", response.text[:300]))
    except (msgspec.MsgspecError, TypeError, AttributeError, KeyError):
        detail = response.text[:300]
    if response.status_code in (401, 403):
        return errors.Refused("serve this request", detail)
    if response.status_code == 404:
        return errors.Invalid("address", response.request.url.path, "one of the API; a name in it holds no '/'")
    kind = NotServed if response.status_code == 503 else Unavailable
    return kind("the server", f"it answered {response.status_code}: {detail}")
