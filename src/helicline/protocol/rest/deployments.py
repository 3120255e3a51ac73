"""Deployments and rollouts over HTTP, and the endpoints of the gateway."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response, get, post, put

from helicline.access.signed_token import signer_of
from helicline.errors import Conflict, NotFound
from helicline.loop.evidence import rollout_estimate, rollout_evidence
from helicline.loop.evidence.rollout_estimate import RolloutEstimate
from helicline.outcome import report
from helicline.protocol.rest.edge import NO_CHANGE_RESPONSES, Done, Edge, Page, checked_limit
from helicline.protocol.rest.feed import Feed
from helicline.records.deployment import (
    Deployment,
    Desired,
    Observed,
    Prediction,
    Revision,
    Rollout,
    RolloutPlan,
    RolloutStep,
    Sighting,
    Stage,
    VariantCounts,
)
from helicline.registry import get_version
from helicline.serving import deployments, gateways, rollout
from helicline.serving.prediction_log import read as predictions
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

LOOK_AGAIN_S = 3.0
RECENT = 20  # rollouts and revisions of each deployment in a list


class DeploymentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment with its revisions, rollouts, counts and gateways."""

    deployment: Deployment
    revisions: list[Revision]
    rollout: Rollout | None
    stages: list[Stage]
    rollouts: list[Rollout]
    counts: list[VariantCounts]
    gateways: list[Sighting]


class RolloutReport(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout with its two revisions, and its report in Markdown."""

    rollout: Rollout
    stable: Revision | None
    candidate: Revision
    markdown: str


class DeployBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A model version to deploy, with a rollout plan or at once."""

    model: str
    number: int
    plan: RolloutPlan | None = None


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""


def details(tx: Reader, name: str = "") -> list[DeploymentDetail]:
    """Return every deployment with its newest revisions and those in use, or one with all of its revisions."""
    column = nouns.DEPLOYMENTS.table.c
    only = [column.name == name] if name else []
    rows = nouns.DEPLOYMENTS.select(tx, *only)
    rollouts = nouns.ROLLOUTS.newest(tx, RECENT, *only, of=nouns.DEPLOYMENTS, on={"deployment": "name"})
    revisions = {(name,): deployments.revisions(tx, name)} if name else _revisions(tx)
    sightings = gateways.sightings(tx)
    counts = gateways.counts_by_deployment(sightings)
    live = gateways.counts_by_deployment(gateways.live(tx))
    return [
        _detail(
            deployment,
            rollouts.get((deployment.name,), []),
            revisions=revisions.get((deployment.name,), []),
            counts=counts,
            live_counts=live.get(deployment.name, []),
            sightings=sightings[:3],
        )
        for deployment in rows
    ]


def _revisions(tx: Reader) -> dict[tuple[str, ...], list[Revision]]:
    """Return the newest revisions of each deployment, and what it keeps loaded however old."""
    groups = nouns.REVISIONS.newest(tx, RECENT, of=nouns.DEPLOYMENTS, on={"deployment": "name"})
    loaded = [row for pair in deployments.serving(tx) for row in (pair.stable, pair.previous) if row is not None]
    for revision in loaded:
        groups.setdefault((revision.deployment,), []).append(revision)
    return {
        key: sorted({row.number: row for row in rows}.values(), key=lambda row: row.number)
        for key, rows in groups.items()
    }


def _detail(
    deployment: Deployment,
    rollouts: list[Rollout],
    *,
    revisions: list[Revision],
    counts: dict[str, list[VariantCounts]],
    live_counts: list[VariantCounts],
    sightings: list[Sighting],
) -> DeploymentDetail:
    return DeploymentDetail(
        deployment=deployment,
        revisions=revisions,
        rollout=next((candidate for candidate in rollouts if candidate.state in deployments.ACTIVE), None),
        stages=rollout_evidence.stages_by(counts, rollouts[0]) if rollouts else [],
        rollouts=rollouts,
        counts=gateways.summed_counts(live_counts),
        gateways=sightings,
    )


def _detail_of(tx: Reader, name: str) -> DeploymentDetail:
    nouns.DEPLOYMENTS.get(tx, name)
    return details(tx, name)[0]


@get("/deployments", sync_to_thread=True)
def list_deployments(edge: Edge) -> Page[DeploymentDetail]:
    """Every deployment with its newest revisions and those in use, its traffic and its rollout."""
    return Page(edge.read(details))


@get("/deployments/{name:str}", sync_to_thread=True)
def get_deployment(edge: Edge, name: str) -> DeploymentDetail:
    """One deployment: revisions, the active rollout with its guards, counts as the gateway reports them."""
    return edge.read(lambda tx: _detail_of(tx, name))


@get("/deployments/{name:str}/rollouts/{number:int}", sync_to_thread=True)
def get_rollout(edge: Edge, name: str, number: int) -> RolloutReport:
    """One rollout with its two versions, what its outcomes said last, and all of it as a report in Markdown."""

    def view(tx: Reader) -> RolloutReport:
        shown = nouns.ROLLOUTS.find(tx, name, number)
        if shown is None:
            raise NotFound("rollout", f"{name}#{number}", f"See: hl rollout ls {name}")
        candidate = nouns.REVISIONS.get(tx, name, shown.candidate)
        stable = nouns.REVISIONS.get(tx, name, shown.stable) if shown.stable else None
        versions = [f"{row.model}/{row.model_version}" if row else "nothing" for row in (stable, candidate)]
        text = report.markdown(shown, stable=versions[0], candidate=versions[1])
        return RolloutReport(rollout=shown, stable=stable, candidate=candidate, markdown=text)

    return edge.read(view)


@get("/deployments/{name:str}/rollout-plan", sync_to_thread=True)
def plan_rollout(edge: Edge, name: str) -> RolloutEstimate:
    """How long the A/B test of the deployment's loop takes at the traffic of the last four weeks."""
    return rollout_estimate.estimated(edge.context, name)


@post("/deployments/{name:str}/rollouts", sync_to_thread=True)
def start_rollout(edge: Edge, name: str, data: DeployBody) -> Rollout:
    """Start a rollout of a version (at once if no plan is given); 409 while another rollout is active."""
    at_once = RolloutPlan(steps=(RolloutStep(weight_bp=10000, min_requests=0, min_s=0.0, max_s=0.0),))

    def unit(tx: Tx) -> Rollout:
        version = get_version(tx, data.model, data.number)
        deployment = deployments.ensure(tx, name, model=data.model)
        return rollout.start(tx, deployment, version, plan=data.plan or at_once)

    return edge.write(unit)


@post("/deployments/{name:str}/revisions/{number:int}/probe", sync_to_thread=True, status_code=200)
def probe_revision(edge: Edge, name: str, number: int) -> Revision:
    """Have a revision that failed or is quarantined loaded again."""
    return edge.write(lambda tx: deployments.probe(tx, name, number))


@post("/deployments/{name:str}/rollback", sync_to_thread=True, status_code=200)
def roll_back(edge: Edge, name: str, data: ReasonBody) -> DeploymentDetail:
    """Roll back the active rollout, or else return to the previous revision, which is still loaded."""

    def unit(tx: Tx) -> None:
        if nouns.DEPLOYMENTS.find(tx, name) is None:
            raise NotFound("deployment", name, "See: hl deploy ls")
        if deployments.active_rollout(tx, name) is not None:
            rollout.roll_back(tx, name, reason=data.reason)
        else:
            deployments.flip_back(tx, name, reason=data.reason)

    edge.write(unit)
    return edge.read(lambda tx: _detail_of(tx, name))


@post("/deployments/{name:str}/promote", sync_to_thread=True, status_code=200)
def promote(edge: Edge, name: str, data: ReasonBody) -> Rollout:
    """Give the candidate all traffic now."""
    return edge.write(lambda tx: rollout.promote(tx, name, reason=data.reason))


@post("/deployments/{name:str}/advance", sync_to_thread=True, status_code=200)
def advance(edge: Edge, name: str, data: ReasonBody) -> Rollout:
    """Go to the next step of the rollout now."""
    return edge.write(lambda tx: rollout.skip_step(tx, name, reason=data.reason))


@post("/deployments/{name:str}/hold", sync_to_thread=True, status_code=200)
def hold(edge: Edge, name: str) -> Rollout:
    """Keep the weights as they are; guards can still roll back."""
    return edge.write(lambda tx: rollout.hold(tx, name))


@post("/deployments/{name:str}/resume", sync_to_thread=True, status_code=200)
def resume(edge: Edge, name: str) -> Rollout:
    """Continue a held rollout."""
    return edge.write(lambda tx: rollout.resume(tx, name))


@get("/deployments/{name:str}/predictions", sync_to_thread=True)
def list_predictions(edge: Edge, name: str, limit: int = 50) -> Page[Prediction]:
    """The newest logged predictions."""
    edge.read(lambda tx: nouns.DEPLOYMENTS.get(tx, name))
    return Page(predictions.recent(edge.context.home, name, checked_limit(limit)))


@get("/gateway/desired", responses=NO_CHANGE_RESPONSES)
async def get_desired(edge: Edge, feed: Feed, after: int = -1, wait_s: float = 20.0) -> Response[Desired | None]:
    """The desired state of gateways once its generation is after `after`; 204 when nothing changed within `wait_s`."""
    end = asyncio.get_running_loop().time() + min(max(wait_s, 0.0), 30.0)
    while True:
        seq = feed.seq
        state = await asyncio.to_thread(edge.read, lambda tx: _desired_after(tx, after))
        if state is not None:
            token_key = await asyncio.to_thread(lambda: signer_of(edge.context.settings).public_key)
            return Response(msgspec.structs.replace(state, token_key=token_key))
        remaining_s = end - asyncio.get_running_loop().time()
        if remaining_s <= 0:
            return Response(None, status_code=204)
        # a change by another server is no event here, and a revoked token must reach gateways within 5 s
        await feed.wait(seq, min(remaining_s, LOOK_AGAIN_S), nouns=("routing",))
        if feed.closed:
            return Response(None, status_code=204)


def _desired_after(tx: Reader, after: int) -> Desired | None:
    """Return the desired state, or None where the gateway has it: a look that finds no change costs one statement."""
    return deployments.desired(tx) if deployments.generation(tx) > after else None


@put("/gateway/observed", sync_to_thread=True, status_code=200)
def put_observed(edge: Edge, data: Observed) -> Done:
    """Record what a gateway reports of its revisions and counts."""
    try:
        edge.write(lambda tx: deployments.observe(tx, data))
    except Conflict:
        edge.write(lambda tx: deployments.observe(tx, data))  # two reports met; the second attempt reads the first
    return Done()


ROUTES = [
    list_deployments,
    get_deployment,
    get_rollout,
    plan_rollout,
    start_rollout,
    roll_back,
    probe_revision,
    promote,
    advance,
    hold,
    resume,
    list_predictions,
    get_desired,
    put_observed,
]
