"""Verdicts from evidence: pure rules, one function for each kind of check."""

from __future__ import annotations

from collections.abc import Callable

from helicline.records.gate import BUSY, Check, Comparison, Evidence, Outcome, Verdict

ENOUGH_QUIET_CALLS = 100


def judge(check: Check, evidence: Evidence) -> Verdict:
    """Return the verdict on one check."""
    if evidence.error:
        return Verdict(check=check, outcome="error", reason=evidence.error)
    return RULES[check.kind](check, evidence)


def _limit(check: Check, evidence: Evidence) -> Verdict:
    value = evidence.metrics.get(check.metric)
    if value is None and check.metric in evidence.failures:
        return _failed(check, evidence)
    if value is None:
        measured = ", ".join(sorted(evidence.metrics)) or "none"
        return Verdict(
            check=check, outcome="no_data", reason=f"no metric {check.metric!r} was measured (known: {measured})"
        )
    holds = value >= check.limit if check.kind == "at_least" else value <= check.limit
    sign = ("≥" if holds else "<") if check.kind == "at_least" else ("≤" if holds else ">")
    outcome: Outcome = "pass" if holds else "fail"
    return Verdict(
        check=check, outcome=outcome, observed=value, reason=f"{check.metric} {value:.4f} {sign} {check.limit:g}"
    )


def _not_worse(check: Check, evidence: Evidence) -> Verdict:
    if not evidence.champion_number:
        return Verdict(check=check, outcome="pass", reason=f"there is no {check.than} to compare with")
    comparison = next((candidate for candidate in evidence.comparisons if candidate.metric == check.metric), None)
    if comparison is None and check.metric in evidence.failures:
        return _failed(check, evidence)
    if comparison is None:
        return Verdict(check=check, outcome="no_data", reason=f"{check.metric} was not compared with {check.than}")
    span = _span(comparison)
    if comparison.difference < -check.margin and comparison.p_worse < check.alpha:
        return Verdict(
            check=check, outcome="fail", observed=comparison.difference, reason=f"{check.metric} is worse: {span}"
        )
    if comparison.difference < -check.margin:
        shown = f"{comparison.row_count} rows do not show it"
        doubt = "no test tells how sure that is" if comparison.untested else shown
        reason = f"{check.metric} looks worse, but {doubt}: {span}"
        return Verdict(check=check, outcome="inconclusive", observed=comparison.difference, reason=reason)
    return Verdict(check=check, outcome="pass", observed=comparison.difference, reason=f"{check.metric} {span}")


def _span(comparison: Comparison) -> str:
    """Return the difference in words, with its interval or why there is none."""
    rows = f"{comparison.difference:+.4f} on {comparison.row_count} rows"
    if comparison.untested:
        return f"{rows}, no test possible: {comparison.untested}"
    groups = "" if comparison.group_count is None else f" in {comparison.group_count} groups"
    interval = f"{comparison.difference:+.4f} [{comparison.low:+.4f}, {comparison.high:+.4f}]"
    return f"{interval} on {comparison.row_count} rows{groups} ({comparison.method})"


def _failed(check: Check, evidence: Evidence) -> Verdict:
    reason = f"{check.metric} could not be measured: {evidence.failures[check.metric]}"
    return Verdict(check=check, outcome="error", reason=reason)


def _signature(check: Check, evidence: Evidence) -> Verdict:
    if not evidence.champion_number:
        return Verdict(check=check, outcome="pass", reason=f"there is no {check.than} to compare with")
    if evidence.signature_changes is None:
        return Verdict(check=check, outcome="no_data", reason="the candidate or the champion has no signature")
    if evidence.signature_changes:
        return Verdict(check=check, outcome="fail", reason="; ".join(evidence.signature_changes))
    return Verdict(check=check, outcome="pass", reason="same required inputs, same outputs")


def _latency(check: Check, evidence: Evidence) -> Verdict:
    p99 = evidence.latency_ms.get("p99")
    if p99 is None:
        return Verdict(check=check, outcome="no_data", reason="no latency was measured")
    outcome, remark = _latency_outcome(check.limit, p99, evidence)
    reason = f"p99 {p99:.2f} ms, allowed {check.limit:g} ms{remark}"
    return Verdict(check=check, outcome=outcome, observed=p99, reason=reason)


def _latency_outcome(limit: float, p99: float, evidence: Evidence) -> tuple[Outcome, str]:
    """Return the outcome, and a remark on it. A model fails only by what it does itself, never by a busy host."""
    latency, champion = evidence.latency, evidence.champion_latency
    if latency is None or p99 <= limit:
        return ("pass" if p99 <= limit else "fail"), ""
    interval = f" [{latency.low_ms:.2f}, {latency.high_ms:.2f}] in {latency.quiet_count} calls"
    if latency.processor_p50_ms > limit:
        return "fail", f"; half of the calls take {latency.processor_p50_ms:.2f} ms of the processor alone"
    if latency.quiet_count < ENOUGH_QUIET_CALLS:
        return (
            "inconclusive",
            f"; {BUSY} ({latency.host}): {latency.quiet_count} of {latency.call_count} calls ran freely",
        )
    if champion is not None and champion.quantiles_ms["p99"] > limit:
        beside = f"the champion took {champion.quantiles_ms['p99']:.2f} ms beside it"
        return "inconclusive", f"{interval}; {BUSY} ({latency.host}): {beside}"
    if latency.low_ms <= limit:
        return "inconclusive", f"{interval}: more calls would show it"
    return "fail", f"{interval}"


RULES: dict[str, Callable[[Check, Evidence], Verdict]] = {
    "at_least": _limit,
    "at_most": _limit,
    "not_worse": _not_worse,
    "signature": _signature,
    "latency": _latency,
}
