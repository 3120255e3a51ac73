"""The evidence for a rollout's decision: counts of the gateways and values of feedback, for each stage."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from helicline.monitor import performance
from helicline.records.deployment import Arm, Guard, GuardReading, Rollout, Stage, VariantCounts
from helicline.serving import gateways, guards
from helicline.serving.prediction_log.follow import Follower, Labelled
from helicline.store.unit import Reader

_MAX_GUARDS = 50  # whose moments are kept; those of others are read from the log again
_GuardKey = tuple[str, int, str, str]  # deployment, rollout, kind, label


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


class GuardEvidence:
    """Reads guards of running rollouts; of feedback it keeps the moments, to which what comes in is added."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._moments: OrderedDict[_GuardKey, Moments] = OrderedDict()  # those read last come last

    def read(self, rollout: Rollout, stages: list[Stage], *, label: str) -> list[GuardReading]:
        """Return the reading of each guard on calls; where units were declared, those are what counts."""
        on_calls = [guard for guard in rollout.plan.guards if rollout.plan.outcome_of(guard) is None]
        return [
            guards.read(
                guard,
                self._with_feedback(rollout, guard, stages=stages, label=label),
                alpha=rollout.plan.alpha / len(rollout.plan.guards),
            )
            for guard in on_calls
        ]

    def _with_feedback(self, rollout: Rollout, guard: Guard, *, stages: list[Stage], label: str) -> list[Stage]:
        if guard.kind not in ("feedback", "correct"):
            return stages
        name = label if guard.kind == "correct" else guard.metric
        key = (rollout.deployment, rollout.number, guard.kind, name)
        moments = self._moments.pop(key, None) or Moments(self._home, rollout, kind=guard.kind, label=name)
        self._moments[key] = moments
        if len(self._moments) > _MAX_GUARDS:
            self._moments.popitem(last=False)
        moments.update()
        return [moments.in_stage(stage) for stage in stages]


class Moments:
    """Count, sum and sum of squares of the values of one guard, for each stage and variant of a rollout."""

    def __init__(self, home: Path, rollout: Rollout, *, kind: str, label: str) -> None:
        self._kind = kind
        self._follower = Follower(
            home, rollout.deployment, rollout=rollout.number, since=rollout.created_at, label=label
        )
        self._sums: dict[tuple[int, str], np.ndarray[Any, Any]] = defaultdict(lambda: np.zeros(3))

    def update(self) -> None:
        """Add what was labelled since the last time, and take away what it replaces."""
        changes = self._follower.changes()
        self._add([change.after for change in changes], sign=1)
        self._add([change.before for change in changes if change.before is not None], sign=-1)

    def _add(self, rows: list[Labelled], *, sign: int) -> None:
        for row, value in zip(rows, self._values(rows), strict=True):
            if math.isfinite(value):
                self._sums[row.stage, row.variant] += sign * np.array([1.0, value, value**2])

    def _values(self, rows: list[Labelled]) -> list[float]:
        if self._kind == "correct":
            columns = [np.array([row[at] for row in rows], dtype=object) for at in (2, 3)]
            return [float(value) for value in performance.correct(*columns)]
        return [_number(row.label) for row in rows]

    def in_stage(self, stage: Stage) -> Stage:
        """Return the stage with the moments of both arms."""
        arms = {name: self._arm(getattr(stage, name), (stage.index, name)) for name in ("stable", "candidate")}
        return msgspec.structs.replace(stage, **arms)

    def _arm(self, arm: Arm, key: tuple[int, str]) -> Arm:
        count, total, squares = self._sums[key].tolist() if key in self._sums else (0, 0.0, 0.0)
        return msgspec.structs.replace(arm, count=int(count), total=total, total_squares=squares)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.lower(), float("nan"))
