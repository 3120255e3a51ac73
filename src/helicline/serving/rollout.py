"""Rollouts move traffic to a candidate. `decide` is pure; `advance` applies its move in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from helicline import bus
from helicline.errors import Conflict, Refused
from helicline.records.deployment import (
    Deployment,
    GuardReading,
    Revision,
    Rollout,
    RolloutPlan,
    RolloutStep,
    Stage,
    StepRecord,
)
from helicline.records.model import ModelVersion
from helicline.records.outcome import Conclusion, OutcomeReading
from helicline.registry import point, unmet
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

CHECK_EVERY_S = 0.5
LOAD_PATIENCE_S = 600.0


class RolloutFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a decision about a rollout."""

    candidate: Revision
    stable: Revision | None
    stages: tuple[Stage, ...] = ()
    readings: tuple[GuardReading, ...] = ()
    outcomes: tuple[OutcomeReading, ...] = ()

    @property
    def of_guards(self) -> tuple[GuardReading, ...]:
        """The readings of the plan's own guards."""
        return tuple(reading for reading in self.readings if reading.guard.kind not in ("split", "better"))

    def reading(self, kind: str) -> GuardReading | None:
        """The reading that an A/B test adds, None where there is none."""
        return next((reading for reading in self.readings if reading.guard.kind == kind), None)


class RolloutMove(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["ended", "wait", "step", "promote", "roll_back", "fail", "hold"]
    why: str = ""
    conclusion: Conclusion = ""


def decide(rollout: Rollout, facts: RolloutFacts, now: datetime) -> RolloutMove:
    """Return the next move. Only a failed guard rolls back, and nothing advances without data."""
    if rollout.state not in deployments.ACTIVE:
        return RolloutMove(kind="ended", why=f"it is {rollout.state}")
    if rollout.state == "PREPARING":
        return _prepare(rollout, facts, now)
    failed = next((reading for reading in facts.readings if reading.outcome == "fail"), None)
    if failed is not None:
        is_worse = rollout.plan.outcome_of(failed.guard) is not None
        return RolloutMove(kind="roll_back", why=failed.reason, conclusion="worse" if is_worse else "")
    if facts.candidate.state in ("FAILED", "QUARANTINED"):
        return RolloutMove(kind="roll_back", why=f"the candidate is {facts.candidate.state}: {facts.candidate.reason}")
    if rollout.paused:
        return RolloutMove(kind="wait", why="held by a person")
    split = facts.reading("split")
    if split is not None and split.outcome == "error":
        return _for_a_person(rollout, f"{split.reason}; nothing that compares the two is to be trusted")
    return _test(rollout, facts, now) if rollout.plan.outcome else _progress(rollout, facts, now)


def _prepare(rollout: Rollout, facts: RolloutFacts, now: datetime) -> RolloutMove:
    if facts.candidate.state in ("FAILED", "QUARANTINED"):
        return RolloutMove(kind="fail", why=f"the model did not load: {facts.candidate.reason}")
    if facts.candidate.state != "READY":
        if (now - rollout.created_at).total_seconds() > LOAD_PATIENCE_S:
            return RolloutMove(kind="fail", why=f"the model was not ready within {LOAD_PATIENCE_S:.0f} s")
        return RolloutMove(kind="wait", why="the candidate is loading")
    if rollout.stable == 0 or not rollout.plan.steps:
        return RolloutMove(kind="promote", why="there was nothing to compare with")
    return RolloutMove(kind="step", why="the candidate is ready")


def _progress(rollout: Rollout, facts: RolloutFacts, now: datetime) -> RolloutMove:
    step, record = rollout.plan.steps[rollout.step], rollout.steps[-1]
    elapsed = (now - record.entered_at).total_seconds()
    requests = next((stage.candidate.requests for stage in facts.stages if stage.index == rollout.step + 1), 0)
    if requests < step.min_requests or elapsed < step.min_s:
        return RolloutMove(
            kind="wait", why=f"{requests} of {step.min_requests} requests, {elapsed:.0f} of {step.min_s:.0f} s"
        )
    is_last = rollout.step == len(rollout.plan.steps) - 1
    open_readings = [reading for reading in facts.of_guards if reading.outcome != "pass"]
    doubts = [reading for reading in open_readings if _doubtful(reading, step)]
    if (doubts or (is_last and open_readings)) and elapsed < step.max_s:
        return RolloutMove(kind="wait", why=f"undecided: {(doubts or open_readings)[0].reason}")
    onward: Literal["promote", "step"] = "promote" if is_last else "step"
    if doubts or (is_last and open_readings):
        return _undecided(rollout, (doubts or open_readings)[0], onward if not doubts else None)
    return RolloutMove(kind=onward, why="every guard holds" if not open_readings else "no guard objects")


def _doubtful(reading: GuardReading, step: RolloutStep) -> bool:
    """Return whether the step must not advance: no data, labels still missing, or a drop that is not significant."""
    if reading.outcome in ("no_data", "error"):
        return True
    if reading.guard.kind not in ("feedback", "correct") or reading.stable_mean is None:
        return False
    if reading.candidate_count < step.min_requests:
        return True
    sign = 1 if reading.guard.higher_is_better else -1
    bound = reading.stable_mean * (1 - sign * reading.guard.margin)
    return sign * (reading.candidate_mean or 0.0) < sign * bound


def _undecided(rollout: Rollout, reading: GuardReading, onward: Literal["promote", "step"] | None) -> RolloutMove:
    """Return what the plan says for the end of a step's time; a doubt (no `onward`) is never advanced over."""
    action = rollout.plan.on_undecided
    if action == "rollback":
        return RolloutMove(kind="roll_back", why=f"undecided at the end: {reading.reason}")
    if action == "advance" and onward is not None:
        return RolloutMove(kind=onward, why=f"nothing speaks against it: {reading.reason}")
    return _for_a_person(rollout, reading.reason)


def _for_a_person(rollout: Rollout, reason: str) -> RolloutMove:
    return RolloutMove(kind="wait" if rollout.state == "PAUSED" else "hold", why=f"a person must decide: {reason}")


def _test(rollout: Rollout, facts: RolloutFacts, now: datetime) -> RolloutMove:
    """Return the next move of an A/B test: ship what is better, and keep the old one where nothing shows a difference.

    A guard that failed has ended it before.
    """
    step, elapsed = rollout.plan.steps[rollout.step], (now - rollout.steps[-1].entered_at).total_seconds()
    reading = facts.reading("better")
    reason = reading.reason if reading is not None else "no unit counts yet"
    if elapsed < step.min_s:
        return RolloutMove(kind="wait", why=f"{reason}; the test takes at least {length(step.min_s)}")
    blind = [doubt for doubt in facts.of_guards if doubt.outcome in ("no_data", "error")]
    if not blind and reading is not None and reading.outcome == "pass":
        return RolloutMove(kind="promote", why=f"better: {reason}", conclusion="better")
    if not blind and rollout.plan.ship == "not_worse" and _is_not_worse(rollout.plan, facts):
        return RolloutMove(kind="promote", why=f"not worse: {reason}", conclusion="not_worse")
    if elapsed >= step.max_s:
        why = f"no difference in {length(step.max_s)}, so the old one stays: {reason}"
        return RolloutMove(kind="roll_back", why=why, conclusion="no_difference")
    return RolloutMove(kind="wait", why=f"undecided: {(blind[0].reason if blind else reason)}")


def _is_not_worse(plan: RolloutPlan, facts: RolloutFacts) -> bool:
    proven = [reading.outcome == "pass" for reading in facts.of_guards if plan.outcome_of(reading.guard) is not None]
    return bool(proven) and all(proven)


def length(seconds: float) -> str:
    """Return a duration in words."""
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds:g} s"


def start(
    tx: Tx, deployment: Deployment, version: ModelVersion, *, plan: RolloutPlan, loop: str = "", turn: int = 0
) -> Rollout:
    """Start the rollout of a model version, and return it.

    Raises:
        Conflict: another rollout of this deployment is active.
        Refused: it would end with `champion` on the version, and the people who protect that did not agree.
    """
    rule = unmet(tx, version, "champion")
    if rule is not None:
        raise Refused(
            f"roll {version.id} out",
            f"{version.model}@champion is protected",
            f"Ask {rule.people} of role {rule.role} first: hl model request {version.id} champion",
        )
    under_way = deployments.active_rollout(tx, deployment.name)
    if under_way is not None:
        raise Conflict("deployment", deployment.name, f"has rollout {under_way.id} under way", "Wait, or roll it back.")
    candidate = deployments.add_revision(tx, deployment.name, version)
    column = nouns.ROLLOUTS.table.c
    rollout = Rollout(
        deployment=deployment.name,
        number=nouns.ROLLOUTS.count(tx, column.deployment == deployment.name) + 1,
        stable=deployment.stable,
        candidate=candidate.number,
        plan=plan,
        state="PREPARING",
        created_at=tx.now,
        created_by=tx.actor,
        wake_at=tx.now,
        loop=loop,
        turn=turn,
    )
    nouns.ROLLOUTS.insert(tx, rollout)
    if deployment.stable:
        point(tx, version.model, "challenger", version.number)
    bus.emit(tx, "started", "rollout", rollout.id, candidate=version.id, loop=loop, turn=turn)
    deployments.reroute(tx, f"{rollout.id} started")
    return rollout


def facts_of(
    tx: Reader,
    rollout: Rollout,
    *,
    stages: Sequence[Stage] = (),
    readings: Sequence[GuardReading] = (),
    outcomes: Sequence[OutcomeReading] = (),
) -> RolloutFacts:
    stable = nouns.REVISIONS.find(tx, rollout.deployment, rollout.stable) if rollout.stable else None
    candidate = nouns.REVISIONS.get(tx, rollout.deployment, rollout.candidate)
    return RolloutFacts(
        candidate=candidate,
        stable=stable,
        stages=tuple(stages),
        readings=tuple(readings),
        outcomes=tuple(outcomes),
    )


def advance(tx: Tx, rollout: Rollout, facts: RolloutFacts) -> bool:
    """Make the rollout's next move; return False where it waits or has ended."""
    move = decide(rollout, facts, tx.now)
    if move.kind == "ended":
        return False
    rollout = msgspec.structs.replace(
        _with_readings(rollout, facts.readings),
        outcomes=facts.outcomes or rollout.outcomes,
        conclusion=move.conclusion,
    )
    ACTIONS[move.kind](tx, rollout, move.why)
    return move.kind != "wait"


def _with_readings(rollout: Rollout, readings: tuple[GuardReading, ...]) -> Rollout:
    if not rollout.steps or not readings:
        return rollout
    last = msgspec.structs.replace(rollout.steps[-1], readings=readings)
    return msgspec.structs.replace(rollout, steps=(*rollout.steps[:-1], last))


def _wait(tx: Tx, rollout: Rollout, why: str) -> None:
    later = tx.now + timedelta(seconds=CHECK_EVERY_S)
    nouns.ROLLOUTS.swap(tx, msgspec.structs.replace(rollout, wake_at=later, reason=why))


def _step(tx: Tx, rollout: Rollout, why: str) -> None:
    number = rollout.step + 1
    weight = rollout.plan.steps[number].weight_bp
    steps = (*_closed(rollout.steps, tx.now), StepRecord(index=number, weight_bp=weight, entered_at=tx.now))
    changed = msgspec.structs.replace(
        rollout, state="PROGRESSING", step=number, steps=steps, wake_at=tx.now, reason=why
    )
    nouns.ROLLOUTS.swap(tx, changed)
    bus.emit(tx, "advanced", "rollout", rollout.id, percent=weight / 100, why=why)
    deployments.reroute(tx, f"{rollout.id} at {weight / 100:g} %")


def _closed(steps: tuple[StepRecord, ...], now: datetime) -> tuple[StepRecord, ...]:
    if not steps or steps[-1].left_at is not None:
        return steps
    return (*steps[:-1], msgspec.structs.replace(steps[-1], left_at=now))


def _end(tx: Tx, rollout: Rollout, *, state: str, verb: str, why: str) -> Rollout:
    steps = _closed(rollout.steps, tx.now)
    changed = msgspec.structs.replace(
        rollout, state=state, steps=steps, reason=why, wake_at=None, finished_at=tx.now, paused=False
    )
    bus.emit(tx, verb, "rollout", rollout.id, why=why, loop=rollout.loop, turn=rollout.turn)
    return nouns.ROLLOUTS.swap(tx, changed)


def _promote(tx: Tx, rollout: Rollout, why: str) -> None:
    _end(tx, rollout, state="SUCCEEDED", verb="promoted", why=why)
    deployment = nouns.DEPLOYMENTS.get(tx, rollout.deployment)
    deployments.set_stable(tx, deployment, rollout.candidate, why=f"{rollout.id} promoted")


def _roll_back(tx: Tx, rollout: Rollout, why: str) -> None:
    _end(tx, rollout, state="ROLLED_BACK", verb="rolled_back", why=why)
    deployments.reroute(tx, f"{rollout.id} rolled back")


def _fail(tx: Tx, rollout: Rollout, why: str) -> None:
    _end(tx, rollout, state="FAILED", verb="failed", why=why)
    deployments.reroute(tx, f"{rollout.id} failed")


def fail(tx: Tx, rollout: Rollout, why: str) -> None:
    """End a rollout that cannot go on: all traffic goes to stable. One that has ended stays as it is."""
    if rollout.state in deployments.LIVE:
        _roll_back(tx, rollout, why)
    elif rollout.state in deployments.ACTIVE:
        _fail(tx, rollout, why)


def _hold(tx: Tx, rollout: Rollout, why: str) -> None:
    later = tx.now + timedelta(seconds=CHECK_EVERY_S)
    nouns.ROLLOUTS.swap(tx, msgspec.structs.replace(rollout, state="PAUSED", wake_at=later, reason=why))
    bus.emit(tx, "held", "rollout", rollout.id, why=why)


ACTIONS: dict[str, Callable[[Tx, Rollout, str], None]] = {
    "wait": _wait,
    "step": _step,
    "promote": _promote,
    "roll_back": _roll_back,
    "fail": _fail,
    "hold": _hold,
}


def _open(tx: Reader, deployment: str) -> Rollout:
    rollout = deployments.active_rollout(tx, deployment)
    if rollout is None:
        raise Conflict("deployment", deployment, "has no rollout under way")
    return rollout


def roll_back(tx: Tx, deployment: str, *, reason: str) -> Rollout:
    """Send all traffic to stable at once. Needs no gate and no approval."""
    rollout = _open(tx, deployment)
    _roll_back(tx, rollout, reason or "rolled back by hand")
    return nouns.ROLLOUTS.get(tx, deployment, rollout.number)


def promote(tx: Tx, deployment: str, *, reason: str) -> Rollout:
    """Send all traffic to the candidate at once, before its steps are over. Raises Conflict while it loads."""
    rollout = _open(tx, deployment)
    if nouns.REVISIONS.get(tx, deployment, rollout.candidate).state != "READY":
        raise Conflict("rollout", rollout.id, "has a candidate that is not ready")
    _promote(tx, rollout, reason or "promoted by hand")
    return nouns.ROLLOUTS.get(tx, deployment, rollout.number)


def hold(tx: Tx, deployment: str) -> Rollout:
    """Keep the weights until a person resumes the rollout; guards can still roll back."""
    rollout = _open(tx, deployment)
    bus.emit(tx, "held", "rollout", rollout.id, why="by hand")
    return nouns.ROLLOUTS.swap(tx, msgspec.structs.replace(rollout, paused=True, reason="held by hand"))


def resume(tx: Tx, deployment: str) -> Rollout:
    rollout = _open(tx, deployment)
    bus.emit(tx, "resumed", "rollout", rollout.id)
    state = "PROGRESSING" if rollout.state == "PAUSED" else rollout.state
    return nouns.ROLLOUTS.swap(tx, msgspec.structs.replace(rollout, paused=False, state=state, wake_at=tx.now))


def skip_step(tx: Tx, deployment: str, *, reason: str) -> Rollout:
    """Advance to the next step now, whatever its counts say. Raises Conflict where there is no next step."""
    rollout = _open(tx, deployment)
    if rollout.state not in deployments.LIVE or rollout.step + 1 >= len(rollout.plan.steps):
        raise Conflict("rollout", rollout.id, "has no next step to advance to", "Promote it, or roll it back.")
    _step(tx, rollout, reason or "advanced by hand")
    return nouns.ROLLOUTS.get(tx, deployment, rollout.number)
