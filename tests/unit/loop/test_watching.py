"""Windows of a monitor that are kept: every one that was judged, and one for all the time without traffic."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from helicline.loop.monitors import monitor_windows
from helicline.records.monitor import Monitor, MonitorSpec, Window
from helicline.serving.prediction_log.files import listed
from helicline.store import nouns
from support.prediction_log import NOON, SCHEMA, Log, call, id_of, outcome, spoil
from support.records import NOW


@pytest.fixture
def stored_windows(store):
    """Keep windows of these (severity, row count), a second apart; return what then stands, oldest first."""
    monitor = Monitor(
        deployment="d", name="drift", spec=MonitorSpec(kind="drift"), loop="d", created_at=NOW, wake_at=NOW
    )
    store.write(lambda tx: nouns.MONITORS.insert(tx, monitor))

    def keep(*judged):
        for at, (severity, rows) in enumerate(judged):
            end = NOW + timedelta(seconds=at + 1)
            window = Window(
                deployment="d", monitor="drift", start=NOW, end=end, severity=severity, row_count=rows, model_version=1
            )
            now = store.read(lambda tx: nouns.MONITORS.get(tx, "d", "drift"))
            store.write(lambda tx, now=now, window=window: monitor_windows._keep(tx, now, None, window))
        stored = store.read(lambda tx: monitor_windows.latest_windows(tx, "d", "drift", limit=50))
        return [(window.severity, window.row_count) for window in reversed(stored)]

    return keep


def test_a_time_without_traffic_is_one_window(stored_windows):
    idle = ("insufficient_data", 0)
    assert stored_windows(("ok", 300), idle, idle, idle, ("ok", 250), idle) == [("ok", 300), idle, ("ok", 250), idle]


def test_windows_with_some_rows_are_all_kept(stored_windows):
    few = [("insufficient_data", count) for count in (3, 5, 0, 7)]
    assert stored_windows(*few) == few


def test_a_performance_window_reads_no_further_back_than_it_reaches(store, tmp_path):
    """The log of a year before, and of a day on which nothing was asked, is not opened."""
    log, now = Log(tmp_path), NOON + timedelta(days=400)
    for moment in (NOON, now - timedelta(days=1), now - timedelta(minutes=3)):
        log.add(SCHEMA, call(moment))
        log.add(outcome(moment, id_of(moment), "0"), kind="labels")
    for table in ("predictions", "labels"):
        spoil(file.path for file in listed(log.home, table, deployment="churn")[:2])
    spec = MonitorSpec(kind="performance", metric="accuracy", at_least=0.5, window_s=300, min_rows=2)
    monitor = Monitor(deployment="churn", name="p", spec=spec, loop="churn", created_at=NOON, wake_at=NOON)
    subject = SimpleNamespace(revision=SimpleNamespace(number=1), since=NOON)
    context = SimpleNamespace(store=store, home=log.home)
    count, start, _ = monitor_windows._performance(context, monitor, subject, now=now)
    assert (count, start) == (1, now - timedelta(seconds=300 * monitor_windows.REACH))
