"""Loops as code, turns, and the triggers that begin them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from helicline.records.contract import ContractSpec
from helicline.records.deployment import RolloutPlan
from helicline.records.gate import Check
from helicline.records.monitor import MonitorSpec
from helicline.records.notification import Channel
from helicline.records.pipeline import HarvestSpan, PipelineSpec

CauseKind = Literal["person", "schedule", "new_data", "alert", "registered", "first"]
TurnState = Literal[
    "HARVESTING", "TRAINING", "REGISTERING", "GATING", "APPROVING", "ROLLING_OUT",
    "PROMOTED", "SUCCEEDED", "REJECTED", "ROLLED_BACK", "FAILED", "UNCHANGED", "CANCELLED",
]  # fmt: skip
LEARNING = ("HARVESTING", "TRAINING", "REGISTERING", "GATING")
ACTIVE = (*LEARNING, "APPROVING", "ROLLING_OUT")
RESTING = "REJECTED"  # it goes on where a person waives the failed checks
FINISHED: frozenset[str] = frozenset({"PROMOTED", "SUCCEEDED", "ROLLED_BACK", "FAILED", "UNCHANGED", "CANCELLED"})


class ApprovalRule(msgspec.Struct, frozen=True, kw_only=True):
    role: str
    people: int = 1


CatchUp = Literal["none", "latest", "all"]


class TriggerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that begins turns. `cool_down_s` is the least time between two of its turns.

    A schedule is due at the times of `cron` on the clocks of `timezone`. Of moments that were missed, since the program
    was down, `catch_up` takes "none", the "latest" (one turn for all of them), or "all" one after the other.
    """

    kind: Literal["schedule", "new_data", "alert"]
    cron: str = ""
    timezone: str = "UTC"
    catch_up: CatchUp = "latest"
    dataset: str = ""
    monitors: tuple[str, ...] = ()
    cool_down_s: float = 60.0
    harvest: bool = False

    @property
    def name(self) -> str:
        zone = "" if self.timezone == "UTC" else f" {self.timezone}"
        return f"schedule:{self.cron}{zone}" if self.kind == "schedule" else self.kind


class LoopSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The whole loop of one model, as `hl apply` records it; of a pipeline alone, where that makes no candidate."""

    name: str
    model: str
    deployment: str
    pipeline: PipelineSpec
    rollout: RolloutPlan
    gates: tuple[Check, ...] = ()
    approval: ApprovalRule | None = None
    monitors: tuple[MonitorSpec, ...] = ()
    triggers: tuple[TriggerSpec, ...] = ()
    label: str = "label"
    contracts: tuple[ContractSpec, ...] = ()
    notify: tuple[Channel, ...] = ()


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded loop; `spec_version` counts the changes of its spec.

    `harvested` is what its last published harvest reached to.
    """

    name: str
    spec: LoopSpec
    spec_hash: str
    spec_version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str
    last_turn: int = 0
    paused: bool = False
    pause_reason: str = ""
    harvested: HarvestSpan | None = None
    version: int = 1


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a trigger: its last turn, whether it is muted, when a schedule is due.

    `pending` is the subject of the turn that it is to begin, `waits_for` what that turn waits for, or why it
    was dropped. `failures` counts the failed turns in a row that it has tried again. `due_at` is the moment of a
    schedule that is waited for, or whose turn waits.
    """

    loop: str
    name: str
    spec: TriggerSpec
    wake_at: datetime | None
    due_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_turn: int = 0
    muted: bool = False
    pending: str = ""
    failures: int = 0
    waits_for: str = ""
    version: int = 1


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """The cause of a turn: its kind, the noun behind it (an alert, a version, a person), and a sentence."""

    kind: CauseKind
    subject: str
    sentence: str


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a turn. `subject` names its pipeline run, version, rollout, or the watch that rolled it back later."""

    name: Literal["data", "train", "register", "gate", "approve", "rollout", "watch"]
    started_at: datetime
    finished_at: datetime | None = None
    result: str = ""
    subject: str = ""
    detail: dict[str, Any] = {}

    @property
    def seconds(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One passage round the loop, from its cause to its result.

    `params` are the parameters of the pipeline that were set for this turn.
    A turn that harvests says what its harvest reaches to (`harvested`), and whether `dataset_version` is a draft still.
    """

    loop: str
    number: int
    state: TurnState
    cause: Cause
    created_at: datetime
    created_by: str
    wake_at: datetime | None
    legs: tuple[Leg, ...] = ()
    params: dict[str, Any] = {}
    harvest: bool = False
    harvested: HarvestSpan | None = None
    attempt: str = ""
    dataset_version: str = ""
    dataset_is_draft: bool = False
    pipeline_run: str = ""
    model_version: int = 0
    champion: int = 0
    request: str = ""
    rollout: int = 0
    result: str = ""
    finished_at: datetime | None = None
    version: int = 1

    @property
    def id(self) -> str:
        return f"{self.loop}~{self.number}"
