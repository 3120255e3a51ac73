"""The MLflow protocol as an ASGI application."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from helicline.errors import HeliclineError, RateLimited, Refused, TooLarge, Unauthenticated
from helicline.protocol.mlflow import errors, fields, runs, task_scope
from helicline.protocol.mlflow.artifact import files, multipart
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.missing_features import no_route
from helicline.protocol.mlflow.request import Request, Response, Services
from helicline.protocol.mlflow.routes import PLAIN, ROUTES, Handler, RouteTable
from helicline.protocol.mlflow.trace import ingest
from helicline.records.access import Caller
from helicline.settings import Settings
from helicline.store.blobs import Blobs
from helicline.store.database import Store
from helicline.store.vault import Vault

PATH_PREFIXES = ("/api/2.0/", "/api/3.0/", "/ajax-api/", "/gateway/", "/graphql")
BODY_HANDLERS = frozenset({runs.log_metric, runs.log_batch})  # these parse the body themselves
STREAM_HANDLERS = frozenset({files.upload, files.upload_to_run})  # these store the body while it arrives
PLAIN_PATHS = frozenset(path for _, path, _, _ in PLAIN)
JSON_HEADERS = (("content-type", "application/json"),)


class MlflowApp:
    """The ASGI application of the MLflow REST API. The server checks Host, Origin and token before it calls it."""

    def __init__(self, store: Store, blobs: Blobs, settings: Settings) -> None:
        self.services = Services(store, blobs, settings, Vault.of(settings), multipart.uploads_of(blobs, settings))
        self.table = RouteTable(ROUTES)

    def handles(self, path: str) -> bool:
        """Return whether the path is one of MLflow; unknown paths below its prefixes are, and get an error here."""
        return path in PLAIN_PATHS or path.startswith(PATH_PREFIXES)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        response = await self._respond(scope, receive)
        await _send(response, send)

    async def refuse(self, error: HeliclineError, _scope: Any, send: Any) -> None:
        """Send the answer to a request that the server rejected, in MLflow's error format."""
        response = _error_response(error)
        await _send(
            Response(status=response.status, body=response.body, headers=(*response.headers, ("connection", "close"))),
            send,
        )

    async def _respond(self, scope: Any, receive: Any) -> Response:
        match = self.table.find(scope["method"], scope["path"])
        if match is None:
            return _error_response(no_route(scope["method"], scope["path"]))
        permission, handler, parts = match
        try:
            request = self._request(scope, parts)
            _check(request.caller, permission, f"{scope['method']} {scope['path']}")
            await _read_input(request, handler, scope=scope, receive=receive)
            if permission == "log":
                await task_scope.check(request)
            answer = await handler(request)
        except files.ClientGone:
            return Response(status=400)
        except Exception as error:
            return _error_response(error)
        return (
            answer if isinstance(answer, Response) else Response(body=msgspec.json.encode(answer), headers=JSON_HEADERS)
        )

    def _request(self, scope: Any, parts: dict[str, str]) -> Request:
        state = scope.get("state") or {}
        caller = state.get("caller") or Caller(name="local", role="admin")
        _check_path(scope)
        return Request(
            services=self.services,
            caller=caller,
            request_id=str(state.get("request_id") or ""),
            parts=parts,
            headers=scope["headers"],
        )


def _check(caller: Caller, permission: str, path: str) -> None:
    if permission == "open" or caller.may(permission):
        return
    if not caller.role:
        raise Unauthenticated(
            path,
            "no token came with it",
            "Set MLFLOW_TRACKING_TOKEN to a token; an administrator makes one: hl token create NAME",
        )
    raise Refused(path, f"{caller.name} may not {permission}")


def _error_response(error: Exception) -> Response:
    status, body = errors.as_wire(error)
    headers: tuple[tuple[str, str], ...] = JSON_HEADERS
    if status == 401:
        headers = (*headers, ("www-authenticate", "Bearer"))
    if isinstance(error, RateLimited):
        headers = (*headers, ("retry-after", str(error.retry_after_s)))
    return Response(status=status, body=body, headers=headers)


def _check_path(scope: Any) -> None:
    """Reject a path that is not UTF-8: the server decodes it leniently, which would replace the invalid bytes."""
    raw = scope.get("raw_path") or scope["path"].encode()
    if b"%" not in raw and raw.isascii() and b"\0" not in raw:
        return
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeError:
        raise WireError(
            "INVALID_PARAMETER_VALUE", "Invalid value for parameter 'path': it is not UTF-8 text."
        ) from None
    if "\0" in text:
        raise WireError("INVALID_PARAMETER_VALUE", "Invalid value for parameter 'path': it holds a NUL character.")


async def _read_input(request: Request, handler: Handler, *, scope: Any, receive: Any) -> None:
    """Read query or body into the request; uploads have both, and read the body themselves, as a stream."""
    if scope["method"] == "GET":
        request.fields = fields.of_query(scope["query_string"])
    elif handler in STREAM_HANDLERS:
        request.fields, request.receive = fields.of_query(scope["query_string"]), receive
    else:
        request.body = await _body(request, receive)
        if handler is ingest.export:
            return
        kind = request.media_type("application/json")
        if request.body and kind != "application/json":
            raise WireError(
                "INVALID_PARAMETER_VALUE",
                f"Bad Request. Content-Type header is not one of the supported types: application/json. Got {kind!r}.",
            )
        if handler not in BODY_HANDLERS:
            request.parse()


async def _body(request: Request, receive: Any) -> bytes:
    limit = request.settings.max_body_bytes
    declared = request.header("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge("body", int(declared), f"at most {limit} bytes")
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise files.ClientGone
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        if size > limit:
            raise TooLarge("body", f"more than {limit} bytes", f"at most {limit} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def _send(response: Response, send: Any) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    if response.stream is None:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.stream is not None:
        async for piece in response.stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": response.body})
