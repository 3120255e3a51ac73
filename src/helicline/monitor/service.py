"""Findings about how calls are answered: whether surely more of them fail, or are slow, than is allowed."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from helicline.records.monitor import Finding, MonitorSpec
from helicline.serving.evidence import log_bernoulli

ALPHA = 0.01
SLOW = 0.01  # of calls may take longer than their p99 may be


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a window: all, those that failed, those that were slower than asked, and their p99."""

    count: int = 0
    failed: int = 0
    slow: int = 0
    p99_ms: float = 0.0


def findings(spec: MonitorSpec, calls: Calls) -> list[Finding]:
    """Return a finding for each limit of the spec; critical with evidence against "no more than allowed" (exact)."""
    judged = []
    if spec.error_rate is not None:
        share = calls.failed / calls.count if calls.count else 0.0
        judged.append(
            Finding(
                column="error rate",
                statistic="share",
                value=share,
                threshold=spec.error_rate,
                detail=f"{calls.failed} of {calls.count} calls failed, allowed {spec.error_rate:.2%}",
                **_verdict(calls.failed, calls.count, limit=spec.error_rate),
            )
        )
    if spec.p99_ms is not None:
        judged.append(
            Finding(
                column="latency",
                statistic="p99 ms",
                value=calls.p99_ms,
                threshold=spec.p99_ms,
                detail=f"{calls.slow} of {calls.count} calls took longer than {spec.p99_ms:g} ms, allowed {SLOW:.0%}",
                **_verdict(calls.slow, calls.count, limit=SLOW),
            )
        )
    return judged


def _verdict(bad: int, count: int, *, limit: float) -> dict[str, Any]:
    evidence = log_bernoulli(bad, count, limit)
    return {
        "p_value": min(1.0, math.exp(-max(evidence, 0.0))),
        "severity": "critical" if evidence >= math.log(1 / ALPHA) else "ok",
        "window_count": count,
        "reference_count": 0,
    }
