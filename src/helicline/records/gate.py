"""Gates: the checks of a candidate, their evidence, and their verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from helicline.records.metric import Better, MetricSpec, spec_of

MEASURED = ("at_least", "at_most", "not_worse")
Outcome = Literal["pass", "fail", "inconclusive", "no_data", "error", "waived"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. at_least: metric >= limit. not_worse: paired comparison with an alias, within margin.

    latency: p99 of single-row calls <= limit ms, on a host that lets them run.
    signature: inputs and outputs compatible with the alias.
    `metric` is the name of a metric; one that is no plain built-in one has a `definition` of that name.
    """

    kind: Literal["at_least", "at_most", "not_worse", "signature", "latency"]
    metric: str = ""
    limit: float = 0.0
    margin: float = 0.0
    than: str = "champion"
    alpha: float = 0.05
    definition: MetricSpec | None = None

    @property
    def measured(self) -> MetricSpec | None:
        """The metric that the judge computes for it; None for what only a pipeline can report, and for other checks."""
        if self.kind not in MEASURED:
            return None
        return self.definition or spec_of(self.metric)

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.metric}" if self.metric else self.kind


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A paired comparison on the same rows; `difference` is candidate minus champion, and higher is better.

    `better` is the direction of the metric itself, `group_count` how many groups of rows were compared, and `untested`
    why no test tells how sure the difference is ("" where one does; then there is an interval).
    """

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
    better: Better | None = None
    group_count: int | None = None
    untested: str = ""


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
    """The measurements of the judge, stored with the verdicts for later review.

    `failures` says by metric why it was not measured or compared, `untested` what no check has looked at.
    """

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
    failures: dict[str, str] = {}
    untested: tuple[str, ...] = ()
    error: str = ""


BUSY = "the host was busy"
NO_HOLDOUT = "the pipeline has no hold-out: no metric was measured, and the models were not compared on the same rows"


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
