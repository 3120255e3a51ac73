"""The evidence for a rollout's decision: counts of the gateways and values of feedback, for each stage."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from helicline.monitor import performance
from helicline.records.deployment import Arm, Guard, GuardReading, Rollout, Stage, VariantCounts
from helicline.serving import gateways, guards
from helicline.serving.prediction_log import read as predictions
from helicline.store.unit import Reader


def stages_of(tx: Reader, rollout: Rollout) -> list[Stage]:
    """Return calls, failures and slow calls of both arms in every stage, summed over all gateways."""
    return stages_by(gateways.counts_by_deployment(gateways.sightings(tx)), rollout)


def stages_by(by_deployment: dict[str, list[VariantCounts]], rollout: Rollout) -> list[Stage]:
    """Return the stages of a rollout by the counts of all deployments."""
    counts: dict[tuple[int, int], list[VariantCounts]] = defaultdict(list)
    for count in by_deployment.get(rollout.deployment, ()):
        if count.rollout == rollout.number:
            counts[(count.stage, count.revision)].append(count)
    return [
        Stage(
            index=step.index + 1,
            weight_bp=step.weight_bp,
            stable=_arm(counts[(step.index + 1, rollout.stable)]),
            candidate=_arm(counts[(step.index + 1, rollout.candidate)]),
        )
        for step in rollout.steps
    ]


def _arm(counts: list[VariantCounts]) -> Arm:
    return Arm(
        requests=sum(count.requests for count in counts),
        errors=sum(count.errors for count in counts),
        slow=sum(count.slow for count in counts),
    )


def read_guards(home: Path, rollout: Rollout, stages: list[Stage], *, label: str) -> list[GuardReading]:
    """Return the reading of each guard on the evidence so far."""
    if not rollout.plan.guards:
        return []
    alpha = rollout.plan.alpha / len(rollout.plan.guards)
    return [
        guards.read(guard, _with_feedback(home, rollout, guard, stages=stages, label=label), alpha=alpha)
        for guard in rollout.plan.guards
    ]


def _with_feedback(home: Path, rollout: Rollout, guard: Guard, *, stages: list[Stage], label: str) -> list[Stage]:
    if guard.kind not in ("feedback", "correct"):
        return stages
    name = label if guard.kind == "correct" else guard.metric
    rows = predictions.labelled(home, rollout.deployment, since=rollout.created_at, label=name)
    values = _values(guard, rows)
    usable = (rows["rollout"] == rollout.number) & np.isfinite(values)
    return [_stage_with(stage, rows, values=values, usable=usable) for stage in stages]


def _values(guard: Guard, rows: dict[str, Any]) -> Any:
    if guard.kind == "correct":
        return performance.correct(rows["prediction"], rows["label"])
    return np.array([_number(text) for text in rows["label"]], dtype=float)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.lower(), float("nan"))


def _stage_with(stage: Stage, rows: dict[str, Any], *, values: Any, usable: Any) -> Stage:
    in_stage = usable & (rows["stage"] == stage.index)
    arms = {
        arm: _moments(counts, values[in_stage & (rows["variant"] == arm)])
        for arm, counts in (("stable", stage.stable), ("candidate", stage.candidate))
    }
    return Stage(index=stage.index, weight_bp=stage.weight_bp, stable=arms["stable"], candidate=arms["candidate"])


def _moments(arm: Arm, values: Any) -> Arm:
    return Arm(
        requests=arm.requests,
        errors=arm.errors,
        slow=arm.slow,
        count=len(values),
        total=float(values.sum()),
        total_squares=float((values**2).sum()),
    )
