"""Who is told of what, how often, and what is said when nobody can be told."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

import helicline as hl
from helicline.access import secrets
from helicline.errors import Invalid
from helicline.loop import loops
from helicline.loop.notifications.outbox import FORGET, GROUP_S, addressed, message
from helicline.loop.overview.needs import Need, NextStep, needs_of
from helicline.records.monitor import Alert
from helicline.records.notification import MANY_ATTEMPTS
from helicline.server.outgoing.notifier import Notifier
from helicline.settings import Settings
from helicline.store import nouns
from helicline.store.vault import Vault
from support.http_receiver import Receiver
from support.records import commit, loop_spec

KEY = "the servers share this"
VAULT = Vault.of(Settings(secret_key=KEY))


class Office:
    """A loop with a channel that ends at a receiver, and the notifier."""

    def __init__(self, store, blobs, clock, receiver, folder):
        self.store, self.clock, self.receiver = store, clock, receiver
        commit(store, blobs, b"first")
        settings = Settings(home=str(folder), webhook_private=True, secret_key=KEY, url="http://hl.example")
        self.notifier = Notifier(store, settings)

    def secret(self, name, value):
        self.store.write(lambda tx: secrets.set_secret(tx, VAULT, name, value=value))

    def apply(self, *channels):
        self.store.write(lambda tx: loops.apply(tx, loop_spec(notify=channels)))

    def alert(self, number=1, kind="performance", summary="accuracy fell to 0.71"):
        alert = Alert(
            deployment="churn", number=number, monitor=kind, kind=kind, state="firing", severity="critical",
            opened_at=self.clock.now(), last_seen_at=self.clock.now(), model_version=1, summary=summary,
        )  # fmt: skip
        self.store.write(lambda tx: nouns.ALERTS.insert(tx, alert))

    def resolve(self, number=1):
        def unit(tx):
            alert = nouns.ALERTS.get(tx, "churn", number)
            nouns.ALERTS.swap(tx, msgspec.structs.replace(alert, state="resolved", resolved_at=tx.now))

        self.store.write(unit)

    def work(self, seconds=GROUP_S + 1):
        """Let the notifier look, wait, and look again; return the texts that came in meanwhile."""
        before = len(self.receiver.requests)
        self.notifier.tick()
        self.clock.advance(seconds)
        self.notifier.tick()
        return [json.loads(body) for _, _, body in self.receiver.requests[before:]]

    def rows(self):
        return self.store.read(lambda tx: nouns.NOTIFICATIONS.select(tx))


@pytest.fixture
def receiver():
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def office(timed, blobs, clock, receiver, tmp_path):
    place = Office(timed, blobs, clock, receiver, tmp_path)
    place.secret("HOOK_URL", f"{receiver.url}/hook")
    return place


def told_of(messages, words):
    return [message for message in messages if words in message["text"]]


def test_what_comes_together_is_one_message_with_next_steps_and_pages(office):
    office.apply(hl.webhook("HOOK_URL", about=["alert"]))
    office.alert(1)
    office.alert(2, "drift", "income has moved")
    (message,) = office.work()
    assert message["title"] == "Helicline: 2 things need you"
    assert "accuracy fell to 0.71" in message["text"]
    assert "income has moved" in message["text"]
    assert "http://hl.example/alerts/churn!1" in message["text"]


def test_nothing_is_told_twice_while_it_lasts_nor_when_it_comes_back_soon(office):
    office.apply(hl.webhook("HOOK_URL", about=["alert"]))
    office.alert()
    assert len(office.work()) == 1
    assert office.work(3600) == []
    office.resolve()
    assert office.work() == []
    assert len(office.rows()) == 1
    office.clock.advance(FORGET.total_seconds() + 60)
    office.work()
    assert office.rows() == []


def test_what_is_over_before_it_was_told_is_not_told(office):
    office.apply(hl.webhook("HOOK_URL", about=["alert"]))
    office.alert()
    office.notifier.tick()
    office.resolve()
    assert office.work() == []
    assert office.rows() == []


def test_a_receiver_that_fails_stands_under_needs_you_and_is_told_as_soon_as_it_takes_it(office, receiver):
    answers = [503] * MANY_ATTEMPTS
    receiver.close()
    office.receiver = Receiver(lambda path, body: (answers.pop() if answers else 200, b"", "text/plain"))
    office.secret("HOOK_URL", f"{office.receiver.url}/hook")
    office.apply(hl.webhook("HOOK_URL", about=["alert", "notification"]))
    office.alert()
    while answers:
        office.notifier.tick()
        office.clock.advance(1800)
    (need,) = [need for need in office.store.read(needs_of) if need.kind == "notification"]
    assert "webhook:HOOK_URL cannot be told" in need.sentence
    assert office.receiver.url not in need.sentence
    office.notifier.tick()
    assert office.receiver.requests
    assert [(row.need, row.state) for row in office.rows()] == [("alert churn!1", "SENT")]  # of itself it is not told
    assert not [need for need in office.store.read(needs_of) if need.kind == "notification"]
    office.receiver.close()


def test_a_time_of_a_clock_that_was_ahead_is_not_waited_for(office):
    office.apply(hl.webhook("HOOK_URL", about=["alert"]))
    office.alert()
    office.clock.advance(86_400)
    office.notifier.tick()
    office.clock.advance(-86_400)
    assert len(office.work()) == 1


def test_a_secret_that_is_gone_is_no_silence(office):
    office.apply(hl.webhook("HOOK_URL", about=["alert"]))
    office.store.write(lambda tx: secrets.remove(tx, "HOOK_URL"))
    office.alert()
    assert office.work() == []
    assert "HOOK_URL" in office.rows()[0].last_error


def test_apprise_sends_to_any_address_it_knows_and_errors_hide_the_address(office, receiver):
    office.secret("OPS_URL", receiver.url.replace("http://", "json://user:pass@") + "/ops")
    office.apply(hl.apprise("OPS_URL", about=["alert"]))
    office.alert()
    (message,) = office.work()
    assert "accuracy fell to 0.71" in message["message"]
    office.secret("OPS_URL", "json://user:verysecret@127.0.0.1:9/ops")
    office.alert(2)
    office.work()
    error = next(row.last_error for row in office.rows() if row.state == "PENDING")
    assert error
    assert "verysecret" not in error
    office.secret("OPS_URL", "nothing://at.all")
    office.alert(3)
    office.work(3600)
    assert any("apprise knows" in row.last_error for row in office.rows())


def test_a_channel_hears_of_its_own_loops_and_of_what_belongs_to_none(office):
    office.apply(hl.webhook("HOOK_URL", about=["turn", "process"]))
    (own,) = office.store.read(lambda tx: nouns.LOOPS.select(tx))
    channels = (hl.webhook("HOOK_URL", about=["approval"]), hl.slack("OTHER_URL"))
    pipeline = msgspec.structs.replace(own.spec.pipeline, name="other")
    spec = msgspec.structs.replace(
        own.spec, name="other", model="o", deployment="o", pipeline=pipeline, notify=channels
    )
    other = msgspec.structs.replace(own, name="other", spec=spec)
    needs = [
        Need(kind=kind, id=id, sentence="", link="", subject=subject)
        for kind, id, subject in (
            ("turn", "churn~3", ""), ("alert", "churn!1", ""), ("turn", "other~1", ""), ("approval", "4f2a", "o"),
            ("process", "gateway", ""), ("notification", "slack:OTHER_URL", ""),
        )
    ]  # fmt: skip
    assert set(addressed(needs, [own, other])) == {
        ("webhook:HOOK_URL", "turn churn~3"),
        ("webhook:HOOK_URL", "process gateway"),
        ("webhook:HOOK_URL", "approval 4f2a"),
        ("slack:OTHER_URL", "turn other~1"),
        ("slack:OTHER_URL", "approval 4f2a"),
        ("slack:OTHER_URL", "process gateway"),
    }


def test_a_home_without_channels_looks_at_nothing(office, monkeypatch):
    monkeypatch.setattr("helicline.loop.notifications.outbox.needs_of", lambda tx: pytest.fail("looked"))
    office.apply()
    office.alert()
    assert office.work() == []


def test_loops_without_the_secret_or_with_wrong_words_are_refused(office):
    with pytest.raises(Invalid, match="hl secret set NOT_SET"):
        office.apply(hl.slack("NOT_SET"))
    with pytest.raises(Invalid, match="about"):
        hl.slack("HOOK_URL", about=["everything"])
    with pytest.raises(Invalid, match="a list"):
        hl.email("HOOK_URL", about="turn")


def test_a_message_of_one_thing_says_it_in_its_title(clock):
    need = Need(kind="turn", id="churn~3", sentence="churn~3 failed", link="/turns/churn~3",
                next_step=NextStep(label="Retry", path="/x", command="hl turn retry churn~3"))  # fmt: skip
    row = nouns.Notification(
        channel="slack:X", need="turn churn~3", sentence=need.sentence, link=need.link, command="hl turn retry churn~3",
        created_at=clock.now(), wake_at=clock.now() + timedelta(seconds=1),
    )  # fmt: skip
    title, text = message([row], url="http://127.0.0.1:7070/")
    assert title == "Helicline: churn~3 failed"
    assert text.splitlines() == [
        "- churn~3 failed", "  next: hl turn retry churn~3", "  http://127.0.0.1:7070/turns/churn~3",
    ]  # fmt: skip
