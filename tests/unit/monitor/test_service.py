"""A monitor of calls: it fires where surely more of them fail or are slow than is allowed, and begins no turn."""

from datetime import timedelta

import msgspec
import pytest

import helicline as hl
from helicline.errors import Invalid
from helicline.loop.context import Context
from helicline.loop.monitors import monitor_windows
from helicline.monitor import alerting, service
from helicline.records.deployment import Deployment, Revision
from helicline.records.monitor import Alert, Monitor
from helicline.settings import Settings
from support.prediction_log import NOON, SCHEMA, Log, call
from support.records import NOW

SPEC = hl.service(p99_ms=50, error_rate=0.01, min_calls=10)


@pytest.mark.parametrize(
    ("count", "failed", "slow", "severities"),
    [
        (1000, 0, 0, ["ok", "ok"]),
        (1000, 10, 10, ["ok", "ok"]),
        (1000, 40, 0, ["critical", "ok"]),
        (1000, 0, 40, ["ok", "critical"]),
        (10, 5, 0, ["critical", "ok"]),
        (0, 0, 0, ["ok", "ok"]),
    ],
)
def test_more_than_allowed_has_to_be_sure(count, failed, slow, severities):
    judged_calls = service.findings(SPEC, service.Calls(count=count, failed=failed, slow=slow, p99_ms=12.0))
    assert [finding.severity for finding in judged_calls] == severities


def test_only_what_is_limited_is_judged():
    (finding,) = service.findings(hl.service(error_rate=0.5), service.Calls(count=4, failed=1))
    assert (finding.column, finding.value, finding.threshold) == ("error rate", 0.25, 0.5)
    with pytest.raises(Invalid, match="p99_ms, error_rate, or both"):
        hl.service()


def judged(store, home, clock):
    clock.advance((NOON + timedelta(minutes=10) - clock.now()).total_seconds())
    deployment = Deployment(name="churn", model="m", created_at=NOON, updated_at=NOON, stable=1)
    revision = Revision(
        deployment="churn", number=1, model="m", model_version=7, digest="", created_at=NOON, state="READY"
    )
    monitor = Monitor(deployment="churn", name="service", spec=SPEC, loop="churn", created_at=NOON, wake_at=NOON)
    subject = monitor_windows.Subject(deployment, revision, NOON - timedelta(hours=1), "")
    context = Context(store, None, Settings(home=str(home)))
    return monitor_windows._judged(context, monitor, subject, now=clock.now())


def test_a_window_counts_the_calls_of_what_serves_as_the_log_has_them(timed, tmp_path, clock):
    log = Log(tmp_path)
    lines = [call(NOON + timedelta(seconds=at), number=at, latency_us=1000 * at) for at in range(1, 100)]
    failed = [msgspec.structs.replace(line, status=503) for line in lines[:20]]
    replayed = [msgspec.structs.replace(line, fallback_reason="crashed") for line in lines[20:25]]
    wrong = [msgspec.structs.replace(line, status=400) for line in lines[25:30]]
    of_another = [msgspec.structs.replace(line, revision=2, status=500) for line in lines[30:40]]
    log.add(SCHEMA, *failed, *replayed, *wrong, *of_another, *lines[40:])
    window = judged(timed, tmp_path, clock)
    assert (window.severity, window.row_count) == ("critical", 89)
    errors, latency = window.findings
    assert errors.detail == "25 of 89 calls failed, allowed 1.00%"
    assert latency.detail == "49 of 89 calls took longer than 50 ms, allowed 1%"
    assert 98 <= latency.value <= 99


def test_too_few_calls_are_told(timed, tmp_path, clock):
    Log(tmp_path).add(SCHEMA, call(NOON))
    window = judged(timed, tmp_path, clock)
    assert (window.severity, window.reason) == ("insufficient_data", "1 of at least 10 rows")


def test_its_alerts_begin_no_turn():
    alert = Alert(
        deployment="churn", number=1, monitor="service", kind="service", state="firing", severity="critical",
        summary="slow", opened_at=NOW, last_seen_at=NOW, model_version=1,
    )  # fmt: skip
    assert "nothing that training mends" in alerting.why_no_turn(alert)
