"""Windows of a monitor that are kept: every one that was judged, and one for all the time without traffic."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from helicline.loop.context import Context
from helicline.loop.monitors import monitor_windows
from helicline.protocol.rest.loops import monitor_details
from helicline.records.deployment import Deployment, Revision
from helicline.records.monitor import Finding, Monitor, MonitorSpec, Window
from helicline.serving.prediction_log import labels
from helicline.serving.prediction_log.files import listed
from helicline.settings import Settings
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


DAILY = {"window_s": 86_400.0, "min_rows": 2}


class Late:
    """Predictions of 100 days, one a day, whose labels come `delay` days later, seen `days` after the first."""

    def __init__(self, store, home, clock, *, delay, days, good_until=1000):
        self.log, self.context = Log(home), Context(store, None, Settings(home=str(home)))
        clock.advance((NOON + timedelta(days=days) - clock.now()).total_seconds())
        for day in range(days):
            made_at = NOON + timedelta(days=day)
            self.log.add(SCHEMA, call(made_at))
            if made_at + timedelta(days=delay) <= clock.now():
                value = "0" if day < good_until else "1"
                self.log.add(outcome(made_at + timedelta(days=delay), id_of(made_at), value), kind="labels")

    def judged(self, **spec):
        monitor = Monitor(
            deployment="churn",
            name="p",
            spec=MonitorSpec(**{"kind": "performance", "metric": "accuracy", "at_least": 0.5, **DAILY, **spec}),
            loop="churn",
            created_at=NOON,
            wake_at=NOON,
        )
        deployment = Deployment(name="churn", model="m", created_at=NOON, updated_at=NOON, stable=1)
        revision = Revision(
            deployment="churn", number=1, model="m", model_version=7, digest="", created_at=NOON, state="READY"
        )
        subject = monitor_windows.Subject(deployment, revision, NOON - timedelta(hours=1), "")
        now = self.context.store.clock.now()
        return monitor_windows._judged(self.context, monitor, subject, now=now)


NINETY = 90 * 86_400.0


def test_labels_that_come_after_ninety_days_are_judged_by_windows_of_a_day(timed, tmp_path, clock):
    late = Late(timed, tmp_path, clock, delay=90, days=100, good_until=8)
    window = late.judged(label_delay_s=NINETY)
    assert (window.end, window.start) == (NOON + timedelta(days=10), NOON + timedelta(days=8))
    assert (window.row_count, window.findings[0].value) == (2, 0.0)


def test_where_labels_come_later_than_a_window_reaches_the_way_out_is_said(timed, tmp_path, clock):
    late = Late(timed, tmp_path, clock, delay=90, days=100)
    window = late.judged()
    assert window.severity == "insufficient_data"
    assert window.reason == (
        "0 of at least 2 rows with labels; they come up to 90.0 days late: hl.performance(..., label_delay=...)"
    )


def test_before_the_first_label_is_due_it_is_said_when_that_is(timed, tmp_path, clock):
    window = Late(timed, tmp_path, clock, delay=90, days=20).judged(label_delay_s=NINETY)
    assert window.severity == "insufficient_data"
    assert window.reason == "the first labels of this revision are due at 2026-06-02 11:00 UTC"


def test_labels_that_come_early_do_not_stand_for_all(timed, tmp_path, clock):
    """The first customers who do not pay are known after days, those who do after 90: early ones are all bad."""
    late = Late(timed, tmp_path, clock, delay=90, days=100)
    for day in range(90, 100):
        moment = NOON + timedelta(days=day)
        late.log.add(outcome(moment, id_of(moment), "1"), kind="labels")
    assert late.judged().findings[0].value == 0.0
    assert late.judged(label_delay_s=NINETY).findings[0].value == 1.0


def test_a_drop_is_compared_with_the_last_window_of_the_version_before(timed, tmp_path, clock):
    late = Late(timed, tmp_path, clock, delay=0, days=10, good_until=0)

    def finding(value):
        return Finding(
            column="accuracy", statistic="value", value=value, threshold=0.0, p_value=None, severity="ok",
            window_count=50, reference_count=0, spread=0.01,
        )  # fmt: skip

    def unit(tx):
        for hours, version, value in ((-9, 6, 0.5), (-5, 6, 0.9), (-4, 7, 0.1), (3, 7, 0.2)):
            end = NOON + timedelta(hours=hours)
            window = Window(
                deployment="churn", monitor="p", start=end - timedelta(hours=1), end=end, severity="ok",
                row_count=50, model_version=version, findings=(finding(value),),
            )  # fmt: skip
            nouns.WINDOWS.put(tx, window)

    timed.write(unit)
    window = late.judged(at_least=None, drop=0.1)
    assert window.findings[0].threshold == pytest.approx(0.81)
    assert window.findings[0].value == 0.0


def add_labels(late, *, count, delay, days_ago=1.0):
    """Add labels that arrived so many days ago, of predictions made `delay` days before."""
    arrived_at = late.context.store.clock.now() - timedelta(days=days_ago)
    made_at = arrived_at - timedelta(days=delay)
    records = [outcome(arrived_at, id_of(made_at, number)) for number in range(1, count + 1)]
    late.log.add(*records, kind="labels")


def test_without_a_declared_delay_that_of_the_labels_is_used_by_windows_of_a_day(timed, tmp_path, clock):
    late = Late(timed, tmp_path, clock, delay=90, days=100, good_until=8)
    add_labels(late, count=60, delay=90)
    window = late.judged()
    assert (window.end, window.start) == (NOON + timedelta(days=10), NOON + timedelta(days=8))
    assert (window.row_count, window.findings[0].value) == (2, 0.0)
    assert window.label_delay.source == "learned"
    assert window.label_delay.detail.startswith("90 days after the prediction: 95% of the last 71 labels came by then")


def test_labels_that_were_loaded_on_one_day_are_judged_by_windows_of_a_day(timed, tmp_path, clock):
    """Six months of predictions, whose labels come in a file a month: the day after, and weeks after."""
    for days_after in (1, 20):
        late = Late(timed, tmp_path / str(days_after), clock, delay=1000, days=120 + days_after)
        loaded_at = late.context.store.clock.now() - timedelta(days=days_after)
        moments = [NOON + timedelta(days=day) for day in range(90)]
        late.log.add(*(outcome(loaded_at, id_of(moment), "0") for moment in moments), kind="labels")
        window = late.judged()
        assert (window.severity, window.label_delay.source) == ("ok", "learned")
        assert window.end - window.start == timedelta(days=2)  # two rows, one a day


def test_labels_that_are_sent_again_every_night_keep_their_first_delay(timed, tmp_path, clock):
    late = Late(timed, tmp_path, clock, delay=1000, days=100)
    now = timed.clock.now()
    for night in range(90, -1, -1):  # each night all labels of the rows that are two days old by then
        times = [now - timedelta(days=days) for days in range(night + 2, 95)]
        sent_at = now - timedelta(days=night)
        late.log.add(*(outcome(sent_at, id_of(made_at, row)) for made_at in times for row in range(3)), kind="labels")
    delay = late.judged().label_delay
    assert (delay.source, delay.seconds) == ("learned", 2 * 86_400.0)


def test_where_not_all_labels_are_read_those_before_are_still_seen(timed, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(labels, "MOST_RECENT_LABELS", 600)
    late = Late(timed, tmp_path, clock, delay=1000, days=100)
    now = timed.clock.now()
    for night in (2, 1, 0):  # 300 labels a night, of which 24 are new
        times = [now - timedelta(days=night, hours=hours) for hours in range(24, 324)]
        late.log.add(*(outcome(now - timedelta(days=night), id_of(made_at)) for made_at in times), kind="labels")
    delays = labels.recent_delays(tmp_path, "churn", name="label", now=now, enough=10)
    assert (len(delays), max(delays) <= 2 * 86_400.0) == (24, True)


def test_a_declared_delay_wins_over_a_learned_one(timed, tmp_path, clock):
    late = Late(timed, tmp_path, clock, delay=2, days=100)
    add_labels(late, count=60, delay=2)
    now = clock.now()
    assert late.judged().end == now - timedelta(days=2)
    window = late.judged(label_delay_s=5 * 86_400.0)
    assert (window.end, window.label_delay.source) == (now - timedelta(days=5), "declared")


def test_too_few_labels_to_learn_their_delay_from_are_said(timed, tmp_path, clock):
    window = Late(timed, tmp_path, clock, delay=0, days=10).judged()
    assert window.label_delay.source == "unknown"
    assert window.label_delay.detail == (
        "10 of at least 50 labels to learn a delay from: every label counts as soon as it comes"
    )


def test_a_window_that_ends_before_an_earlier_one_is_the_newest_all_the_same(store, stored_windows):
    """Labels of three months ago came in: the monitor looks at those predictions now, and says so first."""
    stored_windows(("ok", 300))
    late = Window(
        deployment="d", monitor="drift", start=NOW - timedelta(days=91), end=NOW - timedelta(days=90), severity="ok",
        row_count=100, model_version=1, judged_at=NOW + timedelta(days=1),
    )  # fmt: skip
    store.write(lambda tx: nouns.WINDOWS.put(tx, late))
    windows = store.read(lambda tx: monitor_windows.latest_windows(tx, "d", "drift", limit=5))
    (detail,) = store.read(lambda tx: monitor_details(tx, max_windows=1))
    assert [window.row_count for window in windows] == [100, 300]
    assert detail.windows == [late]
