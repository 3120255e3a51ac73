"""The control plane as one ASGI application: filter, REST API, MLflow protocol, metrics, web UI."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

import helicline
from helicline.errors import Bug, HeliclineError, RateLimited, Refused, Unauthenticated
from helicline.loop.context import Context
from helicline.protocol.mlflow.app import MlflowApp
from helicline.protocol.rest import (
    admin,
    datasets,
    deployments,
    loops,
    models,
    pipelines,
    registry,
    runs,
    stream,
    tracking,
    trash,
)
from helicline.protocol.rest.access import secret, session, token
from helicline.protocol.rest.edge import Edge
from helicline.protocol.rest.errors import Problem, http_problem, problem_of
from helicline.protocol.rest.feed import Feed
from helicline.records.access import Caller
from helicline.server.compression import JsonCompression
from helicline.server.document import api_document
from helicline.server.filter import App, Authenticator, Filter, Receive, Scope, Send
from helicline.server.metrics import exposition
from helicline.server.permissions import API, PERMISSIONS
from helicline.server.web import WebUi

log = logging.getLogger("helicline.server")
HANDLERS = [
    *datasets.ROUTES,
    *runs.ROUTES,
    *tracking.ROUTES,
    *pipelines.ROUTES,
    *models.ROUTES,
    *registry.ROUTES,
    *deployments.ROUTES,
    *loops.ROUTES,
    *trash.ROUTES,
    *admin.ROUTES,
    *session.ROUTES,
    *token.ROUTES,
    *secret.ROUTES,
    *stream.ROUTES,
]


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def get_openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI 3.1 document of this API."""
    return Response(msgspec.json.encode(api_document(request.app)), media_type="application/json")


def make_api(context: Context, feed: Feed) -> Litestar:
    """Return the REST API. Raises Bug where the routes and the permission table do not match."""

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        feed.attach(asyncio.get_running_loop())
        context.store.listeners.append(feed.publish)
        try:
            yield
        finally:
            feed.close()
            context.store.listeners.remove(feed.publish)

    def edge(request: Request[Any, Any, Any]) -> Edge:
        return Edge(context, request.scope["state"]["caller"], request.scope["state"]["request_id"])

    app = Litestar(
        route_handlers=[Router(API, route_handlers=[*HANDLERS, get_openapi])],
        dependencies={
            "edge": Provide(edge, sync_to_thread=False),
            "feed": Provide(lambda: feed, sync_to_thread=False),
        },
        guards=[check_permission],
        exception_handlers={
            HeliclineError: _domain_error,
            msgspec.ValidationError: _bad_body,
            HTTPException: _framework_error,
            Exception: _unexpected_error,
        },
        lifespan=[lifespan],
        request_max_body_size=None,
        openapi_config=OpenAPIConfig(
            title="Helicline",
            version=helicline.__version__,
            path="/_openapi",  # unused: the document has a route of its own below /api/v1
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        on_app_init=[_disable_logging],
    )
    check_table(app)
    return app


def _disable_logging(config: AppConfig) -> AppConfig:
    config.logging_config = None
    return config


def template(path: str) -> str:
    """Return a route's path without the types of its parameters."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def routes_of(app: Litestar) -> set[tuple[str, str]]:
    """Return (method, path below /api/v1) of every route, without OPTIONS and HEAD."""
    return {
        (str(method), template(route.path).removeprefix(API))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith(f"{API}/")
        for method in route.methods
        if method not in ("OPTIONS", "HEAD")
    }


def check_table(app: Litestar) -> None:
    """Raise Bug where routes and permissions do not match one to one."""
    routes = routes_of(app)
    for method, path in sorted(routes ^ PERMISSIONS.keys()):
        raise Bug(f"route {method} {API}{path} is {'without a permission' if (method, path) in routes else 'gone'}")


def check_permission(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Raise an error unless the caller has the permission of the route in the table."""
    method = str(connection.scope["method"])  # type: ignore[typeddict-item]
    path = template(str(connection.scope["path_template"])).removeprefix(API)
    permission = PERMISSIONS.get(("GET" if method in ("HEAD", "OPTIONS") else method, path), "admin")
    check(connection.scope["state"]["caller"], permission)


def check(caller: Caller, permission: str) -> None:
    """Raise Unauthenticated or Refused where the caller does not have the permission."""
    if permission == "open" or caller.may(permission):
        return
    if not caller.role:
        raise Unauthenticated(
            "serve this request",
            "it needs a token",
            "Send `Authorization: Bearer TOKEN`; an administrator makes one: hl token create NAME",
        )
    raise Refused(permission, f"{caller.name} is {caller.role}, which may not", "Ask for a token with another role.")


def _response(problem: Problem) -> Response[Problem]:
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    return Response(problem, status_code=problem.status, media_type="application/problem+json", headers=headers)


def _request_id(request: Request[Any, Any, Any]) -> str:
    return str(request.scope["state"].get("request_id", ""))


def _domain_error(request: Request[Any, Any, Any], error: HeliclineError) -> Response[Problem]:
    return _response(problem_of(error, _request_id(request)))


def _bad_body(request: Request[Any, Any, Any], error: msgspec.ValidationError) -> Response[Problem]:
    return _response(http_problem(400, str(error), code="invalid", request_id=_request_id(request)))


def _framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        parts = [
            f"{entry.get('key', '')}: {entry.get('message', '')}" for entry in error.extra if isinstance(entry, dict)
        ]
        return _response(
            http_problem(400, "; ".join(parts) or error.detail, code="invalid", request_id=_request_id(request))
        )
    status = 400 if error.status_code == 422 else error.status_code
    return _response(http_problem(status, error.detail or "", request_id=_request_id(request)))


def _unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    if isinstance(error, RecursionError):
        return _response(
            http_problem(400, "the body is nested too deeply", code="invalid", request_id=_request_id(request))
        )
    if isinstance(error, UnicodeError):
        return _response(http_problem(400, "the request is not UTF-8", code="invalid", request_id=_request_id(request)))
    request_id = _request_id(request)
    log.exception("request %s failed", request_id, exc_info=error)
    hint = f"The server's log has the details under request {request_id}."
    return _response(http_problem(500, "something in Helicline failed", code="bug", hint=hint, request_id=request_id))


class ProtocolRouter:
    """Routes each request to the application of its protocol."""

    def __init__(self, context: Context, *, api: App, mlflow: MlflowApp, web: WebUi) -> None:
        self.context, self.api, self.mlflow, self.web = context, api, mlflow, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan" or path.startswith(API + "/"):
            limited_receive = (
                _limit_body(receive, self.context.settings.max_body_bytes) if path != f"{API}/blobs" else receive
            )
            await self.api(scope, limited_receive, send)
        elif path == "/metrics":
            check(scope["state"]["caller"], "read")
            await exposition(self.context, send)
        elif self.mlflow.handles(path):
            await self.mlflow(scope, receive, send)
        else:
            await self.web(scope, receive, send)


def _limit_body(receive: Receive, limit: int) -> Receive:
    """Return a receive function that fails once the body exceeds `limit` bytes, whatever its headers say."""
    received_bytes = 0

    async def receive_counted() -> Any:
        nonlocal received_bytes
        message = await receive()
        received_bytes += len(message.get("body", b""))
        if received_bytes > limit:
            raise HTTPException(status_code=413, detail=f"the body is over {limit} bytes")
        return message

    return receive_counted


async def refuse(error: HeliclineError, scope: Scope, send: Send) -> None:
    """Send the answer to a request that was rejected."""
    problem = problem_of(error, scope["state"].get("request_id", ""))
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, RateLimited):
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem)})


def make_app(context: Context, feed: Feed) -> App:
    """Return the whole control plane."""
    mlflow = MlflowApp(context.store, context.blobs, context.settings)
    router = ProtocolRouter(
        context, api=JsonCompression(cast("App", make_api(context, feed))), mlflow=mlflow, web=WebUi()
    )

    async def send_refusal(error: HeliclineError, scope: Scope, send: Send) -> None:
        await (mlflow.refuse if mlflow.handles(scope["path"]) else refuse)(error, scope, send)

    return Filter(_with_error_answers(router), Authenticator(context.settings, context.store), send_refusal)


def _with_error_answers(app: App) -> App:
    async def app_with_error_answers(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except HeliclineError as error:
            if scope["type"] != "http":
                raise
            await refuse(error, scope, send)

    return app_with_error_answers
