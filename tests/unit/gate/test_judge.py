"""From evidence to verdicts: a table."""

import pytest

from helicline.gate.judge import judge
from helicline.records.gate import Check, Comparison, Evidence, Latency


def compared(difference, p_worse, metric="auc"):
    return Comparison(
        metric=metric, row_count=500, candidate=0.8, champion=0.8, difference=difference, low=difference - 0.01,
        high=difference + 0.01, p_worse=p_worse, method="DeLong",
    )  # fmt: skip


def measured(p99, *, low=None, quiet=400, processor=1.0, champion=None):
    """Evidence of 500 calls of which some were quiet."""

    def latency(value, low):
        return Latency(
            call_count=500, quiet_count=quiet, clock_p99_ms=163.0, processor_p50_ms=processor,
            quantiles_ms={"p99": value}, low_ms=value - 1 if low is None else low, high_ms=value + 1,
            load=7.0, waited=0.7,
        )  # fmt: skip

    return Evidence(
        latency_ms={"p99": p99},
        latency=latency(p99, low),
        champion_latency=None if champion is None else latency(champion, None),
        champion_number=0 if champion is None else 3,
    )


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
    (Check(kind="latency", limit=100.0), measured(40.0, quiet=3), "pass"),
    (Check(kind="latency", limit=100.0), measured(120.0), "fail"),
    (Check(kind="latency", limit=100.0), measured(120.0, champion=40.0), "fail"),
    (Check(kind="latency", limit=100.0), measured(120.0, champion=130.0), "inconclusive"),
    (Check(kind="latency", limit=100.0), measured(120.0, low=90.0), "inconclusive"),
    (Check(kind="latency", limit=100.0), measured(120.0, quiet=99), "inconclusive"),
    (Check(kind="latency", limit=100.0), measured(120.0, quiet=99, processor=101.0), "fail"),
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


def test_a_busy_host_is_named_with_its_numbers():
    verdict = judge(Check(kind="latency", limit=100.0), measured(163.85, quiet=12))
    assert verdict.reason == (
        "p99 163.85 ms, allowed 100 ms; the host was busy (load 7.0, 70% of the time waited for a core, steal 0%): "
        "12 of 500 calls ran freely"
    )
    assert verdict.is_of_busy_host
    assert not judge(Check(kind="latency", limit=100.0), measured(120.0, low=90.0)).is_of_busy_host


def test_nan_never_passes():
    evidence = Evidence(metrics={"auc": float("nan")}, latency_ms={"p99": float("nan")})
    checks = [Check(kind="at_least", metric="auc"), Check(kind="at_most", metric="auc"), Check(kind="latency")]
    assert [judge(check, evidence).outcome for check in checks] == ["fail"] * 3
