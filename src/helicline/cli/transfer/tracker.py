"""`Tracker`, a client of a tracking server for the copy: MLflow's REST API by httpx."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import msgspec

from helicline.errors import HeliclineError, Invalid, NotFound, Unavailable

ID_HEADER = "x-helicline-id"
MAX_ATTEMPTS = 4
STORE = "/api/2.0/mlflow-artifacts/artifacts"
HINT = "Look at the address, and whether the server runs; what was copied stays, run the command again to go on."


class Tracker:
    """A client of a server with the MLflow API. `keeps_ids`: new runs and models can get given ids."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, *, keeps_ids: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid("URI", url, "http://HOST:PORT or https://HOST:PORT")
        self.display_url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
        self.keeps_ids = keeps_ids
        self._http = httpx.Client(
            base_url=url.rstrip("/"), headers=headers or {}, timeout=httpx.Timeout(120, connect=10), trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def check(self) -> None:
        """Raise Invalid where the server has no MLflow API, Unavailable where nothing answers."""
        try:
            self.post("/experiments/search", {"max_results": 1})
        except (NotFound, Invalid, msgspec.DecodeError):
            raise Invalid(
                "URI", self.display_url, "an MLflow tracking server; this one does not speak its API"
            ) from None

    def get(self, path: str, /, *, api: str = "/api/2.0/mlflow", **query: Any) -> Any:
        return self._request("GET", api + path, params={name: value for name, value in query.items() if value})

    def post(self, path: str, body: Any, *, api: str = "/api/2.0/mlflow", **headers: str) -> Any:
        header_names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._request("POST", api + path, content=msgspec.json.encode(body), headers=_JSON | header_names)

    def patch(self, path: str, body: Any) -> Any:
        return self._request("PATCH", "/api/2.0/mlflow" + path, content=msgspec.json.encode(body), headers=_JSON)

    def delete(self, path: str, body: Any) -> Any:
        return self._request("DELETE", "/api/2.0/mlflow" + path, content=msgspec.json.encode(body), headers=_JSON)

    def pages(self, path: str, key: str, body: dict[str, Any], *, api: str = "/api/2.0/mlflow") -> Iterator[Any]:
        """Yield the items of all pages of a search by POST."""
        token = ""
        while True:
            page = self.post(path, body | ({"page_token": token} if token else {}), api=api)
            yield from page.get(key, ())
            token = page.get("next_page_token", "")
            if not token:
                return

    def get_pages(self, path: str, key: str, /, **query: Any) -> Iterator[Any]:
        """Yield the items of all pages of a search by GET."""
        token = ""
        while True:
            page = self.get(path, page_token=token, **query)
            yield from page.get(key, ())
            token = page.get("next_page_token", "")
            if not token:
                return

    def put_file(self, path: str, pieces: Iterator[bytes], size: int) -> None:
        """Store the pieces at that path of the server's own artifact store."""
        self._request("PUT", f"{STORE}/{quote(path)}", content=pieces, headers={"content-length": str(size)})

    def pieces(self, path: str, /, **query: str) -> Iterator[bytes]:
        """Yield a file's bytes."""
        try:
            with self._http.stream("GET", path, params=query) as response:
                if response.status_code >= 400:
                    response.read()
                    raise self._error_of("GET", path, response)
                yield from response.iter_bytes(1 << 20)
        except httpx.HTTPError as error:
            raise Unavailable(self.display_url, str(error) or type(error).__name__, HINT) from None

    def _request(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, options)
        if response.status_code >= 400:
            raise self._error_of(method, path, response)
        return msgspec.json.decode(response.content) if response.content.strip() else {}

    def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        """Send the request; reads are repeated where the server is busy or the connection broke."""
        max_attempts = MAX_ATTEMPTS if method == "GET" or path.endswith("/search") else 1
        for attempt in range(1, max_attempts + 1):
            try:
                response = self._http.request(method, path, **options)
                if response.status_code not in (429, 502, 503, 504) or attempt == max_attempts:
                    return response
            except httpx.HTTPError as error:
                if attempt == max_attempts or isinstance(error, httpx.ConnectError):
                    raise Unavailable(self.display_url, str(error) or type(error).__name__, HINT) from None
            time.sleep(0.25 * 2**attempt)
        raise AssertionError("unreachable")

    def _error_of(self, method: str, path: str, response: httpx.Response) -> HeliclineError:
        try:
            problem = msgspec.json.decode(response.content, type=dict[str, Any])
            why = str(problem.get("message") or problem.get("detail") or response.text[:300])
        except msgspec.MsgspecError:
            why = response.text[:300]
        if response.status_code == 404:
            return NotFound(f"thing at {self.display_url}", f"{method} {path}: {why}")
        if response.status_code >= 500 or response.status_code in (401, 403, 429):
            return Unavailable(self.display_url, f"{response.status_code} to {method} {path}: {why}", HINT)
        return Invalid(f"{method} {path}", response.status_code, why)


_JSON = {"content-type": "application/json"}
