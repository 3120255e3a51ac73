"""All revisions that are loaded here; they follow the orders of the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from helicline.gateway.fleet.replica import Replica, ReplicaContext
from helicline.records.deployment import RevisionSpec, RevisionStatus

Key = tuple[str, int]


class Replicas:
    """Replicas by (deployment, revision); one that is no longer ordered finishes its calls and is stopped."""

    def __init__(self, context: ReplicaContext) -> None:
        self._context = context
        self._replicas: dict[Key, Replica] = {}
        self._stopping: dict[Key, asyncio.Task[None]] = {}
        self._stopped: dict[Key, RevisionStatus] = {}

    def follow(self, orders: Iterable[RevisionSpec]) -> None:
        """Start what is newly ordered, stop what is not ordered any more."""
        ordered = {(order.deployment, order.revision): order for order in orders}
        for key in [key for key, replica in self._replicas.items() if self._is_outdated(replica, ordered.get(key))]:
            self._stopping[key] = asyncio.create_task(self._stop(key, self._replicas.pop(key)))
        self._stopped = {key: status for key, status in self._stopped.items() if key not in ordered}
        for key, order in ordered.items():
            if key not in self._replicas:
                self._replicas[key] = Replica(order, self._context)

    def _is_outdated(self, replica: Replica, order: RevisionSpec | None) -> bool:
        """Return whether it is ordered otherwise or not at all, or gave up and is to answer calls now."""
        return replica.order != order or (replica.gave_up and self._context.serves(order))

    async def _stop(self, key: Key, replica: Replica) -> None:
        await replica.stop()
        self._stopping.pop(key, None)
        if key not in self._replicas:
            self._stopped[key] = replica.status
        self._context.changed()

    def get(self, deployment: str, revision: int) -> Replica | None:
        """Return the replica, ready or not."""
        return self._replicas.get((deployment, revision))

    def by_version(self, deployment: str, version: str) -> Replica | None:
        """Return the newest revision of that model version, a ready one if there is any."""
        matching = [
            replica for replica in self.of_deployment(deployment) if str(replica.order.model_version) == version
        ]
        return max(matching, key=lambda replica: (replica.connection is not None, replica.order.revision), default=None)

    def of_deployment(self, deployment: str) -> list[Replica]:
        """Return the replicas of one deployment."""
        return [replica for key, replica in self._replicas.items() if key[0] == deployment]

    def all(self) -> list[Replica]:
        """Return all replicas that are ordered now."""
        return list(self._replicas.values())

    def tick(self, now: float) -> None:
        """End the calls whose time is up, and replace workers that hang."""
        for replica in self.all():
            replica.tick(now)

    def statuses(self) -> tuple[RevisionStatus, ...]:
        """Return the state of every revision, those that were stopped included."""
        return tuple(replica.status for replica in self._replicas.values()) + tuple(self._stopped.values())

    async def stop(self) -> None:
        """Stop every worker."""
        self.follow(())
        await asyncio.gather(*self._stopping.values())
