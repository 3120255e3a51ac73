"""Outcomes: what happened to a unit within a window after a variant first served it, and what that says of variants."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

OutcomeKind = Literal["last", "max", "sum", "count"]
Ship = Literal["better", "not_worse"]
Conclusion = Literal["", "better", "not_worse", "worse", "no_difference"]


class OutcomeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One number of each unit: its feedback called `name` of the `window_s` after a variant first served it.

    Several values become one as `kind` says. A unit without any counts as `missing` when its window closes; None leaves
    it out. `per` says in words what a unit is; calls name it by their assignment key.
    """

    name: str
    kind: OutcomeKind = "last"
    window_s: float = 7 * 86_400.0
    per: str = "user"
    missing: float | None = 0.0
    higher_is_better: bool = True


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The units of one variant that count: how many, the sum of their outcomes and of the squares."""

    count: int = 0
    total: float = 0.0
    total_squares: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


class StageSample(msgspec.Struct, frozen=True, kw_only=True):
    """The units that were first served in one stage; `stable_served` and `candidate_served` count all of them."""

    index: int
    stable: Sample = msgspec.field(default_factory=Sample)
    candidate: Sample = msgspec.field(default_factory=Sample)
    stable_served: int = 0
    candidate_served: int = 0


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """The units of a rollout, by the stage in which they were first served, and those that do not count.

    waiting: their window is still open. both: both variants served them. moved: a larger share moved or will move them
    to the candidate. burn_in: first served before units count. unanswered: no feedback, where that leaves them out.
    not_numbers: pieces of feedback that are no numbers. strangers: units with feedback that were never served.
    keyless: calls without an assignment key, each of which is a unit of its own. cap: the value that larger ones
    count as, so that a few do not decide.
    """

    stages: tuple[StageSample, ...] = ()
    waiting: int = 0
    both: int = 0
    moved: int = 0
    burn_in: int = 0
    unanswered: int = 0
    not_numbers: int = 0
    strangers: int = 0
    keyless: int = 0
    cap: float | None = None


class OutcomeReading(msgspec.Struct, frozen=True, kw_only=True):
    """What an outcome says of candidate and stable at `read_at`.

    `lift` is the candidate's mean over stable's, less 1, weighted by stage; it lies between `lift_low` and `lift_high`,
    at any look, with the plan's confidence. None where there is too little.
    """

    spec: OutcomeSpec
    units: Units
    stable: Sample
    candidate: Sample
    read_at: datetime
    decides: bool = False
    lift: float | None = None
    lift_low: float | None = None
    lift_high: float | None = None
