"""Health and metadata of the deployments, in the V2 and V1 shapes."""

from __future__ import annotations

import json

from helicline.gateway.fleet.replica import Replica
from helicline.gateway.fleet.replicas import Replicas
from helicline.gateway.front.refusal import refuse
from helicline.gateway.front.request import Request
from helicline.gateway.routing_table import RoutingTable
from helicline.gateway.worker.frames import OIP_JSON
from helicline.protocol.oip.metadata import model_metadata
from helicline.records.deployment import Route


class ModelStatus:
    """Answers requests about the models that are loaded."""

    def __init__(self, routing: RoutingTable, replicas: Replicas) -> None:
        self._routing, self._replicas = routing, replicas

    def _stable_ready(self, route: Route) -> bool:
        replica = self._replicas.get(route.deployment, route.stable)
        return replica is not None and replica.connection is not None

    def any_ready(self) -> bool:
        """Return whether at least one deployment can answer."""
        return any(self._stable_ready(route) for route in self._routing.routes.values())

    def server_ready(self, request: Request) -> None:
        """Answer 200 when every deployment can answer (and there is one)."""
        ready = bool(self._routing.routes) and all(map(self._stable_ready, self._routing.routes.values()))
        body = json.dumps({"ready": ready, "live": True}).encode()
        request.respond(200 if ready else 503, body)

    def model_names(self, request: Request) -> None:
        """Answer the names of all models."""
        request.respond(200, json.dumps({"models": sorted(self._routing.routes)}).encode())

    def _replica(self, route: Route, version: str) -> Replica | None:
        if version:
            return self._replicas.by_version(route.deployment, version)
        return self._replicas.get(route.deployment, route.stable)

    def ready(self, request: Request, route: Route, *, version: str) -> None:
        """Answer whether the model (or that version) can answer."""
        replica = self._replica(route, version)
        is_ready = replica is not None and replica.connection is not None
        body = json.dumps({"name": route.deployment, "ready": is_ready}).encode()
        request.respond(200 if is_ready else 503, body)

    def metadata(self, request: Request, route: Route, *, version: str) -> None:
        """Answer the model's versions and its tensors."""
        replica = self._replica(route, version)
        if replica is None or not replica.was_ready:
            refuse(request, OIP_JSON, status=503, why=f"model {route.deployment!r} is not ready")
            return
        versions = {
            str(replica.order.model_version)
            for replica in self._replicas.of_deployment(route.deployment)
            if replica.connection is not None
        }
        request.respond(200, model_metadata(route.deployment, sorted(versions), signature=replica.signature))

    def v1_status(self, request: Request, route: Route) -> None:
        """Answer the V1 status of a model."""
        replica = self._replica(route, "")
        is_ready = replica is not None and replica.connection is not None
        version = str(replica.order.model_version) if replica is not None else ""
        status = {
            "version": version,
            "state": "AVAILABLE" if is_ready else "LOADING",
            "status": {"error_code": "OK", "error_message": ""},
        }
        body = {"name": route.deployment, "ready": is_ready, "model_version_status": [status]}
        request.respond(200 if is_ready else 503, json.dumps(body).encode())
