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


def window(letter, at=0, length=1, value=0.3):
    severity = LETTERS[letter]
    finding = Finding(
        column="age", statistic="psi", value=value, threshold=0.1, p_value=0.0, severity=severity, window_count=500,
        reference_count=5000,
    )  # fmt: skip
    return Window(
        deployment="churn", monitor="drift", start=NOW + timedelta(minutes=at - length), severity=severity,
        end=NOW + timedelta(minutes=at), row_count=500, model_version=1, findings=(finding,),
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
        ("-w", True, "none"), ("-ww", False, "none"), ("-oo", True, "none"),
    ],
)  # fmt: skip
def test_an_alert_opens_and_closes_slowly(newest_first, is_open, action):
    windows = [window(letter, -minute) for minute, letter in enumerate(newest_first)]
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
    assert alerting.decide(SPEC, [window("o", 2), window("o", 1)], alert) == "resolve"


def test_the_summary_names_the_worst_columns(store):
    (alert,) = play(store, "ww")
    assert alert.summary == "drift on 500 rows: age psi 0.300"


def test_one_batch_of_rows_that_later_windows_reach_back_to_is_one_bad_window():
    reaching = [window("w", at, length=at + 1) for at in range(6)][::-1]
    assert alerting.decide(SPEC, reaching, None) == "none"
    assert alerting.decide(SPEC, [window("w", 7), *reaching], None) == "raise"


def test_windows_that_hold_rows_of_the_bad_one_are_not_quiet():
    bad = window("w", 0)
    reaching = [window("o", at, length=at + 1) for at in range(1, 6)][::-1]
    assert alerting.decide(SPEC, [*reaching, bad], open_alert()) == "quiet"
    assert alerting.decide(SPEC, [window("o", 7), window("o", 6), *reaching, bad], open_alert()) == "resolve"


def test_an_alert_keeps_what_opened_it_and_the_worst_that_it_saw(store):
    earlier = []
    for at, (letter, value) in enumerate([("w", 0.2), ("w", 0.3), ("c", 0.9), ("w", 0.15), ("-", 0.0)]):
        newest = window(letter, at, value=value)
        store.write(lambda tx, newest=newest: alerting.apply(tx, SPEC, newest, earlier[::-1]))
        earlier.append(newest)
    (alert,) = store.read(lambda tx: nouns.ALERTS.select(tx))
    assert (alert.severity, [finding.value for finding in alert.findings]) == ("critical", [0.9])
    assert (alert.opened_with.severity, alert.opened_with.findings[0].value) == ("warning", 0.3)
    assert (alert.window_start, alert.window_end) == (earlier[3].start, earlier[3].end)
