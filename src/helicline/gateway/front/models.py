"""Health and metadata of the deployments, in the V2 and V1 shapes."""

from __future__ import annotations

import json

from helicline.gateway.fleet.replica import Replica
from helicline.gateway.fleet.roster import Roster
from helicline.gateway.front import wire
from helicline.gateway.front.exchange import Exchange
from helicline.gateway.routing import Routing
from helicline.gateway.worker.frames import OIP_JSON
from helicline.protocol.oip.metadata import model_metadata
from helicline.records.deployment import Route


class Models:
    """Answers questions about what is loaded."""

    def __init__(self, routing: Routing, roster: Roster) -> None:
        self._routing, self._roster = routing, roster

    def _stable_ready(self, route: Route) -> bool:
        replica = self._roster.get(route.deployment, route.stable)
        return replica is not None and replica.link is not None

    def any_ready(self) -> bool:
        """Return whether at least one deployment can answer."""
        return any(self._stable_ready(route) for route in self._routing.routes.values())

    def server_ready(self, exchange: Exchange) -> None:
        """Answer 200 when every deployment can answer (and there is one)."""
        ready = bool(self._routing.routes) and all(map(self._stable_ready, self._routing.routes.values()))
        body = json.dumps({"ready": ready, "live": True}).encode()
        exchange.answer(200 if ready else 503, body)

    def listed(self, exchange: Exchange) -> None:
        """Answer the names of all models."""
        exchange.answer(200, json.dumps({"models": sorted(self._routing.routes)}).encode())

    def _replica(self, route: Route, version: str) -> Replica | None:
        if version:
            return self._roster.by_version(route.deployment, version)
        return self._roster.get(route.deployment, route.stable)

    def ready(self, exchange: Exchange, route: Route, *, version: str) -> None:
        """Answer whether the model (or that version) can answer."""
        replica = self._replica(route, version)
        is_ready = replica is not None and replica.link is not None
        body = json.dumps({"name": route.deployment, "ready": is_ready}).encode()
        exchange.answer(200 if is_ready else 503, body)

    def metadata(self, exchange: Exchange, route: Route, *, version: str) -> None:
        """Answer the model's versions and its tensors."""
        replica = self._replica(route, version)
        if replica is None or not replica.was_ready:
            wire.refuse(exchange, OIP_JSON, status=503, why=f"model {route.deployment!r} is not ready")
            return
        loaded = [str(r.order.model_version) for r in self._roster.of(route.deployment) if r.link is not None]
        exchange.answer(200, model_metadata(route.deployment, sorted(set(loaded)), signature=replica.signature))

    def v1_status(self, exchange: Exchange, route: Route) -> None:
        """Answer the V1 status of a model."""
        replica = self._replica(route, "")
        is_ready = replica is not None and replica.link is not None
        version = str(replica.order.model_version) if replica is not None else ""
        status = {
            "version": version,
            "state": "AVAILABLE" if is_ready else "LOADING",
            "status": {"error_code": "OK", "error_message": ""},
        }
        body = {"name": route.deployment, "ready": is_ready, "model_version_status": [status]}
        exchange.answer(200 if is_ready else 503, json.dumps(body).encode())
