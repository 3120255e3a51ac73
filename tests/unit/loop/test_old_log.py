"""The log is dropped by age and size, and never what something still asks for; it is said before it goes."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from helicline.errors import Conflict, Invalid
from helicline.loop.context import Context
from helicline.loop.monitors.monitor_windows import windows_of_alert
from helicline.loop.trash import old_log
from helicline.loop.trash.retention import Retention
from helicline.records.deployment import Deployment
from helicline.records.loop import Leg, Loop, TriggerSpec
from helicline.records.monitor import Monitor, MonitorSpec, Window
from helicline.serving.prediction_log import profiles
from helicline.serving.prediction_log.files import listed
from helicline.serving.prediction_log.merge import Merger
from helicline.settings import KeepRule, Settings, load
from helicline.store import durable, nouns
from helicline.store.rows import event
from support.prediction_log import SCHEMA, Log, call, id_of, outcome, rename_as_before, rollout
from support.records import loop_spec, turn

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


@pytest.fixture
def context(store, blobs, tmp_path):
    return Context(store, blobs, Settings(home=str(tmp_path), log_keep="30d, small=1000d, small=0.1MB"))


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def days_ago(days):
    return NOW - days * DAY


def fill(log, *days):
    for day in days:
        log.add(SCHEMA, call(days_ago(day)))
        log.add(outcome(days_ago(day), id_of(days_ago(day))), kind="labels")


def ages(context, table="predictions", deployment="churn"):
    files = listed(context.home, table, deployment=deployment)
    return [round((NOW - file.begun_at) / DAY) for file in files]


def drop(context):
    return old_log.drop(context, lambda unit: context.store.write(unit, actor="ann"))


def test_what_is_older_than_the_setting_goes_with_an_event(context, log):
    fill(log, 90, 31, 29, 1)
    profiles.write(listed(context.home, "predictions", deployment="churn")[0].path, {})
    (expected,) = old_log.look(context)
    assert ages(context) == [90, 31, 29, 1]
    assert [msgspec.structs.replace(part, before=expected.before) for part in drop(context)] == [expected]
    assert (ages(context), ages(context, "labels")) == ([29, 1], [29, 1])
    assert (expected.deployment, expected.file_count, expected.needed) == ("churn", 4, "")
    assert timedelta() <= expected.before - days_ago(30) < timedelta(hours=1)
    (noted,) = context.store.read(lambda tx: event.latest(tx, noun="prediction_log", id="", before=0, limit=9))
    assert (noted.verb, noted.id, noted.actor, noted.detail["files"]) == ("expired", "churn", "ann", 4)
    assert noted.detail["bytes"] == expected.freed_bytes > 0
    assert drop(context) == ()


def test_what_is_dropped_leaves_nothing_behind_nor_brings_back_what_it_replaced(context, log):
    fill(log, 40, 40.001)
    Merger(context.home).run(days_ago(38))
    drop(context)
    assert ages(context) == []
    assert [path.name for path in context.home.glob("tables/*/*/*/*")] == []


def test_the_folder_of_today_stays_for_the_sealer(context, log):
    fill(log, 0.2, 5)
    short = Context(context.store, context.blobs, Settings(home=str(context.home), log_keep="1h"))
    old_log.drop(short, lambda unit: context.store.write(unit, actor="ann"))
    assert {path.name for path in context.home.glob("tables/predictions/*/*")} == {f"date={days_ago(0.2):%Y-%m-%d}"}


def test_the_newest_files_stay_within_the_size(context, log):
    for day in (9, 8, 7, 1):
        log.add(SCHEMA, call(days_ago(day), deployment="small"))
        path = listed(context.home, "predictions", deployment="small")[-1].path
        profiles.beside(path).write_bytes(b"x" * 40_000)
    drop(context)
    assert ages(context, deployment="small") == [7, 1]


def test_an_empty_setting_keeps_everything(context, log):
    fill(log, 9000)
    settings = Settings(home=str(context.home), log_keep="")
    assert old_log.look(Context(context.store, context.blobs, settings)) == ()


def test_rows_stay_as_long_as_labels_still_come(context, log):
    fill(log, 90, 50, 40)
    log.add(outcome(days_ago(2), id_of(days_ago(50))), kind="labels")
    (part,) = drop(context)
    assert ages(context) == [40]
    assert "48.0 days" in part.needed


def test_names_of_earlier_versions_tell_nothing_so_all_stays(context, log):
    fill(log, 90)
    log.add(outcome(days_ago(2), id_of(days_ago(3))), kind="labels")
    rename_as_before(listed(context.home, "labels", deployment="churn")[-1].path)
    (part,) = drop(context)
    assert (part.file_count, bool(part.needed)) == (0, True)


ROLLOUT = rollout(number=1, created_at=days_ago(60))
MONITOR = Monitor(
    deployment="churn",
    name="drift",
    spec=MonitorSpec(kind="drift", window_s=4 * 86400),
    loop="churn",
    created_at=days_ago(99),
    wake_at=None,
)


@pytest.mark.parametrize(("noun", "record"), [(nouns.ROLLOUTS, ROLLOUT), (nouns.MONITORS, MONITOR)])
def test_a_running_rollout_and_a_monitor_keep_what_they_look_back_to(context, log, noun, record):
    fill(log, 90, 50)
    context.store.write(lambda tx: noun.insert(tx, record))
    (part,) = drop(context)
    assert ages(context) == [50]
    assert record.id in part.needed


def harvesting_loop():
    return Loop(
        name="churn",
        spec=loop_spec(triggers=(TriggerSpec(kind="alert", harvest=True),)),
        spec_hash="",
        spec_version=1,
        created_at=days_ago(99),
        updated_at=days_ago(99),
        updated_by="ann",
    )


def test_rows_that_were_labelled_since_the_last_harvest_stay(context, log):
    fill(log, 90, 60, 40)
    context.store.write(lambda tx: nouns.LOOPS.insert(tx, harvesting_loop()))
    (part,) = drop(context)
    assert (ages(context), "harvest" in part.needed) == ([90, 60, 40], True)
    leg = Leg(name="data", started_at=days_ago(50))
    harvest = turn("PROMOTED", legs=(leg,), dataset_version="rows@1")
    context.store.write(lambda tx: nouns.TURNS.insert(tx, harvest))
    drop(context)
    assert ages(context) == [40]


def test_feedback_without_a_deployment_stays_as_long_as_any_needs_it(context, log):
    fill(log, 90, 50)
    log.add(outcome(days_ago(55), "x", deployment="_unknown"), kind="labels")
    log.add(outcome(days_ago(70), "x", deployment="_unknown"), kind="labels")
    log.add(outcome(days_ago(2), id_of(days_ago(62))), kind="labels")
    drop(context)
    assert ages(context, "labels", "_unknown") == [55]


def test_old_windows_go_but_the_newest_of_each_monitor(context):
    monitor = msgspec.structs.replace(MONITOR, deployment="d", spec=MonitorSpec(kind="drift"))
    deployment = Deployment(name="d", model="m", created_at=days_ago(99), updated_at=days_ago(99))
    judged_by = windows_of_alert(monitor.spec)
    context.store.write(lambda tx: (nouns.MONITORS.insert(tx, monitor), nouns.DEPLOYMENTS.insert(tx, deployment)))
    for day in range(31, 31 + judged_by + 5):
        window = Window(
            deployment="d", monitor="drift", start=days_ago(day + 1), end=days_ago(day),
            severity="ok", row_count=1, model_version=1,
        )  # fmt: skip
        context.store.write(lambda tx, window=window: nouns.WINDOWS.put(tx, window))
    (expected,) = old_log.look(context)
    assert expected.window_count == 5
    drop(context)
    assert context.store.read(lambda tx: nouns.WINDOWS.count(tx)) == judged_by


def test_while_a_backup_reads_nothing_goes(context, log):
    fill(log, 90)
    with durable.lock(context.home / "tables" / durable.MERGE_LOCK, is_shared=True), pytest.raises(Conflict):
        drop(context)
    assert ages(context) == [90]


def test_the_server_drops_by_itself(context, log):
    fill(log, 90)
    assert Retention(context).tick() == 0
    assert ages(context) == []


def test_the_setting_is_read_with_its_units(tmp_path):
    rules = Settings(log_keep="400d, 50GB, churn=1.5h").log_rules
    assert rules[""] == KeepRule(400 * DAY, 50 * 10**9)
    assert rules["churn"] == KeepRule(timedelta(hours=1.5))


@pytest.mark.parametrize("text", ["400", "d", "churn:30d", "=30d", "-1d", "30d 40d", "churn=", "1e9d"])
def test_a_setting_that_means_nothing_is_refused(tmp_path, text):
    with pytest.raises(Invalid):
        load(tmp_path, {"HELICLINE_LOG_KEEP": text})
