"""Which path means what: prediction calls in three protocols, health, metadata, feedback and metrics."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

from helicline.gateway import metrics
from helicline.gateway.front import wire
from helicline.gateway.front.calls import Call, Desk, Order
from helicline.gateway.front.exchange import TEXT, Exchange
from helicline.gateway.front.feedback import Feedback
from helicline.gateway.front.models import Models
from helicline.gateway.front.origin import Doorman
from helicline.gateway.routing import Routing
from helicline.gateway.worker.frames import OIP_JSON, SCORING_CSV, SCORING_JSON, SCORING_PARQUET, V1_JSON
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
_PROTOCOL = "3.17.2"
Handler = Callable[[Exchange], None]


def _version(package: str, otherwise: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return otherwise


class Front:
    """Takes every exchange to whoever answers it."""

    def __init__(self, routing: Routing, desk: Desk, *, doorman: Doorman) -> None:
        self._routing, self._desk, self._doorman = routing, desk, doorman
        self._models = Models(routing, desk.roster)
        self._feedback = Feedback(routing, desk.journal)
        self._version = _version("helicline", "0")
        self._mlflow = _version("mlflow", _PROTOCOL).encode()
        self._plain: dict[str, dict[bytes, Handler]] = {
            "/ping": {b"GET": self._ping},
            "/health": {b"GET": self._ping},
            "/version": {b"GET": lambda exchange: exchange.answer(200, self._mlflow)},
            "/metrics": {b"GET": self._metrics},
            "/invocations": {b"POST": self._only},
            "/v1/feedback": {b"POST": self._feedback.one},
            "/v1/feedback:batch": {b"POST": self._feedback.batch},
            "/v2": {b"GET": lambda exchange: exchange.answer(200, server_metadata(self._version))},
            "/v2/health/live": {b"GET": lambda exchange: exchange.answer(200, b'{"live":true}')},
            "/v2/health/ready": {b"GET": self._models.server_ready},
            "/v2/models": {b"GET": self._models.listed},
        }

    def handle(self, exchange: Exchange) -> None:
        """Answer the exchange, now or later."""
        refused = self._doorman.refusal(exchange.headers.get(b"host"), exchange.headers.get(b"origin"))
        if refused is not None:
            exchange.answer(refused[0], v1_error(refused[1]))
            return
        path = exchange.path
        if path.startswith("/endpoints/") and path.endswith("/invocations"):
            self._scoring(exchange, path[11:-12])
        elif (table := self._plain.get(path if path == "/" else path.rstrip("/"))) is not None:
            self._by_method(exchange, table)
        elif path.startswith("/v2/"):
            self._oip(exchange, path[4:].strip("/").split("/"))
        elif path.startswith("/serving-endpoints/") and path.endswith("/invocations"):
            self._scoring(exchange, path[19:-12])
        elif path.startswith("/v1/models/"):
            self._v1(exchange, path[11:])
        else:
            exchange.answer(404, v1_error(f"nothing is served at {path[:200]!r}"))

    def _by_method(self, exchange: Exchange, table: dict[bytes, Handler]) -> None:
        method = b"GET" if exchange.method == b"HEAD" else exchange.method
        handler = table.get(method)
        if handler is not None:
            handler(exchange)
            return
        allowed = b", ".join([*table, b"HEAD"] if b"GET" in table else table)
        status = 204 if method == b"OPTIONS" else 405
        body = b"" if status == 204 else v1_error(f"the method is not one of {allowed.decode()}")
        exchange.answer(status, body, headers=((b"allow", allowed),))

    def _ping(self, exchange: Exchange) -> None:
        exchange.answer(200 if self._models.any_ready() else 404, b"\n")

    def _metrics(self, exchange: Exchange) -> None:
        gauges = {
            "routing_generation": self._routing.desired.generation,
            "log_dropped_total": self._desk.journal.dropped_count,
        }
        body = metrics.text(self._desk.counts, self._desk.roster.statuses(), gauges=gauges)
        exchange.answer(200, body, kind=b"text/plain; version=0.0.4; charset=utf-8")

    def _only(self, exchange: Exchange) -> None:
        names = sorted(self._routing.routes)
        if len(names) == 1:
            self._scoring(exchange, names[0])
            return
        which = f"the deployments are {', '.join(names)}" if names else "there is no deployment"
        why = f"/invocations needs exactly one deployment, {which}; use /endpoints/NAME/invocations"
        wire.refuse(exchange, SCORING_JSON, status=400, why=why)

    def _scoring(self, exchange: Exchange, deployment: str) -> None:
        route = self._routing.routes.get(deployment)
        if exchange.method != b"POST":
            self._by_method(exchange, {b"POST": self._only})
        elif route is None:
            known = ", ".join(sorted(self._routing.routes)) or "none"
            wire.refuse(
                exchange,
                SCORING_JSON,
                status=404,
                why=f"no deployment named {deployment!r}; there are: {known}",
            )
        elif (kind := self._scoring_kind(exchange)) is not None:
            self._call(exchange, kind, route=route)

    def _scoring_kind(self, exchange: Exchange) -> int | None:
        given = exchange.header(b"content-type")
        if given == "application/json" or not given:
            return SCORING_JSON
        mime, *parameters = [part.strip() for part in given.split(";")]
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
            why = f"This predictor only supports the following content types: {list(_KINDS)}. Got '{given}'."
        exchange.answer(415, why.encode(), kind=TEXT)
        return None

    def _v1(self, exchange: Exchange, rest: str) -> None:
        deployment, colon, verb = rest.partition(":")
        route = self._routing.routes.get(deployment)
        if route is None:
            wire.refuse(exchange, V1_JSON, status=404, why=f"no model named {deployment!r}")
        elif colon and verb != "predict":
            wire.refuse(exchange, V1_JSON, status=404, why=f"the verb {verb!r} is not offered; predict is")
        elif colon:
            self._by_method(exchange, {b"POST": lambda e: self._call(e, V1_JSON, route=route)})
        else:
            self._by_method(exchange, {b"GET": lambda e: self._models.v1_status(e, route)})

    def _oip(self, exchange: Exchange, parts: list[str]) -> None:
        if len(parts) < 2 or parts[0] != "models":
            wire.refuse(exchange, OIP_JSON, status=404, why=f"nothing is served at {exchange.path[:200]!r}")
            return
        name, rest = parts[1], parts[2:]
        route = self._routing.routes.get(name)
        if route is None:
            wire.refuse(exchange, OIP_JSON, status=404, why=f"no model named {name!r}")
            return
        version = ""
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
            if self._desk.roster.by_version(name, version) is None:
                wire.refuse(exchange, OIP_JSON, status=404, why=f"model {name!r} has no loaded version {version!r}")
                return
        if rest == ["infer"]:
            self._by_method(exchange, {b"POST": lambda e: self._call(e, OIP_JSON, route=route, version=version)})
        elif rest in ([], ["ready"]):
            answer = self._models.ready if rest else self._models.metadata
            self._by_method(exchange, {b"GET": lambda e: answer(e, route, version=version)})
        else:
            wire.refuse(exchange, OIP_JSON, status=404, why=f"nothing is served at {exchange.path[:200]!r}")

    def _call(self, exchange: Exchange, kind: int, *, route: Route, version: str = "") -> None:
        given, timeout = wire.chosen_id(exchange), wire.timeout_s(exchange)
        if given is None:
            wire.refuse(
                exchange,
                kind,
                status=400,
                why="X-Prediction-Id: 1 to 128 printable ASCII characters, no spaces",
            )
            return
        if timeout is None:
            wire.refuse(exchange, kind, status=400, why="X-Request-Timeout-Ms: a whole number from 1 to 600000")
            return
        prediction_id = given.decode() or new_prediction_id()
        key = wire.assignment_key(exchange, kind) or prediction_id
        pinned = self._desk.roster.by_version(route.deployment, version) if version else None
        order = Order(
            exchange=exchange,
            kind=kind,
            route=route,
            revision=pinned.order.revision if pinned is not None else assign(key, route),
            prediction_id=prediction_id,
            key=key,
            timeout_s=timeout,
            pinned=pinned is not None,
        )
        Call(order, self._desk).start()
