"""Feedback that belongs to no prediction is told after a day; labels that change after a decision read them, too."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from helicline.loop.context import Context
from helicline.loop.monitors.feedback_check import FeedbackCheck
from helicline.loop.overview import needs
from helicline.records.deployment import Guard
from helicline.records.loop import Leg, Loop
from helicline.records.monitor import Monitor, MonitorSpec, Window
from helicline.serving.prediction_log import labels
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.rows import event
from support.prediction_log import SCHEMA, Log, call, id_of, outcome, rollout, spoil
from support.records import loop_spec, turn

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


@pytest.fixture
def check(timed, blobs, tmp_path):
    """A check that has looked once, at the start; `timed` has a clock that is moved by hand."""
    timed.clock.advance((START - timed.clock.now()).total_seconds())
    check = FeedbackCheck(Context(timed, blobs, Settings(home=str(tmp_path))))
    check.tick()
    return check


@pytest.fixture
def later(check, timed):
    """Let a time pass in rounds of an hour."""

    def pass_time(hours):
        for _ in range(hours):
            timed.clock.advance(3600)
            check.tick()

    return pass_time


def noted(store):
    return [
        (row.verb, row.id, row.detail["count"])
        for row in store.read(lambda tx: event.latest(tx, noun="feedback", limit=99))
    ][::-1]


def predict(log, *hours):
    for hour in hours:
        log.add(SCHEMA, call(START + hour * HOUR))
    return [id_of(START + hour * HOUR) for hour in hours]


def label(log, prediction_id, hour, value="1", **more):
    log.add(outcome(START + hour * HOUR, prediction_id, value, **more), kind="labels")


def test_a_label_waits_a_day_for_its_prediction_and_is_then_told_as_lost(log, timed, later):
    (call_id,) = predict(log, 0.1)
    strange = id_of(START + HOUR, 77)
    label(log, call_id, 0.2)
    label(log, strange, 0.2)
    label(log, "chosen-by-a-client", 0.3)
    later(23)
    assert noted(timed) == []
    later(3)
    assert noted(timed) == [("lost", "churn", 2)]
    (need,) = [need for need in timed.read(needs.needs_of) if need.kind == "feedback"]
    assert need.sentence.startswith("2 predictions that got labels were never made by churn (like ")
    later(24 * 8)
    assert [need for need in timed.read(needs.needs_of) if need.kind == "feedback"] == []


def test_a_prediction_that_comes_after_its_label_is_not_lost(log, timed, later):
    predict(log, 0.1)
    label(log, id_of(START + 2 * HOUR), 1)
    later(3)
    predict(log, 2)
    later(30)
    assert noted(timed) == []


def test_feedback_without_a_deployment_is_looked_for_in_all(log, timed, later):
    (call_id,) = predict(log, 0.1)
    label(log, call_id, 0.2, deployment="_unknown")
    label(log, id_of(START + HOUR, 77), 0.2, deployment="_unknown")
    later(30)
    assert noted(timed) == [("lost", "_unknown", 1)]


def test_an_id_that_is_older_than_the_log_may_have_been_dropped(log, timed, later):
    predict(log, 0.1)
    label(log, id_of(START - 900 * HOUR), 0.2)
    later(30)
    assert noted(timed) == []


def test_only_files_that_may_hold_the_ids_are_read(log, tmp_path):
    call_id, other = predict(log, 0.1, 5)
    label(log, call_id, 6)
    spoil([file.path for file in labels.listed(tmp_path, "predictions", deployment="churn", since=START + 4 * HOUR)])
    assert labels.never_made(tmp_path, "churn", since=START, until=START + 9 * HOUR) == []
    assert other > call_id


def monitor(store):
    spec = MonitorSpec(kind="performance", metric="accuracy", at_least=0.8)
    watch = Monitor(deployment="churn", name=spec.name, spec=spec, loop="churn", created_at=START, wake_at=START)
    store.write(lambda tx: nouns.MONITORS.insert(tx, watch))
    return watch


def judge(store, watch, hour, severity="ok"):
    window = Window(
        deployment="churn", monitor=watch.name, start=START, end=START + hour * HOUR, severity=severity, row_count=9,
        model_version=1,
    )  # fmt: skip
    store.write(lambda tx: nouns.WINDOWS.insert(tx, window))


def test_a_label_that_changes_after_a_window_was_judged_by_it_is_an_event(log, timed, later):
    (call_id,) = predict(log, 0.1)
    watch = monitor(timed)
    label(log, call_id, 0.2, "1")
    judge(timed, watch, 1)
    later(2)
    label(log, call_id, 2, "0", source="mallory")
    later(2)
    assert noted(timed) == [("changed", "churn", 1)]
    (row,) = timed.read(lambda tx: event.latest(tx, noun="feedback"))
    assert row.detail["used_by"] == [f"churn:{watch.name}@2026-03-04T13:00"]
    (example,) = row.detail["examples"]
    assert example == {
        "prediction_id": call_id, "row": 0, "name": "label", "before": "1", "after": "0", "source": "mallory"
    }  # fmt: skip
    later(5)
    assert len(noted(timed)) == 1


@pytest.mark.parametrize(
    ("second", "judged_at", "severity"),
    [("1", 1, "ok"), ("0", 0.15, "ok"), ("0", 3, "ok"), ("0", 1, "insufficient_data")],
    ids=["the same value", "judged before", "judged after", "not judged"],
)
def test_a_label_that_no_decision_read_before_it_changed_is_none(log, timed, later, second, judged_at, severity):
    (call_id,) = predict(log, 0.1)
    watch = monitor(timed)
    label(log, call_id, 0.2, "1")
    judge(timed, watch, judged_at, severity)
    label(log, call_id, 2, second)
    later(5)
    assert noted(timed) == []


def test_a_guard_reads_labels_as_long_as_its_rollout_runs(log, timed, later):
    (call_id,) = predict(log, 0.3)
    under_way = rollout(1, START + 0.2 * HOUR)
    plan = msgspec.structs.replace(under_way.plan, guards=(Guard(kind="correct"),))
    ended = msgspec.structs.replace(under_way, plan=plan, state="SUCCEEDED", finished_at=START + HOUR)
    timed.write(lambda tx: nouns.ROLLOUTS.insert(tx, ended))
    label(log, call_id, 0.5, "1")
    label(log, call_id, 2, "0")
    later(4)
    assert noted(timed) == [("changed", "churn", 1)]


def test_a_harvest_has_read_the_labels_that_came_before_it(log, timed, later):
    (call_id,) = predict(log, 0.1)
    times = {"created_at": START, "updated_at": START, "updated_by": "ada"}
    spec = loop_spec(label="label")
    timed.write(
        lambda tx: nouns.LOOPS.insert(tx, Loop(name="churn", spec=spec, spec_hash="h", spec_version=1, **times))
    )
    leg = Leg(name="data", started_at=START + HOUR, finished_at=START + HOUR)
    harvested = turn("PROMOTED", created_at=START + HOUR, harvest=True, dataset_version="customers:1", legs=(leg,))
    timed.write(lambda tx: nouns.TURNS.insert(tx, harvested))
    label(log, call_id, 0.2, "1")
    label(log, call_id, 2, "0")
    later(3)
    (row,) = timed.read(lambda tx: event.latest(tx, noun="feedback"))
    assert (row.verb, row.detail["used_by"]) == ("changed", ["churn~1"])
