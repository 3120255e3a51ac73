"""From evidence to verdicts: a table."""

import pytest

from helicline.gate.judge import judge
from helicline.records.gate import Check, Comparison, Evidence


def compared(difference, p_worse, metric="auc"):
    return Comparison(
        metric=metric, row_count=500, candidate=0.8, champion=0.8, difference=difference, low=difference - 0.01,
        high=difference + 0.01, p_worse=p_worse, method="DeLong",
    )  # fmt: skip


NOT_WORSE = Check(kind="not_worse", metric="auc", margin=0.005)
MEASURED = Evidence(metrics={"auc": 0.8, "mae": 2.0}, latency_ms={"p99": 12.0})
AGAINST = {"champion_number": 3}

TABLE = [
    (Check(kind="at_least", metric="auc", limit=0.8), MEASURED, "pass"),
    (Check(kind="at_least", metric="auc", limit=0.80001), MEASURED, "fail"),
    (Check(kind="at_most", metric="mae", limit=2.0), MEASURED, "pass"),
    (Check(kind="at_most", metric="mae", limit=1.9), MEASURED, "fail"),
    (Check(kind="at_least", metric="f1", limit=0.1), MEASURED, "no_data"),
    (Check(kind="latency", limit=12.0), MEASURED, "pass"),
    (Check(kind="latency", limit=11.0), MEASURED, "fail"),
    (Check(kind="latency", limit=11.0), Evidence(), "no_data"),
    (NOT_WORSE, Evidence(), "pass"),
    (NOT_WORSE, Evidence(**AGAINST), "no_data"),
    (NOT_WORSE, Evidence(comparisons=(compared(0.01, 0.99),), **AGAINST), "pass"),
    (NOT_WORSE, Evidence(comparisons=(compared(-0.004, 0.4),), **AGAINST), "pass"),
    (NOT_WORSE, Evidence(comparisons=(compared(-0.02, 0.01),), **AGAINST), "fail"),
    (NOT_WORSE, Evidence(comparisons=(compared(-0.02, 0.20),), **AGAINST), "inconclusive"),
    (NOT_WORSE, Evidence(comparisons=(compared(-0.02, 0.01, "accuracy"),), **AGAINST), "no_data"),
    (Check(kind="signature"), Evidence(), "pass"),
    (Check(kind="signature"), Evidence(**AGAINST), "no_data"),
    (Check(kind="signature"), Evidence(signature_changes=(), **AGAINST), "pass"),
    (Check(kind="signature"), Evidence(signature_changes=("input x is gone",), **AGAINST), "fail"),
]


@pytest.mark.parametrize(("check", "evidence", "outcome"), TABLE)
def test_a_check_gives_its_verdict(check, evidence, outcome):
    assert judge(check, evidence).outcome == outcome


@pytest.mark.parametrize("check", [row[0] for row in TABLE])
def test_a_judge_that_failed_passes_nothing(check):
    verdict = judge(check, Evidence(error="the model did not load"))
    assert (verdict.outcome, verdict.reason) == ("error", "the model did not load")


def test_nan_never_passes():
    evidence = Evidence(metrics={"auc": float("nan")}, latency_ms={"p99": float("nan")})
    checks = [Check(kind="at_least", metric="auc"), Check(kind="at_most", metric="auc"), Check(kind="latency")]
    assert [judge(check, evidence).outcome for check in checks] == ["fail"] * 3
