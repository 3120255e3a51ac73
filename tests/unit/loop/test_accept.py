"""Broken data is not learned from: its rows stay out of harvests, until a person accepts what was found as normal."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from helicline.errors import Conflict, Invalid
from helicline.loop.context import Context
from helicline.loop.monitors import accept, alert_histograms, broken_data, monitor_windows
from helicline.monitor import alerting, profile
from helicline.monitor.testable import is_tested, with_roles
from helicline.records.deployment import Deployment, Revision
from helicline.records.gate import Evidence, GateReport
from helicline.records.monitor import Monitor, MonitorSpec
from helicline.serving.prediction_log import harvest, profiles
from helicline.serving.prediction_log.files import listed
from helicline.serving.prediction_log.segment import SegmentWriter, framed
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.rows import event
from support.prediction_log import SCHEMA, Log, id_of, line, micros, outcome, packed

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
MINUTE = timedelta(minutes=1)
SPEC = {"window_s": 60.0, "min_rows": 100}


class Watched:
    """A deployment whose column `a` is watched, on a log that a test fills minute by minute."""

    def __init__(self, context, clock, home):
        self.context, self.clock, self.log = context, clock, Log(home)
        # the second is an id: what is not tested must not hide how the tested ones are
        columns = {"n": np.arange(2000.0), "a": np.random.default_rng(1).normal(50, 5, 2000)}
        self.reference = with_roles(profile.build(columns, prediction=np.zeros(2000)), columns)
        blob, _ = context.blobs.put([profile.encode(self.reference)])
        at = START - MINUTE
        monitors = [
            Monitor(
                deployment="churn", name=kind, spec=MonitorSpec(kind=kind, **SPEC), loop="churn",
                created_at=at, wake_at=at,
            )
            for kind in ("drift", "quality")
        ]  # fmt: skip

        def unit(tx):
            nouns.DEPLOYMENTS.insert(tx, Deployment(name="churn", model="m", created_at=at, updated_at=at, stable=1))
            nouns.REVISIONS.insert(
                tx, Revision(deployment="churn", number=1, model="m", model_version=7, digest="", created_at=at)
            )
            report = GateReport(
                model="m",
                number=7,
                digest="",
                loop="churn",
                turn=1,
                created_at=at,
                verdicts=(),
                evidence=Evidence(profile=blob),
            )
            nouns.REPORTS.insert(tx, report)
            for monitor in monitors:
                nouns.MONITORS.insert(tx, monitor)

        context.store.write(unit)
        self.minute, self.answer = 0, 0.0

    def minutes(self, count, factor=1.0):
        """Let minutes of traffic with labels pass, and have every monitor look after each."""
        for _ in range(count):
            self.traffic(factor)
            self.clock.advance(60)
            self.look()

    def traffic(self, factor=1.0, begun_before=timedelta(0)):
        """Log 200 rows with labels in a segment of now; the first call may have begun before."""
        now = self.clock.now()
        values = np.random.default_rng(self.minute + 10).normal(50, 5, 200) * factor
        rows = np.column_stack([values, np.arange(200.0) + 200 * self.minute])
        prediction_id = id_of(now, self.minute)
        answers = np.full(200, self.answer)
        slow = line(id_of(now - begun_before, 999), packed(rows[:0], answers[:0]), ts_us=micros(now - begun_before))
        call = line(prediction_id, packed(rows, answers), ts_us=micros(now - begun_before / 2), batch_rows=200)
        self.log.add(SCHEMA, *([slow] if begun_before else []), call, opened_at=now)
        labels = [outcome(now, prediction_id, str(row % 2), row=row) for row in range(200)]
        self.log.add(*labels, kind="labels")
        columns, centres = dict(zip("an", rows.T, strict=True)), profile.centres_of(self.reference)
        part = profile.build(columns, centres, prediction=answers)
        newest = max(listed(self.context.home, "predictions", deployment="churn"), key=lambda file: file.opened_at)
        profiles.write(newest.path, {1: profile.encode(part)})
        self.minute += 1

    def look(self):
        for monitor in self.monitors():
            assert monitor_windows.look(self.context, monitor) == 1

    def monitors(self):
        return self.context.store.read(lambda tx: nouns.MONITORS.select(tx))

    def alerts(self, *, is_open=True):
        read = alerting.open_alerts if is_open else nouns.ALERTS.select
        alerts = self.context.store.read(read)
        return {alert.kind: alert for alert in alerts}

    def doubt(self, until=None):
        return self.context.store.write(lambda tx: broken_data.doubt(tx, "churn", until=until))

    def harvest(self, path):
        def broken(since, until):
            return self.context.store.read(lambda tx: broken_data.ranges(tx, "churn", since=since, until=until))

        return harvest.write(self.context.home, "churn", path, label="label", broken=broken)

    def accept(self, kind, **more):
        alert = self.alerts()[kind]
        chosen = {"columns": (), "person": "ada", "reason": "cents since May"} | more
        return accept.accept(self.context, (alert.deployment, alert.number), **chosen)


@pytest.fixture
def watched(timed, blobs, clock, tmp_path):
    clock.advance((START - clock.now()).total_seconds())
    return Watched(Context(timed, blobs, Settings(home=str(tmp_path))), clock, tmp_path)


def test_rows_that_came_in_before_a_late_look_are_looked_at(watched, tmp_path):
    watched.minutes(3)
    watched.traffic(factor=1000.0)
    watched.clock.advance(20 * 60)  # nothing looked meanwhile: a restart, a busy machine
    watched.minutes(1)
    assert watched.harvest(tmp_path / "rows.parquet") == harvest.Harvest(rows=600, left_out=400)


def test_rows_that_are_not_sealed_at_a_look_are_of_the_next_window(watched, tmp_path):
    watched.minutes(3)
    unsealed = SegmentWriter(tmp_path / "log", "predictions", new_id=lambda: id_of(watched.clock.now(), 1))
    unsealed.append(framed(SCHEMA))
    unsealed.flush()
    watched.clock.advance(30)
    watched.look()
    opened_at = watched.clock.now() - timedelta(seconds=30)
    assert {monitor.watched_until for monitor in watched.monitors()} == {opened_at}
    assert watched.doubt(until=watched.clock.now()).endswith("has not yet looked at the rows")
    watched.clock.advance(3600)
    watched.look()  # a gateway that is gone holds up nobody
    assert {monitor.watched_until for monitor in watched.monitors()} == {watched.clock.now() - timedelta(minutes=1)}


def test_a_segment_with_a_call_that_began_long_before_it_is_looked_at(watched):
    watched.minutes(3)
    watched.traffic(factor=1000.0, begun_before=timedelta(seconds=90))
    watched.clock.advance(60)
    watched.look()
    assert "unit" in watched.doubt()


def test_rows_of_windows_with_broken_data_stay_out_of_a_harvest(watched, tmp_path):
    watched.minutes(3)
    watched.minutes(1, factor=1000.0)
    assert watched.alerts() == {}  # one window opens none, and is broken all the same
    assert watched.doubt() == "the newest window of churn:drift holds broken data: a unit"
    watched.minutes(2)
    assert watched.doubt() == ""
    assert watched.harvest(tmp_path / "rows.parquet") == harvest.Harvest(rows=1000, left_out=200)


def test_columns_that_are_not_tested_hide_no_verdict(watched):
    watched.minutes(1)
    windows = watched.context.store.read(lambda tx: nouns.WINDOWS.select(tx))
    assert {window.severity for window in windows} <= {"ok", "info"}
    assert {finding.column for window in windows for finding in window.findings if not is_tested(finding)} == {"n"}


def test_answers_that_moved_alone_are_an_alert_and_no_broken_data(watched, tmp_path):
    """The inputs are as they were, and the model answers 1 instead of 0: something that it reads is not among them."""
    watched.answer = 1.0
    watched.minutes(3)
    alert = watched.alerts()["drift"]
    assert [(finding.column, finding.statistic) for finding in alert.findings] == [("(prediction)", "psi")]
    assert alerting.why_no_turn(alert).startswith("only the model's answers moved")
    assert watched.doubt() == ""
    assert watched.harvest(tmp_path / "rows.parquet") == harvest.Harvest(rows=600)
    (shown,) = alert_histograms.of(watched.context, alert)
    assert shown.column == "(prediction)"


def test_answers_that_moved_are_accepted_as_inputs_are(watched):
    watched.answer = 1.0
    watched.minutes(2)
    watched.accept("drift")
    watched.minutes(2)
    assert watched.alerts() == {}


def test_an_alert_shows_its_columns_in_the_reference_and_in_its_window(watched):
    watched.minutes(2, factor=1000.0)
    shown = alert_histograms.of(watched.context, watched.alerts()["drift"])
    assert [result.column for result in shown] == ["a"]
    assert shown[0].bins[0].reference > 0.9
    assert sum(part.window for part in shown[0].bins[1:]) > 0.9
    assert (shown[0].window_count, shown[0].window_missing) == (200, 0.0)


def test_a_field_in_another_unit_is_broken_for_a_monitor_of_drift_alone(watched):
    watched.context.store.write(lambda tx: nouns.MONITORS.delete(tx, "churn", "quality"))
    watched.minutes(2, factor=1000.0)
    (alert,) = watched.alerts().values()
    assert (alert.kind, alert.severity) == ("drift", "critical")
    assert "unit" in {finding.statistic for finding in alert.findings}


def test_rows_that_no_monitor_has_looked_at_are_looked_at_first(watched):
    watched.minutes(1)
    watched.clock.advance(60)
    later = watched.clock.now()
    assert watched.doubt(until=later) == "churn:drift has not yet looked at the rows"
    (woken,) = [monitor for monitor in watched.monitors() if monitor.name == "drift"]
    assert woken.wake_at == later
    for monitor in watched.monitors():
        monitor_windows.look(watched.context, monitor)
    assert watched.doubt(until=later) == ""


def test_what_a_person_accepts_is_the_reference_from_then_on(watched, tmp_path):
    watched.minutes(2)
    watched.minutes(3, factor=1000.0)
    assert watched.alerts().keys() == {"drift", "quality"}
    assert watched.accept("drift").state == "resolved"
    watched.accept("quality")
    watched.minutes(3, factor=1000.0)
    assert watched.alerts() == {}
    assert (watched.doubt(), watched.harvest(tmp_path / "rows.parquet")) == ("", harvest.Harvest(1600, 0))
    noted = watched.context.store.read(lambda tx: event.latest(tx, noun="alert", id="", before=0, limit=99))
    accepted = {(entry.detail["column"], entry.detail["statistic"]) for entry in noted if entry.verb == "accepted"}
    assert {("a", "psi"), ("a", "unit"), ("a", "out_of_range")} <= accepted
    assert {entry.detail["reason"] for entry in noted if entry.verb == "accepted"} == {"cents since May"}


def test_what_was_accepted_is_still_watched(watched):
    watched.minutes(2, factor=1000.0)
    watched.accept("drift")
    watched.accept("quality")
    watched.minutes(3, factor=1.0)  # back to what it was is another change
    assert "drift" in watched.alerts()


def test_an_acceptance_ends_with_the_revision(watched):
    watched.minutes(2, factor=1000.0)
    watched.accept("drift")
    moved = watched.context.store.read(lambda tx: monitor_windows.subject_of(tx, "churn")).reference

    def unit(tx):
        second = msgspec.structs.replace(nouns.REVISIONS.get(tx, "churn", 1), number=2)
        nouns.REVISIONS.insert(tx, second)
        served = msgspec.structs.replace(nouns.DEPLOYMENTS.get(tx, "churn"), stable=2)
        nouns.DEPLOYMENTS.swap(tx, served)

    watched.context.store.write(unit)
    own = watched.context.store.read(lambda tx: monitor_windows.subject_of(tx, "churn")).reference
    assert profile.decode(b"".join(watched.context.blobs.read(own))) == watched.reference
    assert own != moved


@pytest.mark.parametrize(
    ("chosen", "error"),
    [({"reason": " "}, "why this is normal"), ({"columns": ["b"]}, "columns: got 'b', allowed: of a")],
)
def test_what_cannot_be_accepted_says_why(watched, chosen, error):
    watched.minutes(2, factor=1000.0)
    with pytest.raises(Invalid, match=error):
        watched.accept("drift", **chosen)
    assert "drift" in watched.alerts()


def test_a_resolved_alert_is_accepted_no_more(watched):
    watched.minutes(2, factor=1000.0)
    alert = watched.alerts()["drift"]
    watched.accept("drift")
    with pytest.raises(Conflict, match="is resolved"):
        accept.accept(watched.context, ("churn", alert.number), columns=(), person="ada", reason="again")


def test_rows_that_the_log_no_longer_has_are_no_reference(watched):
    watched.minutes(2, factor=1000.0)
    for file in listed(watched.context.home, "predictions", deployment="churn"):
        profiles.beside(file.path).unlink()
    with pytest.raises(Conflict, match="no longer has"):
        watched.accept("drift")
    assert watched.context.store.read(lambda tx: monitor_windows.subject_of(tx, "churn")).reference


def test_what_was_accepted_of_one_version_is_broken_for_the_next(watched):
    watched.minutes(2, factor=1000.0)
    watched.accept("drift")
    watched.accept("quality")
    assert watched.doubt() == ""

    def unit(tx):
        for window in nouns.WINDOWS.select(tx):
            later = msgspec.structs.replace(window, model_version=8, end=window.end + 100 * MINUTE)
            nouns.WINDOWS.put(tx, later)

    watched.context.store.write(unit)
    assert "holds broken data" in watched.doubt()
