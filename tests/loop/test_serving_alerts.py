"""An alert is open exactly while the stable revision of a deployment cannot serve."""

import msgspec
import pytest

from helicline.loop.monitors import serving_alerts
from helicline.loop.monitors.serving_alerts import decide
from helicline.loop.overview import needs
from helicline.records.deployment import Deployment
from helicline.records.monitor import Alert
from helicline.serving import deployments
from helicline.serving.deployments import Serving
from helicline.store import nouns
from support.records import NOW, revision

DEPLOYMENT = Deployment(name="churn", model="churn", stable=2, previous=1, created_at=NOW, updated_at=NOW)


def serving(stable, previous="READY"):
    rows = (revision(state, number=number, reason="it crashed") for state, number in ((stable, 2), (previous, 1)))
    return Serving(DEPLOYMENT, *rows)


def alert_of(row):
    return Alert(
        deployment="churn", number=1, monitor="serving", kind="serving", state="firing", severity="warning",
        opened_at=NOW, last_seen_at=NOW, model_version=2, summary=row.why_down,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stable", "is_open", "action"),
    [
        ("READY", False, "none"), ("PENDING", False, "none"), ("LOADING", False, "none"), ("FAILED", False, "raise"),
        ("QUARANTINED", False, "raise"), ("FAILED", True, "none"), ("PENDING", True, "none"),
        ("LOADING", True, "none"), ("STOPPED", True, "none"), ("READY", True, "resolve"),
    ],
)  # fmt: skip
def test_it_opens_when_stable_is_down_and_closes_when_it_is_ready(stable, is_open, action):
    row = serving(stable)
    assert decide(row, alert_of(row) if is_open else None) == action


def test_it_grows_when_the_previous_revision_is_lost_too():
    alert = alert_of(serving("FAILED"))
    assert decide(serving("FAILED", previous="FAILED"), alert) == "update"


def alerts(world):
    return [
        (alert.state, alert.severity, alert.summary)
        for alert in world.store.read(nouns.ALERTS.select)
        if alert.kind == "serving"
    ]


def round_of(world):
    world.observe()
    world.reconciler.tick()


@pytest.fixture
def turned(world):
    world.two_turns()
    return world


def test_an_alert_tells_that_previous_answers_until_stable_is_back(turned):
    turned.down = {2: "no such file"}
    for _ in range(3):
        round_of(turned)
    summary = "churn#2 serves and is FAILED, churn#1 answers until it is back: no such file"
    assert alerts(turned) == [("firing", "warning", summary)]
    kinds = [need.kind for need in turned.store.read(needs.needs_of)]
    assert kinds.count("revision") == 1  # said once, with the button that helps
    turned.down = {1: "no such file", 2: "no such file"}
    round_of(turned)
    assert [(state, severity) for state, severity, _ in alerts(turned)] == [("firing", "critical")]
    turned.down = {}
    round_of(turned)
    assert [state for state, *_ in alerts(turned)] == ["resolved"]
    verbs = [event.verb for event in turned.store.read(turned.events) if event.id == "churn!2"]
    assert verbs == ["raised", "resolved"]


def test_it_closes_when_a_person_rolls_back_to_what_is_loaded(turned):
    turned.down = {2: "no such file"}
    round_of(turned)
    turned.store.write(lambda tx: deployments.flip_back(tx, "churn", reason="it is broken"))
    turned.reconciler.tick()
    assert [state for state, *_ in alerts(turned)] == ["resolved"]


def test_it_begins_no_turn(turned):
    (trigger,) = turned.store.read(nouns.TRIGGERS.select)
    turned.store.write(lambda tx: nouns.TRIGGERS.swap(tx, msgspec.structs.replace(trigger, pending="")))
    count = len(turned.turns())
    turned.down = {2: "no such file"}
    for _ in range(5):
        round_of(turned)
        turned.clock.advance(120)
    assert (len(turned.turns()), len(alerts(turned))) == (count, 1)


def test_events_of_others_change_nothing(turned):
    before = alerts(turned)
    (event, *_) = (row for row in turned.store.read(turned.events) if row.noun == "revision")
    turned.store.write(lambda tx: serving_alerts.hear(tx, msgspec.structs.replace(event, id="other#1")))
    assert alerts(turned) == before == []
