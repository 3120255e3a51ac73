"""Windows of a monitor that are kept: every one that was judged, and one for all the time without traffic."""

from datetime import timedelta

import pytest

from helicline.loop import monitor_windows
from helicline.records.monitor import Monitor, MonitorSpec, Window
from helicline.store import nouns
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
