"""Logs of steps and model workers go by age and size; what may still be written to stays; it is said before they go."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from helicline.errors import Invalid
from helicline.loop.context import Context
from helicline.loop.trash import old_process_logs
from helicline.loop.trash.retention import Retention
from helicline.records.deployment import Deployment
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.rows import event

NOW = datetime.now(UTC)
OTHERS = ("server.log", "gateway.log", "worker.log", "worker-churn-2.log", "worker-churn-1.log.old")


def log_of(context, name, days, size=10):
    path = context.home / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    written = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (written, written))
    return path


def remaining(context):
    logs = context.home / "logs"
    return {str(path.relative_to(logs)) for path in logs.rglob("*") if path.is_file()}


def drop(context):
    return old_process_logs.drop(context, lambda unit: context.store.write(unit, actor="ann"))


def context_with(store, blobs, tmp_path, keep):
    times = {"created_at": NOW, "updated_at": NOW}
    churn = Deployment(name="churn", model="churn", stable=2, previous=1, **times)
    store.write(lambda tx: nouns.DEPLOYMENTS.put(tx, churn))
    return Context(store, blobs, Settings(home=str(tmp_path), process_log_keep=keep))


@pytest.fixture
def context(store, blobs, tmp_path):
    return context_with(store, blobs, tmp_path, "30d")


def test_old_logs_go_with_an_event_and_those_of_what_runs_stay(context):
    for name in (*OTHERS, "worker-gone-1.log", "attempts/old.log"):
        log_of(context, name, 40)
    log_of(context, "attempts/new.log", 20)
    (expected,) = old_process_logs.look(context)
    assert (expected.file_count, expected.freed_bytes) == (2, 20)
    assert drop(context) == (expected,)
    assert remaining(context) == {*OTHERS, "attempts/new.log"}
    (noted,) = context.store.read(lambda tx: event.latest(tx, noun="process_logs"))
    assert (noted.verb, noted.actor, noted.detail) == ("expired", "ann", {"files": 2, "bytes": 20})
    assert drop(context) == ()


def test_the_oldest_go_where_they_are_too_many_but_none_that_was_just_written(store, blobs, tmp_path):
    context = context_with(store, blobs, tmp_path, "0.001MB")
    for days in (3, 2, 1, 0):
        log_of(context, f"attempts/{days}.log", days, size=600)
    assert [report.file_count for report in drop(context)] == [3]
    assert remaining(context) == {"attempts/0.log"}


def test_the_server_does_it_every_hour(context):
    log_of(context, "attempts/old.log", 40)
    Retention(context).tick()
    assert remaining(context) == set()


@pytest.mark.parametrize("keep", ["churn=30d", "30", "soon"])
def test_a_setting_that_says_nothing_is_refused(keep):
    with pytest.raises(Invalid):
        _ = Settings(process_log_keep=keep).process_log_rule


def test_an_empty_setting_keeps_everything(store, blobs, tmp_path):
    context = context_with(store, blobs, tmp_path, "")
    log_of(context, "attempts/old.log", 4000)
    assert drop(context) == ()
