"""Triggers: what begins turns, what does not, and when; on both databases."""

from datetime import timedelta

import msgspec
import pytest

from helicline import at_least, bus
from helicline.errors import Conflict, Invalid
from helicline.loop import loops, triggers, turns
from helicline.monitor import alerting
from helicline.records.deployment import RolloutPlan, RolloutStep
from helicline.records.loop import ACTIVE, Cause, TriggerSpec
from helicline.records.monitor import Alert, Finding, MonitorSpec, Window
from helicline.store import nouns
from support.records import commit, loop_spec, training_spec

ON_ALERT = TriggerSpec(kind="alert", monitors=("performance",), cool_down_s=3600.0, harvest=True)
ON_DATA = TriggerSpec(kind="new_data", cool_down_s=60.0)
HOURLY = TriggerSpec(kind="schedule", cron="0 * * * *", cool_down_s=0.0)
HAND = Cause(kind="person", subject="ada", sentence="ada ran it")


def finding_of(statistic, severity):
    return Finding(
        column="income", statistic=statistic, value=0.5, threshold=0.01, p_value=None, severity=severity,
        window_count=300, reference_count=300,
    )  # fmt: skip


class Scene:
    """A loop with triggers, and a day that can be moved on."""

    def __init__(self, store, blobs, clock):
        self.store, self.blobs, self.clock = store, blobs, clock

    def apply(self, *specs):
        self.apply_with((), *specs)

    def apply_with(self, monitors, *specs):
        self.store.write(lambda tx: loops.apply(tx, loop_spec(triggers=specs, monitors=monitors)))

    def still_bad(self, number, **window):
        """Let a further window of the alert's monitor be bad."""

        def unit(tx):
            nouns.ALERTS.swap(tx, msgspec.structs.replace(nouns.ALERTS.get(tx, "churn", number), **window))

        self.store.write(unit)

    def watched(self, name, statistic="", since=None):
        """Let a monitor have looked now, with one critical finding or none."""

        def unit(tx):
            monitor = nouns.MONITORS.get(tx, "churn", name)
            nouns.MONITORS.swap(tx, msgspec.structs.replace(monitor, watched_until=tx.now))
            findings = (finding_of(statistic, "critical"),) if statistic else ()
            window = Window(
                deployment="churn", monitor=name, start=since or tx.now, end=tx.now, row_count=300, model_version=1,
                severity="critical" if statistic else "ok", findings=findings,
            )  # fmt: skip
            nouns.WINDOWS.put(tx, window)

        self.store.write(unit)

    def alert(self, kind="performance", number=1, severity="critical", statistic="", **window):
        def unit(tx):
            alert = Alert(
                deployment="churn", number=number, monitor=kind, kind=kind, state="firing", severity=severity,
                opened_at=tx.now, last_seen_at=tx.now, model_version=1, summary="", **window,
                findings=(finding_of(statistic, severity),) if statistic else (),
            )  # fmt: skip
            nouns.ALERTS.insert(tx, alert)
            bus.emit(tx, "raised", "alert", alert.id, deployment="churn", monitor=kind, kind=kind)

        self.store.write(unit)

    def resolve(self, number=1):
        self.store.write(lambda tx: alerting.resolve(tx, nouns.ALERTS.get(tx, "churn", number), why="it is over"))

    def look(self):
        """Hear what happened and let every trigger act; return the causes of the turns that began."""
        before = len(self.turns())
        while bus.consume(self.store, triggers.CONSUMER, triggers.hear):
            pass
        for row in self.store.read(lambda tx: loops.triggers(tx, "churn")):
            if row.wake_at is not None and row.wake_at <= self.clock.now():
                self.store.write(lambda tx, n=row.name: triggers.advance(tx, nouns.TRIGGERS.get(tx, "churn", n)))
        return [turn.cause.kind for turn in self.turns()[before:]]

    def turns(self):
        return self.store.read(lambda tx: nouns.TURNS.select(tx))

    def finish(self):
        for turn in self.turns():
            if turn.state in ACTIVE:
                self.store.write(
                    lambda tx, t=turn: turns.cancel(tx, nouns.TURNS.get(tx, "churn", t.number), reason="x")
                )


@pytest.fixture
def scene(timed, blobs, clock):
    new_scene = Scene(timed, blobs, clock)
    commit(timed, blobs, b"first")
    return new_scene


def test_an_alert_begins_a_turn_that_harvests_first(scene):
    scene.apply(ON_ALERT)
    scene.alert()
    assert scene.look() == ["alert"]
    (turn,) = scene.turns()
    assert (turn.state, turn.cause.subject) == ("HARVESTING", "churn!1")


def test_an_alert_of_another_kind_begins_nothing(scene):
    scene.apply(ON_ALERT)
    scene.alert("drift")
    assert scene.look() == []


def test_nothing_is_learned_while_an_alert_on_quality_is_open(scene):
    scene.apply(ON_ALERT)
    scene.alert("quality", 1)
    scene.alert("performance", 2)
    assert scene.look() == []
    scene.resolve(1)
    scene.clock.advance(2)
    assert scene.look() == ["alert"]


@pytest.mark.parametrize("statistic", ["absent", "missing", "stuck", "out_of_range"])
@pytest.mark.parametrize("spec", [ON_ALERT, msgspec.structs.replace(HOURLY, harvest=True)])
def test_nothing_that_learns_from_traffic_begins_while_a_column_is_broken(scene, spec, statistic):
    """A field that came multiplied by 1,000 is only a warning, and yet nothing to learn from."""
    scene.apply(spec)
    scene.alert("quality", 1, severity="warning", statistic=statistic)
    scene.alert("performance", 2)
    scene.clock.advance(3601)
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert trigger.waits_for == "alert churn!1 on the quality of the data is open"
    scene.resolve(1)
    scene.clock.advance(2)
    assert scene.look() == [spec.kind]


def test_an_alert_that_is_over_before_its_turn_could_begin_begins_none(scene):
    """Broken data lowers the accuracy as well: once it is mended there is nothing to learn."""
    scene.apply(ON_ALERT)
    scene.alert("quality", 1, statistic="absent")
    scene.alert("performance", 2)
    assert scene.look() == []
    scene.resolve(2)
    scene.resolve(1)
    scene.clock.advance(2)
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert (trigger.pending, trigger.wake_at) == ("", None)
    assert trigger.waits_for == "alert churn!2 was resolved before its turn could begin"


def test_a_drift_alert_on_broken_data_begins_nothing(scene):
    """A field multiplied by 1,000 has drifted, too: for a loop that watches drift alone it must not be a reason."""
    scene.apply(msgspec.structs.replace(ON_ALERT, monitors=("drift",)))
    scene.alert("drift", 1, statistic="unit")
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert trigger.waits_for == "alert churn!1 on the quality of the data is open"


def test_an_alert_that_a_monitor_tests_nothing_begins_nothing(scene):
    scene.apply(msgspec.structs.replace(ON_ALERT, monitors=("drift",)))
    scene.alert("drift", 1, severity="warning", statistic="not_tested")
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    why = "its monitor tests nothing, and a new version would be watched no better"
    assert (trigger.pending, trigger.waits_for) == ("", f"alert churn!1 began no turn: {why}")


def test_answers_that_moved_alone_begin_no_turn_until_an_input_moves_too(scene):
    scene.apply_with((MonitorSpec(kind="drift"),), msgspec.structs.replace(ON_ALERT, monitors=("drift",)))
    finding = msgspec.structs.replace(finding_of("psi", "critical"), column="(prediction)")

    def judged(*findings):
        window = Window(
            deployment="churn", monitor="drift", start=scene.clock.now(), end=scene.clock.now(), row_count=300,
            model_version=1, severity="critical", findings=findings,
        )  # fmt: skip
        spec = MonitorSpec(kind="drift", persist=1, of=1)
        scene.store.write(lambda tx: alerting.apply(tx, spec, window, []))
        scene.watched("drift")
        return scene.look()

    assert judged(finding) == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert trigger.waits_for.startswith("alert churn!1 began no turn: only the model's answers moved")
    assert judged(finding, finding_of("psi", "critical")) == ["alert"]
    assert judged(finding, finding_of("psi", "critical")) == []


def test_a_trigger_waits_until_the_inputs_were_looked_at(scene):
    scene.apply_with((MonitorSpec(kind="drift"),), ON_ALERT)
    scene.alert("performance", 1, window_end=scene.clock.now())
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert trigger.waits_for == "churn:drift has not yet looked at the rows"
    scene.watched("drift")
    scene.clock.advance(triggers.LOOK_AGAIN_S)
    assert scene.look() == ["alert"]


def test_a_schedule_that_harvests_waits_until_the_inputs_were_looked_at_once(scene):
    """Rows that nobody looked at are not harvested: its turn would have none, and fail."""
    scene.apply_with((MonitorSpec(kind="quality"),), msgspec.structs.replace(HOURLY, harvest=True))
    scene.clock.advance(3601)
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert (trigger.pending, trigger.waits_for) == ("0 * * * *", "churn:quality has not yet looked at the rows")
    assert trigger.wake_at == scene.clock.now() + timedelta(seconds=triggers.LOOK_AGAIN_S)
    scene.watched("quality")
    scene.clock.advance(triggers.LOOK_AGAIN_S)
    assert scene.look() == ["schedule"]


def test_a_schedule_that_harvests_nothing_waits_for_no_monitor(scene):
    scene.apply_with((MonitorSpec(kind="quality"),), HOURLY)
    scene.clock.advance(3601)
    assert scene.look() == ["schedule"]


def test_a_monitor_that_is_awaited_is_woken_once(scene):
    scene.apply_with((MonitorSpec(kind="quality"),), msgspec.structs.replace(HOURLY, harvest=True))
    for seconds in (3601, triggers.LOOK_AGAIN_S, triggers.LOOK_AGAIN_S):
        scene.clock.advance(seconds)
        assert scene.look() == []
    monitor = scene.store.read(lambda tx: nouns.MONITORS.get(tx, "churn", "quality"))
    assert monitor.version <= 2


def test_an_alert_on_rows_that_were_broken_begins_nothing_when_the_data_is_mended(scene):
    """Labels come late: the accuracy falls when the data is long mended, for the rows that were broken."""
    scene.apply_with((MonitorSpec(kind="quality"),), ON_ALERT)
    began = scene.clock.now()
    scene.clock.advance(60)
    scene.watched("quality", "unit", since=began)
    scene.clock.advance(60)
    scene.watched("quality")
    scene.alert("performance", 1, window_start=began, window_end=began + timedelta(seconds=30))
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert trigger.waits_for == "rows that churn!1 is about came in while the data was broken"
    later = began + timedelta(seconds=61)
    scene.still_bad(1, window_start=later, window_end=later + timedelta(seconds=30))
    scene.clock.advance(400)
    assert scene.look() == ["alert"]


def test_one_window_of_broken_data_is_enough_to_wait(scene):
    scene.apply_with((MonitorSpec(kind="quality"),), msgspec.structs.replace(HOURLY, harvest=True))
    scene.clock.advance(3601)
    scene.watched("quality", "absent")
    assert scene.look() == []
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert trigger.waits_for == "the newest window of churn:quality holds broken data: income absent"
    scene.clock.advance(triggers.LOOK_AGAIN_S)
    scene.watched("quality")
    assert scene.look() == ["schedule"]


def test_a_new_category_is_no_reason_not_to_learn(scene):
    scene.apply(ON_ALERT)
    scene.alert("quality", 1, severity="warning", statistic="unseen")
    scene.alert("performance", 2)
    assert scene.look() == ["alert"]


def test_a_trigger_cools_down_between_two_turns(scene):
    scene.apply(ON_ALERT)
    scene.alert("performance", 1)
    scene.look()
    scene.finish()
    scene.alert("performance", 2)
    scene.clock.advance(1800)
    assert scene.look() == []
    scene.clock.advance(1801)
    assert scene.look() == ["alert"]


def test_a_trigger_waits_for_the_turn_under_way(scene):
    scene.apply(ON_ALERT)
    scene.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), HAND))
    scene.alert()
    assert scene.look() == []
    scene.finish()
    scene.clock.advance(2)
    assert scene.look() == ["alert"]


def test_a_muted_trigger_begins_nothing(scene):
    scene.apply(ON_ALERT)
    scene.store.write(lambda tx: loops.mute(tx, "churn", "alert", muted=True))
    scene.alert()
    assert scene.look() == []
    with pytest.raises(Conflict, match="muted already"):
        scene.store.write(lambda tx: loops.mute(tx, "churn", "alert", muted=True))


def test_a_schedule_begins_a_turn_when_it_is_due_and_not_before(scene):
    scene.apply(HOURLY)
    scene.clock.advance(3599)
    assert scene.look() == []
    scene.clock.advance(2)
    assert scene.look() == ["schedule"]
    scene.finish()
    assert scene.look() == []


def test_a_schedule_that_was_missed_for_a_day_fires_once(scene):
    scene.apply(HOURLY)
    scene.clock.advance(86_400)
    assert scene.look() == ["schedule"]
    scene.finish()
    assert scene.look() == []


def test_new_data_begins_a_turn_once_the_loop_has_turned_before(scene):
    scene.apply(ON_DATA)
    commit(scene.store, scene.blobs, b"second")
    assert scene.look() == []
    scene.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), HAND))
    scene.finish()
    scene.clock.advance(1)
    commit(scene.store, scene.blobs, b"third")
    assert scene.look() == ["new_data"]


def test_the_first_version_of_its_data_turns_a_loop_that_waits_for_it(timed, blobs, clock):
    waiting = Scene(timed, blobs, clock)
    waiting.apply(ON_DATA)
    clock.advance(1)
    commit(timed, blobs, b"first")
    assert waiting.look() == ["new_data"]


def test_data_that_a_turn_committed_is_not_news_to_its_own_loop(scene):
    scene.apply(ON_DATA)
    scene.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), HAND))
    scene.finish()
    scene.clock.advance(1)
    commit(scene.store, scene.blobs, b"harvested", turn="churn~1")
    assert scene.look() == []


def test_a_dataset_that_the_pipeline_does_not_read_begins_nothing(scene):
    scene.apply(ON_DATA)
    scene.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), HAND))
    scene.finish()
    scene.clock.advance(1)
    commit(scene.store, scene.blobs, b"x", name="other")
    assert scene.look() == []


def test_of_two_turns_that_train_the_second_is_refused(scene):
    scene.apply()
    scene.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), HAND))
    with pytest.raises(Conflict, match="is in turn churn~1"):
        scene.store.write(lambda tx: turns.begin(tx, nouns.LOOPS.get(tx, "churn"), HAND))


def test_applying_again_changes_nothing_and_a_change_is_named(scene):
    scene.apply(ON_ALERT)
    again = scene.store.write(lambda tx: loops.apply(tx, loop_spec(triggers=(ON_ALERT,))))
    changed = scene.store.write(lambda tx: loops.apply(tx, loop_spec(triggers=(ON_ALERT,), label="churned")))
    assert (again.changes, changed.changes, changed.loop.spec_version) == ((), ("label",), 2)


def test_a_trigger_that_left_the_spec_is_gone_and_one_that_stayed_keeps_its_memory(scene):
    scene.apply(ON_ALERT, HOURLY)
    scene.alert()
    scene.look()
    scene.apply(ON_ALERT)
    (trigger,) = scene.store.read(lambda tx: loops.triggers(tx, "churn"))
    assert (trigger.name, trigger.last_turn) == ("alert", 1)


@pytest.mark.parametrize("cron", ["", "nonsense", "99 * * * *", "* * *", "0 0 31 2 *"])
def test_a_schedule_that_is_none_is_refused(scene, cron):
    with pytest.raises(Invalid):
        scene.apply(TriggerSpec(kind="schedule", cron=cron))


@pytest.mark.parametrize(
    "more",
    [
        {"monitors": (MonitorSpec(kind="performance", metric="charm", at_least=0.7),)},
        {"monitors": (MonitorSpec(kind="performance", metric="auc"),)},
        {"monitors": (MonitorSpec(kind="performance", metric="auc", at_least=0.7, at_most=0.9),)},
        {"monitors": (MonitorSpec(kind="drift", window_s=0.0),)},
        {"monitors": (MonitorSpec(kind="drift", window_s=1e300),)},
        {"monitors": (MonitorSpec(kind="drift", persist=4, of=3),)},
        {"triggers": (TriggerSpec(kind="new_data", cool_down_s=-1.0),)},
        {"rollout": RolloutPlan(steps=(RolloutStep(weight_bp=10_001),))},
        {"pipeline": msgspec.structs.replace(training_spec(), candidate=None), "gates": (at_least("auc", 0.5),)},
    ],
)
def test_what_a_reconciler_would_stumble_over_is_refused(scene, more):
    with pytest.raises(Invalid):
        scene.store.write(lambda tx: loops.apply(tx, loop_spec(**more)))
