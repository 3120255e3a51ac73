"""Deployments, revisions and rollouts, and the messages of server and gateway about them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from helicline.records.outcome import Conclusion, OutcomeReading, OutcomeSpec, Ship

RevisionState = Literal["PENDING", "LOADING", "READY", "FAILED", "QUARANTINED", "STOPPED"]
RolloutState = Literal[
    "PREPARING",
    "PROGRESSING",
    "PAUSED",
    "PROMOTING",
    "SUCCEEDED",
    "FAILED",
    "ROLLING_BACK",
    "ROLLED_BACK",
    "CANCELLED",
]
GuardOutcome = Literal["pass", "fail", "inconclusive", "no_data", "error"]


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A named place that answers predictions for one registered model."""

    name: str
    model: str
    created_at: datetime
    updated_at: datetime
    stable: int = 0
    previous: int = 0
    routing_generation: int = 0
    version: int = 1


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One deployed model version; only its observed state and `wanted` change."""

    deployment: str
    number: int
    model: str
    model_version: int
    digest: str
    created_at: datetime
    wanted: Literal["up", "down"] = "up"
    state: RevisionState = "PENDING"
    reason: str = ""
    pid: int = 0
    ready_at: datetime | None = None
    probes: int = 0
    version: int = 1

    @property
    def id(self) -> str:
        return f"{self.deployment}#{self.number}"


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """A single row with the generation of the desired state of gateways."""

    id: str = "routing"
    generation: int = 0
    version: int = 1


class RevisionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that the gateway must keep loaded; another count of `probes` asks to load it again."""

    deployment: str
    revision: int
    model: str
    model_version: int
    digest: str
    archive_path: str
    centres: dict[str, float] = {}
    probes: int = 0


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A revision with a share of traffic in basis points (1/100 of a percent)."""

    revision: int
    weight_bp: int


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The division of a deployment's traffic; a failed call of a candidate is repeated on `stable`.

    `previous` answers while `stable` cannot; 0 for none.
    """

    deployment: str
    generation: int
    stable: int
    variants: tuple[Variant, ...]
    previous: int = 0
    salt: str = ""
    rollout: int = 0
    stage: int = 0
    slow_ms: float = 0.0


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """The whole desired state of a gateway; `generation` grows with every change."""

    generation: int
    orders: tuple[RevisionSpec, ...] = ()
    routes: tuple[Route, ...] = ()
    token_key: str = ""  # the public key by which gateways check tokens with scopes
    revoked_tokens: tuple[str, ...] = ()


class RevisionStatus(msgspec.Struct, frozen=True, kw_only=True):
    deployment: str
    revision: int
    state: RevisionState
    reason: str = ""
    pid: int = 0
    fast_path: bool = False


class VariantCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since the start of the gateway, of one variant in one stage of a rollout (0, 0 outside of rollouts).

    `errors` are calls that the variant failed, with or without an answer of stable; `replayed` are those that stable
    answered. `slow` are calls over the route's `slow_ms`. `latency_us` counts calls by upper bound of their latency.
    """

    deployment: str
    revision: int
    rollout: int
    stage: int
    requests: int
    errors: int
    slow: int
    replayed: int
    user_errors: int = 0
    latency_us: dict[int, int] = {}


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a gateway: the generation that its front uses, and the state of its revisions and variants.

    `session` changes at every start of the gateway, when counts begin at 0 again.
    """

    gateway: str
    session: str
    pid: int
    generation: int
    address: str
    revisions: tuple[RevisionStatus, ...] = ()
    counts: tuple[VariantCounts, ...] = ()
    log_dropped: int = 0


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """The last report of one gateway process."""

    gateway: str
    session: str
    seen_at: datetime
    observed: Observed
    version: int = 1


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that a candidate must keep during its rollout.

    error_rate: share of failed calls at most `limit`. latency: share of calls over `limit` ms at most 1 - `quantile`.
    feedback: the mean of feedback `metric` must not drop by more than `margin`, relative to stable.
    correct: as feedback, with 1 where the label equals the prediction, else 0.
    Where the plan declares `metric` as an outcome, its values are those of units, not of calls.
    Readings of an A/B test have two more: split, whether units come in the planned shares, and better, whether the
    outcome is better.
    """

    kind: Literal["error_rate", "latency", "feedback", "correct", "split", "better"]
    metric: str = ""
    margin: float = 0.05
    limit: float = 0.0
    quantile: float = 0.99
    higher_is_better: bool = True


class RolloutStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step: `weight_bp` until the candidate has answered `min_requests` and `min_s` seconds have passed.

    Feedback guards may take up to `max_s` to decide; then an undecided guard holds the rollout (PAUSED)
    unless `on_undecided` is "advance".
    """

    weight_bp: int
    min_requests: int = 50
    min_s: float = 1.0
    max_s: float = 3600.0


class RolloutPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of a rollout and the guards of the candidate.

    With `outcome`, one of the declared `outcomes`, it is an A/B test of one step: the candidate ships where that
    outcome is better (or proven not to be worse, by `ship`). Units that were first served within `burn_in_s` are left
    out.
    """

    steps: tuple[RolloutStep, ...]
    guards: tuple[Guard, ...] = ()
    alpha: float = 0.05
    on_undecided: Literal["hold", "advance", "rollback"] = "advance"
    outcomes: tuple[OutcomeSpec, ...] = ()
    outcome: str = ""
    ship: Ship = "better"
    burn_in_s: float = 0.0

    def outcome_of(self, guard: Guard) -> OutcomeSpec | None:
        """Return the outcome that a guard is on, None for a guard on calls."""
        if guard.kind != "feedback":
            return None
        return next((spec for spec in self.outcomes if spec.name == guard.metric), None)


class GuardReading(msgspec.Struct, frozen=True, kw_only=True):
    """A guard's outcome with the numbers that it is based on."""

    guard: Guard
    outcome: GuardOutcome
    reason: str
    stable_count: int = 0
    candidate_count: int = 0
    stable_mean: float | None = None
    candidate_mean: float | None = None
    log_evidence: float | None = None
    log_threshold: float | None = None


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one variant in one stage: calls and failures, and the moments of its feedback by unit."""

    requests: int = 0
    errors: int = 0
    slow: int = 0
    count: int = 0
    total: float = 0.0
    total_squares: float = 0.0


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A period of constant weights; the two arms can be compared within a stage, but not across stages."""

    index: int
    weight_bp: int
    stable: Arm
    candidate: Arm


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    weight_bp: int
    entered_at: datetime
    left_at: datetime | None = None
    readings: tuple[GuardReading, ...] = ()


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The move of traffic from the stable revision to a candidate, step by step under guards.

    `outcomes` is what the declared outcomes said last, `conclusion` what an A/B test came to.
    """

    deployment: str
    number: int
    stable: int
    candidate: int
    plan: RolloutPlan
    state: RolloutState
    created_at: datetime
    created_by: str
    wake_at: datetime | None
    step: int = -1
    steps: tuple[StepRecord, ...] = ()
    reason: str = ""
    turn: int = 0
    loop: str = ""
    paused: bool = False
    finished_at: datetime | None = None
    outcomes: tuple[OutcomeReading, ...] = ()
    conclusion: Conclusion = ""
    version: int = 1

    @property
    def id(self) -> str:
        return f"{self.deployment}#{self.number}"


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the prediction log, for `hl why` and the UI."""

    prediction_id: str
    row: int
    at: datetime
    deployment: str
    revision: int
    model: str
    model_version: int
    variant: Literal["stable", "candidate"]
    served_by: int
    fallback_reason: str
    rollout: int
    stage: int
    status: int
    latency_us: int
    prediction: str
    features: dict[str, float | str | bool | None] = {}
    labels: dict[str, str] = {}
