"""All revisions loaded here, kept as the server orders."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from helicline.gateway.fleet.replica import Replica, Surroundings
from helicline.records.deployment import RevisionSpec, RevisionStatus

Key = tuple[str, int]


class Roster:
    """Replicas by (deployment, revision); those that leave the orders are drained, then stopped."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._replicas: dict[Key, Replica] = {}
        self._leaving: dict[Key, asyncio.Task[None]] = {}
        self._stopped: dict[Key, RevisionStatus] = {}

    def follow(self, orders: Iterable[RevisionSpec]) -> None:
        """Start what is newly ordered, stop what is not ordered any more."""
        wanted = {(order.deployment, order.revision): order for order in orders}
        for key in [key for key, replica in self._replicas.items() if replica.order != wanted.get(key)]:
            self._leaving[key] = asyncio.create_task(self._leave(key, self._replicas.pop(key)))
        self._stopped = {key: status for key, status in self._stopped.items() if key not in wanted}
        for key, order in wanted.items():
            if key not in self._replicas:
                self._replicas[key] = Replica(order, self._around)

    async def _leave(self, key: Key, replica: Replica) -> None:
        await replica.stop()
        self._leaving.pop(key, None)
        if key not in self._replicas:
            self._stopped[key] = replica.status
        self._around.changed()

    def get(self, deployment: str, revision: int) -> Replica | None:
        """Return the replica, ready or not."""
        return self._replicas.get((deployment, revision))

    def by_version(self, deployment: str, version: str) -> Replica | None:
        """Return the newest loaded revision of that model version."""
        found = [r for r in self.of(deployment) if str(r.order.model_version) == version]
        return max(found, key=lambda replica: (replica.link is not None, replica.order.revision), default=None)

    def of(self, deployment: str) -> list[Replica]:
        """Return the replicas of one deployment."""
        return [replica for key, replica in self._replicas.items() if key[0] == deployment]

    def each(self) -> list[Replica]:
        """Return all replicas that are ordered now."""
        return list(self._replicas.values())

    def statuses(self) -> tuple[RevisionStatus, ...]:
        """Return the state of every revision, those that were stopped included."""
        return tuple(replica.status for replica in self._replicas.values()) + tuple(self._stopped.values())

    async def stop(self) -> None:
        """Stop every worker."""
        self.follow(())
        await asyncio.gather(*self._leaving.values())
