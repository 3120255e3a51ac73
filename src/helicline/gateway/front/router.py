"""Routes requests by path: prediction calls in three protocols, health, metadata, feedback and metrics."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

from helicline import origin_check
from helicline.gateway import metrics
from helicline.gateway.front import call_options
from helicline.gateway.front.call import Call, CallContext
from helicline.gateway.front.call_record import CallSpec
from helicline.gateway.front.feedback import Feedback
from helicline.gateway.front.model_status import ModelStatus
from helicline.gateway.front.refusal import refuse
from helicline.gateway.front.request import HEAD_LENGTH, TEXT, Request
from helicline.gateway.front.token_check import TokenCheck
from helicline.gateway.routing_table import RoutingTable
from helicline.gateway.worker.frames import OIP_BINARY, OIP_JSON, SCORING_CSV, SCORING_JSON, SCORING_PARQUET, V1_JSON
from helicline.ids import new_prediction_id
from helicline.protocol.oip.metadata import server_metadata
from helicline.protocol.scoring.errors import v1_error
from helicline.records.deployment import Route
from helicline.serving.assignment import assign

_KINDS = {
    "application/json": SCORING_JSON,
    "text/csv": SCORING_CSV,
    "application/vnd.apache.parquet": SCORING_PARQUET,
}
_SCORING_PROTOCOL_VERSION = "3.17.2"
Handler = Callable[[Request], None]


def _version(package: str, *, default: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return default


class Router:
    """Hands every request to the handler that answers it."""

    def __init__(
        self, routing: RoutingTable, context: CallContext, *, names: frozenset[str], needs_token: bool = False
    ) -> None:
        self._routing, self._context, self._names = routing, context, names
        self._tokens = TokenCheck(lambda: routing.desired, required=needs_token)
        self._models = ModelStatus(routing, context.replicas)
        self._feedback = Feedback(routing, context.prediction_log, self._tokens)
        self._version = _version("helicline", default="0")
        self._mlflow_version = _version("mlflow", default=_SCORING_PROTOCOL_VERSION).encode()
        self._fixed_paths: dict[str, dict[bytes, Handler]] = {
            "/ping": {b"GET": self._ping},
            "/health": {b"GET": self._ping},
            "/version": {b"GET": lambda request: request.respond(200, self._mlflow_version)},
            "/metrics": {b"GET": self._metrics},
            "/invocations": {b"POST": self._single_deployment},
            "/v1/feedback": {b"POST": self._feedback.single},
            "/v1/feedback:batch": {b"POST": self._feedback.batch},
            "/v2": {b"GET": lambda request: request.respond(200, server_metadata(self._version))},
            "/v2/health/live": {b"GET": lambda request: request.respond(200, b'{"live":true}')},
            "/v2/health/ready": {b"GET": self._models.server_ready},
            "/v2/models": {b"GET": self._models.model_names},
        }

    def handle(self, request: Request) -> None:
        """Answer the request, now or later."""
        refusal = self._origin_refusal(request)
        if refusal is not None:
            request.respond(*refusal)
            return
        if not self._tokens.let_in(request):
            return
        path = request.path
        if path.startswith("/endpoints/") and path.endswith("/invocations"):
            self._scoring(request, path[11:-12])
        elif (handlers := self._fixed_paths.get(path if path == "/" else path.rstrip("/"))) is not None:
            self._by_method(request, handlers)
        elif path.startswith("/v2/"):
            self._oip(request, path[4:].strip("/").split("/"))
        elif path.startswith("/serving-endpoints/") and path.endswith("/invocations"):
            self._scoring(request, path[19:-12])
        elif path.startswith("/v1/models/"):
            self._v1(request, path[11:])
        else:
            request.respond(404, v1_error(f"nothing is served at {path[:200]!r}"))

    def _origin_refusal(self, request: Request) -> tuple[int, bytes] | None:
        """Return the status and body that refuse a request with a foreign Host or Origin; None to serve it."""
        headers = request.headers
        host, sender = headers.get(b"host"), headers.get(b"origin")
        refusal = origin_check.refusal(
            host.decode("latin-1") if host is not None else None,
            sender.decode("latin-1") if sender is not None else None,
            names=self._names,
            fetch_site=request.header(b"sec-fetch-site"),
            is_navigation=request.method == b"GET" and headers.get(b"sec-fetch-mode") == b"navigate",
        )
        if refusal is None:
            return None
        why = {
            "no_host": "the Host header is missing",
            "unknown_host": f"the host {request.header(b'host')!r} is not served here; see the setting allowed_hosts",
            "foreign_origin": f"requests from the origin {request.header(b'origin')!r} are not taken",
            "foreign_site": "requests from a page of another site are not taken",
        }
        return 400 if refusal == "no_host" else 403, v1_error(why[refusal])

    def _by_method(self, request: Request, handlers: dict[bytes, Handler]) -> None:
        method = b"GET" if request.method == b"HEAD" else request.method
        handler = handlers.get(method)
        if handler is not None:
            handler(request)
            return
        allowed = b", ".join([*handlers, b"HEAD"] if b"GET" in handlers else handlers)
        status = 204 if method == b"OPTIONS" else 405
        body = b"" if status == 204 else v1_error(f"the method is not one of {allowed.decode()}")
        request.respond(status, body, headers=((b"allow", allowed),))

    def _ping(self, request: Request) -> None:
        request.respond(200 if self._models.any_ready() else 404, b"\n")

    def _metrics(self, request: Request) -> None:
        if not self._tokens.may(request, "metrics"):
            return
        gauges = {
            "routing_generation": self._routing.desired.generation,
            "calls_waiting": sum(replica.waiting_count for replica in self._context.replicas.all()),
            "log_dropped_total": self._context.prediction_log.dropped_count,
        }
        body = metrics.text(self._context.counters, self._context.replicas.statuses(), gauges=gauges)
        request.respond(200, body, media_type=b"text/plain; version=0.0.4; charset=utf-8")

    def _single_deployment(self, request: Request) -> None:
        names = sorted(self._routing.routes)
        if len(names) == 1:
            self._scoring(request, names[0])
            return
        deployments = f"the deployments are {', '.join(names)}" if names else "there is no deployment"
        why = f"/invocations needs exactly one deployment, {deployments}; use /endpoints/NAME/invocations"
        refuse(request, SCORING_JSON, status=400, why=why)

    def _scoring(self, request: Request, deployment: str) -> None:
        route = self._routing.routes.get(deployment)
        if request.method != b"POST":
            self._by_method(request, {b"POST": self._single_deployment})
        elif route is None:
            names = ", ".join(sorted(self._routing.routes)) or "none"
            refuse(
                request,
                SCORING_JSON,
                status=404,
                why=f"no deployment named {deployment!r}; there are: {names}",
            )
        elif (kind := self._scoring_kind(request)) is not None:
            self._call(request, kind, route=route)

    def _scoring_kind(self, request: Request) -> int | None:
        content_type = request.header(b"content-type")
        if content_type == "application/json" or not content_type:
            return SCORING_JSON
        mime, *parameters = [part.strip() for part in content_type.split(";")]
        pairs = {
            name.strip().lower(): value.strip().strip('"').lower()
            for name, _, value in (pair.partition("=") for pair in parameters if pair)
        }
        if pairs.pop("charset", "utf-8") != "utf-8":
            why = "The scoring server only supports UTF-8"
        elif pairs:
            why = f"Unrecognized content type parameters: {', '.join(pairs)}."
        elif mime.lower() in _KINDS:
            return _KINDS[mime.lower()]
        else:
            why = f"This predictor only supports the following content types: {list(_KINDS)}. Got '{content_type}'."
        request.respond(415, why.encode(), media_type=TEXT)
        return None

    def _v1(self, request: Request, rest: str) -> None:
        deployment, colon, verb = rest.partition(":")
        route = self._routing.routes.get(deployment)
        if route is None:
            refuse(request, V1_JSON, status=404, why=f"no model named {deployment!r}")
        elif colon and verb != "predict":
            refuse(request, V1_JSON, status=404, why=f"the verb {verb!r} is not offered; predict is")
        elif colon:
            self._by_method(request, {b"POST": lambda request: self._call(request, V1_JSON, route=route)})
        else:
            self._by_method(request, {b"GET": lambda request: self._models.v1_status(request, route)})

    def _oip(self, request: Request, parts: list[str]) -> None:
        if len(parts) < 2 or parts[0] != "models":
            refuse(request, OIP_JSON, status=404, why=f"nothing is served at {request.path[:200]!r}")
            return
        name, rest = parts[1], parts[2:]
        route = self._routing.routes.get(name)
        if route is None:
            refuse(request, OIP_JSON, status=404, why=f"no model named {name!r}")
            return
        version = ""
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
            if self._context.replicas.by_version(name, version) is None:
                refuse(request, OIP_JSON, status=404, why=f"model {name!r} has no loaded version {version!r}")
                return
        if rest == ["infer"]:
            self._by_method(request, {b"POST": lambda request: self._infer(request, route, version=version)})
        elif rest in ([], ["ready"]):
            handler = self._models.ready if rest else self._models.metadata
            if rest or self._tokens.may(request, "predict", name):
                self._by_method(request, {b"GET": lambda request: handler(request, route, version=version)})
        else:
            refuse(request, OIP_JSON, status=404, why=f"nothing is served at {request.path[:200]!r}")

    def _infer(self, request: Request, route: Route, *, version: str) -> None:
        if HEAD_LENGTH not in request.headers:
            self._call(request, OIP_JSON, route=route, version=version)
        elif (head_length := call_options.head_length(request)) is not None:
            self._call(request, OIP_BINARY, route=route, version=version, head_length=head_length)
        else:
            why = f"Inference-Header-Content-Length: a whole number up to the {len(request.body)} bytes of the body"
            refuse(request, OIP_BINARY, status=400, why=why)

    def _call(self, request: Request, kind: int, *, route: Route, version: str = "", head_length: int = 0) -> None:
        if not self._tokens.may(request, "predict", route.deployment):
            return
        client_id, timeout = call_options.prediction_id(request), call_options.timeout_s(request)
        if client_id is None:
            refuse(
                request,
                kind,
                status=400,
                why="X-Prediction-Id: 1 to 128 printable ASCII characters, no spaces",
            )
            return
        if timeout is None:
            refuse(request, kind, status=400, why="X-Request-Timeout-Ms: a whole number from 1 to 600000")
            return
        prediction_id = client_id.decode() or new_prediction_id()
        key = call_options.assignment_key(request, kind, json_length=head_length) or prediction_id
        pinned = self._context.replicas.by_version(route.deployment, version) if version else None
        spec = CallSpec(
            request=request,
            kind=kind,
            route=route,
            revision=pinned.order.revision if pinned is not None else assign(key, route),
            prediction_id=prediction_id,
            key=key,
            timeout_s=timeout,
            pinned=pinned is not None,
            head_length=head_length,
        )
        Call(spec, self._context).start()
