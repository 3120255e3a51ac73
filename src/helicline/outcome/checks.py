"""Checks of declared outcomes, and of the A/B test that one of them decides, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from helicline.errors import Invalid
from helicline.ids import checked_name
from helicline.records.deployment import RolloutPlan
from helicline.records.monitor import MonitorSpec
from helicline.records.outcome import OutcomeSpec

LONGEST_WINDOW_S = 366 * 86_400.0


def outcome_problems(plan: RolloutPlan) -> Iterator[Invalid]:
    """Yield what cannot work in the outcomes of a plan."""
    names = [spec.name for spec in plan.outcomes]
    if len(set(names)) != len(names):
        yield Invalid("outcomes", ", ".join(names), "each at most once")
    for spec in plan.outcomes:
        yield from _outcome(spec)
    if plan.outcome:
        yield from _test(plan, names)


def _outcome(spec: OutcomeSpec) -> Iterator[Invalid]:
    try:
        checked_name("outcome", spec.name)
    except Invalid as error:
        yield error
    if not 0 < spec.window_s <= LONGEST_WINDOW_S:
        yield Invalid(f"outcome {spec.name} window_s", spec.window_s, f"more than 0, at most {LONGEST_WINDOW_S:g}")


def _test(plan: RolloutPlan, names: list[str]) -> Iterator[Invalid]:
    field = f"A/B test of {plan.outcome}"
    decides = next((spec for spec in plan.outcomes if spec.name == plan.outcome), None)
    if decides is None:
        allowed = f"an outcome of the loop: {', '.join(names) or 'none yet'}"
        hint = f'Declare it: hl.Loop(..., outcomes=[hl.outcome("{plan.outcome}")])'
        yield Invalid("A/B test outcome", plan.outcome, allowed, hint)
        return
    if len(plan.steps) != 1 or plan.steps[0].weight_bp >= 10_000:
        shares = ", ".join(f"{step.weight_bp / 100:g} %" for step in plan.steps)
        yield Invalid(field, f"steps of {shares}", "one step of less than 100 %")
        return
    needed_s = plan.burn_in_s + decides.window_s
    if plan.steps[0].max_s <= needed_s:
        hint = "A unit counts when its window is over; until the end of the test none would."
        yield Invalid(f"{field} at_most", f"{plan.steps[0].max_s:g} s", f"more than {needed_s:g} s", hint)
    if plan.ship == "not_worse" and not any(guard.metric == plan.outcome for guard in plan.guards):
        allowed = f'a guard on it, which says by how much: guard=hl.must_not_drop("{plan.outcome}")'
        yield Invalid(f"{field} ship", "not_worse without a guard", allowed)


def watch_problems(monitor: MonitorSpec, plan: RolloutPlan) -> Iterator[Invalid]:
    """Yield what cannot work in a watch of an outcome."""
    names = [spec.name for spec in plan.outcomes]
    if monitor.outcome is None or monitor.metric not in names:
        hint = f'Declare it: hl.Loop(..., outcomes=[hl.outcome("{monitor.metric}")])'
        yield Invalid(
            "watch outcome", monitor.metric, f"an outcome of the loop: {', '.join(names) or 'none yet'}", hint
        )
        return
    if monitor.drop is None or not 0 < monitor.drop <= 1:
        yield Invalid(f"watch {monitor.metric} drop", monitor.drop, "a share, more than 0 and at most 1")
    if not monitor.outcome.window_s < monitor.for_s <= LONGEST_WINDOW_S:
        hint = "A unit counts when its window is over; until the end of the watch none would."
        allowed = f"more than the window of the outcome, {monitor.outcome.window_s:g} s"
        yield Invalid(f"watch {monitor.metric} for_", f"{monitor.for_s:g} s", allowed, hint)
