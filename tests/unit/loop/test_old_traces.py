"""Traces go by the age that the setting says for their experiment, with their files, and with an event first."""

from datetime import UTC, datetime, timedelta

import pytest

from helicline import trace, tracking
from helicline.errors import Invalid
from helicline.loop.context import Context
from helicline.loop.trash import old_traces
from helicline.loop.trash.retention import Retention
from helicline.settings import Settings, load
from helicline.store.rows import event
from helicline.store.rows import trash as trash_rows

NOW = datetime.now(UTC)


def days_ago(days):
    return (NOW - timedelta(days=days)).isoformat()


@pytest.fixture
def context(store, blobs, tmp_path):
    return Context(store, blobs, Settings(home=str(tmp_path), trace_keep="90d, chat=30d"))


def put(context, experiment_id, *days):
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    for day in days:
        record = {"trace_id": f"tr-{experiment_id}-{day}", "trace_location": place, "request_time": days_ago(day)}
        context.store.write(lambda tx, record=record: trace.put_trace(tx, record))


def remaining(context, experiment_id):
    return sorted(context.store.read(lambda tx: trash_rows.traces_of(tx, experiment_id, limit=100)))


def drop(context):
    return old_traces.drop(context, lambda unit: context.store.write(unit, actor="ann"))


def test_each_experiment_has_its_age(context):
    chat = context.store.write(lambda tx: tracking.create_experiment(tx, "chat")).experiment_id
    put(context, "0", 120, 60)
    put(context, chat, 60, 31, 29)
    expected = {(report.name, report.trace_count) for report in old_traces.look(context)}
    assert expected == {("Default", 1), ("chat", 2)}
    assert {(report.name, report.trace_count) for report in drop(context)} == expected
    assert (remaining(context, "0"), remaining(context, chat)) == (["tr-0-60"], [f"tr-{chat}-29"])
    noted = context.store.read(lambda tx: event.latest(tx, noun="traces", id="", before=0, limit=9))
    assert {(each_event.verb, each_event.id, each_event.detail["count"]) for each_event in noted} == {
        ("expired", "0", 1),
        ("expired", chat, 2),
    }
    assert drop(context) == ()


def test_more_than_one_transaction_takes_go_all(context):
    put(context, "0", *range(100, 100 + old_traces.FEW + 3))
    drop(context)
    assert remaining(context, "0") == []


def test_the_files_of_a_trace_go_with_it(context):
    put(context, "0", 120)
    digest, size = context.blobs.put([b"attached"])
    path = "0/traces/tr-0-120/artifacts/a.txt"
    context.store.write(lambda tx: tracking.put_artifact(tx, path, hash=digest, size=size))
    assert context.store.read(lambda tx: set(trash_rows.named_digests(tx))) == {digest}
    Retention(context).tick()
    assert context.store.read(lambda tx: set(trash_rows.named_digests(tx))) == set()


def test_without_a_setting_all_stay(context):
    put(context, "0", 9000)
    assert old_traces.look(Context(context.store, context.blobs, Settings())) == ()


def test_a_size_is_refused(tmp_path):
    with pytest.raises(Invalid, match="trace_keep"):
        load(tmp_path, {"HELICLINE_TRACE_KEEP": "5GB"})
