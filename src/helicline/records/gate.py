"""Gates: the checks of a candidate, their evidence, and their verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

Outcome = Literal["pass", "fail", "inconclusive", "no_data", "error", "waived"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. at_least: metric >= limit. not_worse: paired comparison with an alias, within margin.

    latency: p99 of single-row calls <= limit ms, on a host that lets them run.
    signature: inputs and outputs compatible with the alias.
    """

    kind: Literal["at_least", "at_most", "not_worse", "signature", "latency"]
    metric: str = ""
    limit: float = 0.0
    margin: float = 0.0
    than: str = "champion"
    alpha: float = 0.05

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.metric}" if self.metric else self.kind


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A paired comparison on the same rows; `difference` is candidate minus champion, and higher is better."""

    metric: str
    row_count: int
    candidate: float
    champion: float
    difference: float
    low: float
    high: float
    p_worse: float
    method: str
    only_candidate_right: int | None = None
    only_champion_right: int | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long single-row calls took, in ms: quantiles of the quiet calls, which hardly waited for a core.

    Where too few were quiet, the quantiles are of all calls, less what the calling thread waited for a core. `low_ms`
    and `high_ms` are the 95 % interval of the p99. `waited` is the part of the time that the calls waited for a core,
    `steal` the part that a hypervisor took.
    """

    call_count: int
    quiet_count: int
    clock_p99_ms: float
    processor_p50_ms: float
    quantiles_ms: dict[str, float]
    low_ms: float
    high_ms: float
    load: float = 0.0
    steal: float = 0.0
    waited: float = 0.0

    @property
    def host(self) -> str:
        """The state of the host in words, for people."""
        return f"load {self.load:.1f}, {self.waited:.0%} of the time waited for a core, steal {self.steal:.0%}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The measurements of the judge, stored with the verdicts for later review."""

    row_count: int = 0
    metrics: dict[str, float] = {}
    champion_metrics: dict[str, float] = {}
    comparisons: tuple[Comparison, ...] = ()
    latency_ms: dict[str, float] = {}
    champion_latency_ms: dict[str, float] = {}
    latency: Latency | None = None
    champion_latency: Latency | None = None
    signature_changes: tuple[str, ...] | None = None
    holdout_digest: str = ""
    champion_number: int = 0
    profile: str = ""
    centres: dict[str, float] = {}
    error: str = ""


BUSY = "the host was busy"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    check: Check
    outcome: Outcome
    reason: str
    observed: float | None = None
    waived_by: str = ""
    waiver_reason: str = ""
    waived_at: datetime | None = None

    @property
    def is_of_busy_host(self) -> bool:
        """Whether the same check may well pass later, since the host did not let it be measured."""
        return self.outcome == "inconclusive" and self.check.kind == "latency" and BUSY in self.reason


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """All verdicts on one model version, bound to its digest."""

    model: str
    number: int
    digest: str
    loop: str
    turn: int
    created_at: datetime
    verdicts: tuple[Verdict, ...]
    evidence: Evidence
    version: int = 1

    @property
    def passed(self) -> bool:
        return all(verdict.outcome in ("pass", "waived") for verdict in self.verdicts)

    @property
    def summary(self) -> dict[str, Any]:
        return {verdict.check.name: verdict.outcome for verdict in self.verdicts}
