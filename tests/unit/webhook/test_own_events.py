"""Every event of the program but those of single runs may be a webhook's."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from helicline import bus, webhooks
from helicline.errors import Invalid
from helicline.server.outgoing.webhook_dispatcher import WebhookDispatcher
from helicline.settings import Settings
from helicline.store.vault import Vault
from helicline.webhooks import WebhookFields
from helicline.webhooks.message import EVENT_NAMES
from helicline.webhooks.own_events import OWN_EVENTS, VERBS
from support.http_receiver import Receiver

SOURCE = Path(__file__).parents[3] / "src" / "helicline"
VAULT = Vault.of(Settings(secret_key="k"))
# of single runs, which are many; of the machinery; and of what nobody but an admin is to hear
LEFT_OUT = {
    "attempt", "blobs", "evaluation_dataset", "event", "experiment", "prediction_log", "process_logs", "revision",
    "run", "scorer", "secret", "session", "step_run", "token", "traces", "webhook",
}  # fmt: skip


def emitted():
    """Return (noun, verb) of each event whose words stand in the code."""
    words = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and len(node.args) >= 3
            if is_call and getattr(node.func, "attr", getattr(node.func, "id", "")) == "emit":
                noun, verbs = node.args[2], ast.walk(node.args[1])
                texts = [verb.value for verb in verbs if isinstance(verb, ast.Constant) and isinstance(verb.value, str)]
                words |= {(noun.value, verb) for verb in texts if isinstance(noun, ast.Constant)}
    return words


def test_no_event_is_left_out_unnoticed():
    words = {(noun, verb) for noun, verb in emitted() if noun not in LEFT_OUT and (noun, verb) not in EVENT_NAMES}
    rest = {(noun, verb) for noun, verb in words if verb not in VERBS.get(noun, ())}
    models = {(noun, verb) for noun, verb in rest if noun in ("alias", "model_version", "registered_model")}
    approvals = {("promotion_request", "d"), ("promotion_request", "approve")}  # the verb is put together
    assert rest - models - approvals == set()
    assert len(words) > 40


@pytest.fixture
def receiver():
    opened = Receiver()
    yield opened
    opened.close()


def subscribed(store, receiver, *events):
    request = WebhookFields(name="hook", url=f"{receiver.url}/hook", events=events)
    store.write(lambda tx: webhooks.create_webhook(tx, request, private=True, seal=VAULT.seal))
    return WebhookDispatcher(store, Settings(webhook_private=True, secret_key="k"))


def test_a_turn_that_failed_is_told(timed, receiver):
    courier = subscribed(timed, receiver, "turn.failed", "alert.raised")
    timed.write(lambda tx: bus.emit(tx, "ended", "turn", "churn~1", state="PROMOTED"))
    timed.write(lambda tx: bus.emit(tx, "ended", "turn", "churn~2", state="FAILED", why="no rows"))
    timed.write(lambda tx: bus.emit(tx, "raised", "alert", "churn!1", kind="drift"))
    while courier.tick():
        pass
    bodies = [json.loads(body) for _, _, body in receiver.requests]
    assert [(body["entity"], body["action"], body["data"]["id"]) for body in bodies] == [
        ("turn", "failed", "churn~2"),
        ("alert", "raised", "churn!1"),
    ]
    assert bodies[0]["data"]["why"] == "no rows"


def test_an_event_with_two_names_is_told_once(timed, receiver):
    courier = subscribed(timed, receiver, "turn.ended", "turn.failed")
    timed.write(lambda tx: bus.emit(tx, "ended", "turn", "churn~2", state="FAILED"))
    while courier.tick():
        pass
    assert [json.loads(body)["action"] for _, _, body in receiver.requests] == ["ended"]


def test_an_event_that_there_is_not_is_refused_with_those_that_there_are(timed, receiver):
    with pytest.raises(Invalid, match=r"turn\.failed"):
        subscribed(timed, receiver, "turn.fell")


@pytest.mark.parametrize("name", OWN_EVENTS)
def test_each_has_an_example(name, clock):
    assert ".".join(webhooks.example(name, clock.now())[part] for part in ("entity", "action")) == name
