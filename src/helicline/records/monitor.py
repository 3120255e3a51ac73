"""Monitors, the windows that they judge, and alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from helicline.records.outcome import OutcomeSpec

NOT_TESTED = "not_tested"  # the statistic of a finding that says why a column has no result
MonitorKind = Literal["drift", "performance", "quality", "service", "watch"]
AlertState = Literal["firing", "acknowledged", "resolved"]
AlertKind = Literal[MonitorKind, "serving"]  # serving: no monitor judges it, the states of revisions do
Severity = Literal["ok", "info", "warning", "critical", "insufficient_data", "immature"]


class MonitorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor's configuration. A window is `window_s` long; an alert needs `persist` bad ones of the last `of`.

    drift: debiased PSI of each column against `threshold` (`gate` on the wire), with a significance
    test at `q` (Benjamini-Hochberg).
    Both leave out identifiers, times and the columns in `exclude`, but not those in `include`.
    performance: `metric` over labelled rows `at_least` or `at_most` so much, or worse by no more than the share `drop`
    of what the version before had, of predictions that are `label_delay_s`
    old or older, so that early labels do not stand for all (None: as old as labels that came lately say); the labels
    are the `feedback` of that name, or the loop's.
    quality: missing, out of range, unseen values.
    service: at most the share `error_rate` of calls fails, and the p99 of their latency is at most `p99_ms`.
    watch: the `outcome` of units, for `for_s` after a version began to serve, must not be worse by more than the share
    `drop` than it was with the version before; with `roll_back` that one serves again where it is.
    """

    kind: MonitorKind
    metric: str = ""
    at_least: float | None = None
    at_most: float | None = None
    drop: float | None = None
    feedback: str = ""
    window_s: float = 300.0
    label_delay_s: float | None = None
    min_rows: int = 200
    threshold: float = msgspec.field(default=0.10, name="gate")
    critical: float = 0.25
    q: float = 0.01
    persist: int = 2
    of: int = 3
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    outcome: OutcomeSpec | None = None
    for_s: float = 0.0
    roll_back: bool = False
    p99_ms: float | None = None
    error_rate: float | None = None

    @property
    def name(self) -> str:
        return ":".join(part for part in (self.kind, self.metric, self.feedback) if part)


class Acceptance(NamedTuple):
    """What a person accepted as normal: a finding of a column."""

    column: str
    statistic: str


class Monitor(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor of one deployment: its spec, and the time up to which it has judged.

    Where a person accepted findings as normal, `reference` is the profile (a blob) that takes the place of the
    version's own, for the revision `reference_revision`.
    """

    deployment: str
    name: str
    spec: MonitorSpec
    loop: str
    created_at: datetime
    wake_at: datetime | None
    watched_until: datetime | None = None
    reference: str = ""
    reference_revision: int = 0
    accepted: tuple[Acceptance, ...] = ()
    version: int = 1

    @property
    def id(self) -> str:
        return f"{self.deployment}:{self.name}"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one column (or metric) in one window: value, threshold, p-value, sizes of both sides.

    `spread` is the standard error of a metric.
    """

    column: str
    statistic: str
    value: float
    threshold: float = msgspec.field(name="gate")
    p_value: float | None
    severity: Severity
    window_count: int
    reference_count: int
    detail: str = ""
    spread: float | None = None


class LabelDelay(msgspec.Struct, frozen=True, kw_only=True):
    """How old predictions must be to be judged by their labels, how that is known, and a sentence about it."""

    seconds: float
    source: Literal["declared", "learned", "unknown"]
    detail: str


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor says of the rows from `start` to `end`, as it looked at them at `judged_at`."""

    deployment: str
    monitor: str
    start: datetime
    end: datetime
    severity: Severity
    row_count: int
    model_version: int
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    label_delay: LabelDelay | None = None
    judged_at: datetime | None = None
    version: int = 1

    def __post_init__(self) -> None:
        if self.judged_at is None:  # as of earlier releases
            msgspec.structs.force_setattr(self, "judged_at", self.end)


class AlertEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The window that opened an alert, with its bad findings."""

    severity: Severity
    findings: tuple[Finding, ...]
    window_start: datetime
    window_end: datetime
    row_count: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An incident: opened once, updated while it lasts, resolved after quiet windows.

    `severity` and the finding of each column and statistic are the worst of all its windows; `opened_with` is the
    first, and `window_start` to `window_end` the newest bad one.
    """

    deployment: str
    number: int
    monitor: str
    kind: AlertKind
    state: AlertState
    severity: Severity
    opened_at: datetime
    last_seen_at: datetime
    model_version: int
    summary: str
    findings: tuple[Finding, ...] = ()
    window_start: datetime | None = None
    window_end: datetime | None = None
    opened_with: AlertEvidence | None = None
    quiet_windows: int = 0
    resolved_at: datetime | None = None
    acknowledged_by: str = ""
    version: int = 1

    @property
    def id(self) -> str:
        return f"{self.deployment}!{self.number}"
