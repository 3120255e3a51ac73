"""Deployments, revisions, and the desired state of gateways."""

from __future__ import annotations

import msgspec

from helicline import bus
from helicline.access.tokens import revoked_scoped
from helicline.errors import Conflict, NotFound, Refused
from helicline.ids import checked_name
from helicline.records.deployment import (
    Deployment,
    Desired,
    Observed,
    Revision,
    RevisionSpec,
    RevisionState,
    RevisionStatus,
    Rollout,
    Route,
    Routing,
    Sighting,
    Variant,
)
from helicline.records.gate import GateReport
from helicline.records.model import ModelVersion
from helicline.registry import point, served_digest
from helicline.serving import gateways
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

ACTIVE = ("PREPARING", "PROGRESSING", "PAUSED", "PROMOTING", "ROLLING_BACK")
LIVE = ("PROGRESSING", "PAUSED")
DOWN = ("FAILED", "QUARANTINED")


def ensure(tx: Tx, name: str, *, model: str) -> Deployment:
    """Return the deployment, created if it does not exist. Raises Conflict where it serves another model."""
    deployment = nouns.DEPLOYMENTS.find(tx, checked_name("deployment", name))
    if deployment is None:
        bus.emit(tx, "created", "deployment", name, model=model)
        created = Deployment(name=name, model=model, created_at=tx.now, updated_at=tx.now)
        nouns.DEPLOYMENTS.insert_new(tx, [created])
        return created
    if deployment.model != model:
        raise Conflict("deployment", name, f"serves {deployment.model}, not {model}")
    return deployment


def add_revision(tx: Tx, deployment: str, version: ModelVersion) -> Revision:
    """Return the newest revision of that model version, created if none can serve."""
    existing = revisions(tx, deployment)
    for revision in reversed(existing):
        if revision.digest == version.digest and revision.model_version == version.number:
            return _revived(tx, revision)
    revision = Revision(
        deployment=deployment,
        number=len(existing) + 1,
        model=version.model,
        model_version=version.number,
        digest=served_digest(tx, version),
        created_at=tx.now,
    )
    bus.emit(tx, "created", "revision", revision.id, model_version=version.id, digest=version.digest)
    return nouns.REVISIONS.insert(tx, revision)


def _revived(tx: Tx, revision: Revision) -> Revision:
    if revision.state in ("READY", "LOADING", "PENDING"):
        return revision
    return nouns.REVISIONS.swap(tx, msgspec.structs.replace(revision, state="PENDING", reason=""))


def probe(tx: Tx, deployment: str, number: int) -> Revision:
    """Have a revision loaded again that failed or is quarantined; one that is on its way stays as it is."""
    revision = nouns.REVISIONS.get(tx, deployment, number)
    if revision.state not in DOWN:
        return revision
    changed = msgspec.structs.replace(revision, state="PENDING", reason="", probes=revision.probes + 1)
    revision = nouns.REVISIONS.swap(tx, changed)
    bus.emit(tx, "probed", "revision", revision.id)
    reroute(tx, f"{revision.id} is probed again")
    return revision


def revisions(tx: Reader, deployment: str) -> list[Revision]:
    return nouns.REVISIONS.select(tx, nouns.REVISIONS.table.c.deployment == deployment)


def active_rollout(tx: Reader, deployment: str) -> Rollout | None:
    """Return the deployment's active rollout, of which there is at most one, or None."""
    column = nouns.ROLLOUTS.table.c
    rollouts = nouns.ROLLOUTS.select(tx, column.deployment == deployment, column.state.in_(ACTIVE))
    return rollouts[0] if rollouts else None


def active_rollouts(tx: Reader) -> dict[str, Rollout]:
    """Return the active rollouts of all deployments, by deployment."""
    rollouts = nouns.ROLLOUTS.select(tx, nouns.ROLLOUTS.table.c.state.in_(ACTIVE))
    return {rollout.deployment: rollout for rollout in rollouts}


class Serving(msgspec.Struct, frozen=True):
    """A deployment with its stable and its previous revision; None where it has none, or the revision is gone."""

    deployment: Deployment
    stable: Revision | None
    previous: Revision | None

    @property
    def is_down(self) -> bool:
        """Whether stable cannot answer, and nothing brings it back at once."""
        return self.stable is not None and self.stable.state in DOWN

    @property
    def fallback(self) -> Revision | None:
        """The previous revision where it is loaded: it answers while stable cannot."""
        return self.previous if self.previous is not None and self.previous.state == "READY" else None

    @property
    def why_down(self) -> str:
        """What a person reads of a stable revision that is down."""
        if self.stable is None:
            return f"{self.deployment.name} serves a revision that is gone"
        answers = "its calls are refused until it is back"
        if self.fallback is not None:
            answers = f"{self.fallback.id} answers until it is back"
        return f"{self.stable.id} serves and is {self.stable.state}, {answers}: {self.stable.reason}"


def serving(tx: Reader, *, model: str = "", name: str = "") -> list[Serving]:
    """Return what serves in each deployment, in each of one model, or in the one of that name."""
    column = nouns.DEPLOYMENTS.table.c
    only = [*([column.model == model] if model else []), *([column.name == name] if name else [])]
    deployments = nouns.DEPLOYMENTS.select(tx, *only)
    by_key = nouns.REVISIONS.find_many(
        tx, [(row.name, number) for row in deployments for number in (row.stable, row.previous) if number]
    )
    return [
        Serving(row, stable=by_key.get((row.name, row.stable)), previous=by_key.get((row.name, row.previous)))
        for row in deployments
    ]


def generation(tx: Reader) -> int:
    routing = nouns.ROUTING.find(tx, "routing")
    return routing.generation if routing else 0


def reroute(tx: Tx, why: str) -> int:
    """Increment the generation, so that waiting gateways get the new state after this commit."""
    routing = nouns.ROUTING.find(tx, "routing")
    if routing is None:
        routing = nouns.ROUTING.insert(tx, Routing(generation=1))
    else:
        routing = nouns.ROUTING.swap(tx, msgspec.structs.replace(routing, generation=routing.generation + 1))
    bus.emit(tx, "changed", "routing", str(routing.generation), why=why)
    return routing.generation


def desired(tx: Reader) -> Desired:
    """Return the desired state of gateways, derived from deployments and rollouts only."""
    deployments, rollouts = nouns.DEPLOYMENTS.select(tx), active_rollouts(tx)
    numbers = [
        (deployment.name, number)
        for deployment in deployments
        for number in _loaded(deployment, rollouts.get(deployment.name))
    ]
    by_key = nouns.REVISIONS.find_many(tx, numbers)
    if missing := [key for key in numbers if key not in by_key]:
        raise NotFound("revision", nouns.REVISIONS.label(missing[0]))
    revisions = [by_key[key] for key in numbers]
    reports = nouns.REPORTS.find_many(tx, [(revision.model, revision.model_version) for revision in revisions])
    return Desired(
        generation=generation(tx),
        orders=tuple(_order(row, reports.get((row.model, row.model_version))) for row in revisions),
        routes=tuple(_route(row, rollouts.get(row.name)) for row in deployments if row.stable),
        revoked_tokens=revoked_scoped(tx),
    )


def _loaded(deployment: Deployment, rollout: Rollout | None) -> list[int]:
    """Return the numbers of the revisions that gateways keep loaded."""
    candidate = rollout.candidate if rollout is not None else 0
    return list(dict.fromkeys(number for number in (deployment.stable, deployment.previous, candidate) if number))


def _order(revision: Revision, report: GateReport | None) -> RevisionSpec:
    return RevisionSpec(
        deployment=revision.deployment,
        revision=revision.number,
        model=revision.model,
        model_version=revision.model_version,
        digest=revision.digest,
        archive_path=f"/api/v1/models/{revision.model}/versions/{revision.model_version}/archive",
        centres=report.evidence.centres if report else {},
        probes=revision.probes,
    )


def _route(deployment: Deployment, rollout: Rollout | None) -> Route:
    variants = (Variant(revision=deployment.stable, weight_bp=10000),)
    if rollout is None or rollout.state not in LIVE or not rollout.steps:
        return Route(
            deployment=deployment.name,
            generation=deployment.version,
            stable=deployment.stable,
            variants=variants,
            previous=deployment.previous,
        )
    weight = rollout.steps[-1].weight_bp
    slow = [guard.limit for guard in rollout.plan.guards if guard.kind == "latency"]
    return Route(
        deployment=deployment.name,
        generation=deployment.version,
        stable=deployment.stable,
        variants=(
            Variant(revision=deployment.stable, weight_bp=10000 - weight),
            Variant(revision=rollout.candidate, weight_bp=weight),
        ),
        previous=deployment.previous,
        salt=rollout.id,
        rollout=rollout.number,
        stage=rollout.step + 1,
        slow_ms=slow[0] if slow else 0.0,
    )


def observe(tx: Tx, observed: Observed) -> None:
    """Store a gateway's report, and update the states of its revisions by what all gateways report."""
    sighting = Sighting(gateway=observed.gateway, session=observed.session, seen_at=tx.now, observed=observed)
    nouns.SIGHTINGS.put(tx, sighting)
    reports = gateways.live(tx)
    for reported in observed.revisions:
        revision = nouns.REVISIONS.find(tx, reported.deployment, reported.revision)
        status = gateways.combined_status(reports, reported.deployment, reported.revision)
        if revision is not None and status is not None and _differs(revision, status):
            _note_state(tx, revision, state=status.state, reason=status.reason, pid=status.pid)


def _differs(revision: Revision, status: RevisionStatus) -> bool:
    return (revision.state, revision.reason) != (status.state, status.reason)


def _note_state(tx: Tx, revision: Revision, *, state: RevisionState, reason: str, pid: int) -> None:
    ready_at = revision.ready_at or (tx.now if state == "READY" else None)
    changed = msgspec.structs.replace(revision, state=state, reason=reason, pid=pid, ready_at=ready_at)
    nouns.REVISIONS.swap(tx, changed)
    bus.emit(tx, state.lower(), "revision", revision.id, reason=reason[:500])


def set_stable(tx: Tx, deployment: Deployment, number: int, *, why: str) -> Deployment:
    """Send all traffic to a revision, keep the old one loaded, and move the aliases `champion` and `previous`."""
    revision = nouns.REVISIONS.get(tx, deployment.name, number)
    changed = nouns.DEPLOYMENTS.swap(
        tx, msgspec.structs.replace(deployment, stable=number, previous=deployment.stable, updated_at=tx.now)
    )
    if deployment.stable:
        old = nouns.REVISIONS.get(tx, deployment.name, deployment.stable)
        if old.model_version != revision.model_version:
            point(tx, old.model, "previous", old.model_version)
    point(tx, revision.model, "champion", revision.model_version)
    bus.emit(tx, "switched", "deployment", deployment.name, stable=number, previous=deployment.stable, why=why)
    reroute(tx, f"{deployment.name}: {why}")
    return changed


def flip_back(tx: Tx, name: str, *, reason: str) -> Deployment:
    """Send all traffic back to the previous revision, which is still loaded.

    Raises:
        NotFound: no such deployment. Refused: there is no previous revision, or it is not ready.
    """
    deployment = nouns.DEPLOYMENTS.find(tx, name)
    if deployment is None:
        raise NotFound("deployment", name, "See: hl deploy ls")
    if not deployment.previous:
        raise Refused(f"roll back {name}", "it has served one revision only", "Deploy another version first.")
    previous = nouns.REVISIONS.get(tx, name, deployment.previous)
    if previous.state != "READY":
        hint = f"Roll out another version, or wait until it is ready: hl deploy show {name}"
        raise Refused(f"roll back {name}", f"revision {previous.number} is {previous.state}, not READY", hint)
    return set_stable(tx, deployment, previous.number, why=reason or "rolled back by hand")
