"""Alerts open after several bad windows and close after several quiet ones."""

from datetime import timedelta

import pytest

from helicline.monitor import alerting
from helicline.records.monitor import Alert, Finding, MonitorSpec, Window
from helicline.store import nouns
from helicline.store.rows import event
from support.records import NOW

SPEC = MonitorSpec(kind="drift")
LETTERS = {"o": "ok", "i": "info", "w": "warning", "c": "critical", "-": "insufficient_data"}


def window(letter, at=0):
    severity = LETTERS[letter]
    finding = Finding(
        column="age", statistic="psi", value=0.3, threshold=0.1, p_value=0.0, severity=severity, window_count=500,
        reference_count=5000,
    )  # fmt: skip
    return Window(
        deployment="churn", monitor="drift", start=NOW, end=NOW + timedelta(minutes=at), severity=severity,
        row_count=500, model_version=1, findings=(finding,),
    )  # fmt: skip


def open_alert():
    return Alert(
        deployment="churn", number=1, monitor="drift", kind="drift", state="firing", severity="warning",
        opened_at=NOW, last_seen_at=NOW, model_version=1, summary="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("newest_first", "is_open", "action"),
    [
        ("", False, "none"), ("-", False, "none"), ("o", False, "none"), ("w", False, "none"), ("ww", False, "raise"),
        ("wow", False, "raise"), ("woow", False, "none"), ("oww", False, "none"), ("w-w", False, "raise"),
        ("ci", False, "none"), ("cc", False, "raise"), ("w", True, "update"), ("c", True, "update"),
        ("ow", True, "quiet"), ("oow", True, "resolve"), ("iow", True, "resolve"), ("o-ow", True, "resolve"),
        ("owow", True, "quiet"), ("-", True, "none"), ("oo", True, "resolve"),
    ],
)  # fmt: skip
def test_an_alert_opens_and_closes_slowly(newest_first, is_open, action):
    windows = [window(letter) for letter in newest_first]
    assert alerting.decide(SPEC, windows, open_alert() if is_open else None) == action


def play(store, letters):
    earlier = []
    for at, letter in enumerate(letters):
        newest = window(letter, at)
        store.write(lambda tx, newest=newest: alerting.apply(tx, SPEC, newest, earlier[::-1]))
        earlier.append(newest)
    return store.read(lambda tx: nouns.ALERTS.select(tx))


def test_a_lasting_trouble_is_one_alert(store):
    (alert,) = play(store, "wwcwwc")
    assert (alert.state, alert.severity, alert.number) == ("firing", "critical", 1)


def test_a_trouble_that_comes_again_is_a_second_alert(store):
    first, second = play(store, "wwoowwoo")
    assert [first.state, second.state, second.number] == ["resolved", "resolved", 2]
    verbs = [entry.verb for entry in store.read(lambda tx: event.after(tx, 0))]
    assert verbs == ["raised", "resolved"] * 2


def test_a_flapping_column_keeps_its_alert_open(store):
    (alert,) = play(store, "wwowowow")
    assert alert.state == "firing"


def test_an_acknowledged_alert_is_still_resolved_by_quiet_windows(store):
    (alert,) = play(store, "ww")
    store.write(lambda tx: alerting.acknowledge(tx, alert, person="Ada"))
    assert alerting.decide(SPEC, [window("o"), window("o")], alert) == "resolve"


def test_the_summary_names_the_worst_columns(store):
    (alert,) = play(store, "ww")
    assert alert.summary == "drift on 500 rows: age psi 0.300"
