"""How long a loop's A/B test will take: its plan, and the units that the deployment served of late."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from helicline.errors import Invalid, NotFound
from helicline.loop import loops
from helicline.loop.context import Context
from helicline.loop.evidence.sealed import sealed_until
from helicline.outcome import planner
from helicline.outcome.planner import PlanEstimate
from helicline.outcome.units import Span, count
from helicline.records.deployment import Deployment, RolloutPlan
from helicline.records.outcome import OutcomeSpec, Sample
from helicline.store import nouns
from helicline.store.unit import Reader

LOOK_BACK = timedelta(days=28)


class RolloutEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate for each outcome, the one that decides first, and a sentence about each."""

    deployment: str
    estimates: tuple[PlanEstimate, ...]
    sentences: tuple[str, ...]


def estimated(context: Context, name: str) -> RolloutEstimate:
    """Return how long the A/B test of a deployment's loop takes.

    Raises:
        NotFound: there is no such deployment, or no loop feeds it.
        Invalid: the loop's rollout is no A/B test.
    """
    deployment, plan = context.store.read(lambda tx: _plan_of(tx, name))
    specs = sorted(plan.outcomes, key=lambda spec: spec.name != plan.outcome)
    estimates = tuple(_estimate(context, deployment, plan=plan, spec=spec) for spec in specs)
    return RolloutEstimate(
        deployment=name,
        estimates=estimates,
        sentences=tuple(planner.sentence(each_estimate, plan) for each_estimate in estimates),
    )


def _plan_of(tx: Reader, name: str) -> tuple[Deployment, RolloutPlan]:
    loop = loops.of_deployment(tx, name)
    deployment = nouns.DEPLOYMENTS.find(tx, name)
    if deployment is None:
        raise NotFound("deployment", name, "The first turn of a loop makes one. See: hl deploy ls")
    if loop is None:
        raise NotFound("loop", name, f"No loop feeds the deployment {name}. See: hl loop ls")
    if not loop.spec.rollout.outcome:
        raise Invalid(f"rollout of loop {loop.name}", "no A/B test", 'rollout=hl.ab(50, outcome="conversion", ...)')
    return deployment, loop.spec.rollout


def _estimate(context: Context, deployment: Deployment, *, plan: RolloutPlan, spec: OutcomeSpec) -> PlanEstimate:
    now = context.store.clock.now()
    since = max(now - LOOK_BACK, deployment.updated_at)
    span = Span(
        deployment=deployment.name,
        revision=deployment.stable,
        since=since,
        until=now,
        complete=sealed_until(context, now, "predictions", "labels"),
    )
    units = count(context.home, span, spec)
    return planner.estimate(
        plan,
        spec,
        sample=units.stages[0].stable if units.stages else Sample(),
        served=units.stages[0].stable_served if units.stages else 0,
        looked_back_days=(now - since) / timedelta(days=1),
    )
