"""What is told to webhooks, how it is signed, and when it is tried again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import msgspec
import pytest
from mlflow.webhooks import types

from helicline import registry
from helicline import webhooks as webhook
from helicline.clock import FakeClock
from helicline.protocol.webhook import send
from helicline.records.webhook import Delivery, Webhook
from helicline.server.outgoing.webhook_dispatcher import WebhookDispatcher
from helicline.settings import Settings
from helicline.store.nouns import DELIVERIES, WEBHOOKS
from helicline.store.rows import event as events
from helicline.store.vault import Vault
from helicline.webhooks import Outcome, WebhookFields
from support.http_receiver import Receiver, SlowReceiver

NOW = FakeClock().now()
SECRET, KEY = "s3cret", "the servers share this"
VAULT = Vault.of(Settings(secret_key=KEY))


@pytest.fixture
def receiver():
    opened = Receiver()
    yield opened
    opened.close()


def webhook_request(receiver, *events: str, **more) -> WebhookFields:
    return WebhookFields(name="hook", url=f"{receiver.url}/hook", events=events or webhook.EVENTS, **more)


def subscribe(store, request: WebhookFields) -> Webhook:
    return store.write(lambda tx: webhook.create_webhook(tx, request, private=True, seal=VAULT.seal))


@pytest.fixture
def courier(timed):
    return WebhookDispatcher(timed, Settings(webhook_private=True, secret_key=KEY))


def register(store, name: str = "churn", *, prompt: bool = False) -> None:
    tags = {"mlflow.prompt.is_prompt": "true"} if prompt else {}
    source = "dummy-source" if prompt else "s3://bucket/x"

    def unit(tx) -> None:
        registry.create_model(tx, name, tags=tags)
        registry.register(tx, name, source=source)
        registry.tag_version(tx, name, 1, key="k", value="v")
        registry.untag_version(tx, name, 1, "k")
        registry.point(tx, name, "champion", 1)
        registry.unpoint(tx, name, "champion")

    store.write(unit)


def run(courier) -> None:
    while courier.tick():
        pass


def documents(receiver) -> list[dict]:
    return [json.loads(body) for _, _, body in receiver.requests]


def test_what_happens_to_a_model_is_told_in_its_order(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver))
    register(timed)
    run(courier)
    assert [(document["entity"], document["action"]) for document in documents(receiver)] == [
        ("registered_model", "created"),
        ("model_version", "created"),
        ("model_version_tag", "set"),
        ("model_version_tag", "deleted"),
        ("model_version_alias", "created"),
        ("model_version_alias", "deleted"),
    ]
    assert documents(receiver)[4]["data"] == {"name": "churn", "alias": "champion", "version": "1"}


def test_what_happens_to_a_prompt_is_told_as_such(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver))
    register(timed, "greet", prompt=True)
    run(courier)
    assert [document["entity"] for document in documents(receiver)][:2] == ["prompt", "prompt_version"]


def test_what_is_told_is_how_it_stood_when_it_happened(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver, "model_version_tag.set", "prompt_version.created"))
    register(timed)
    for value in ("one", "two"):
        timed.write(lambda tx, value=value: registry.tag_version(tx, "churn", 1, key="k", value=value))
    tags = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "Hi {{name}}", "team": "red"}
    timed.write(lambda tx: registry.create_model(tx, "greet", tags={"mlflow.prompt.is_prompt": "true"}))
    timed.write(lambda tx: registry.register(tx, "greet", source="dummy-source", tags=tags))
    timed.write(lambda tx: registry.delete_version(tx, "churn", 1))
    run(courier)
    version = {"name": "churn", "version": "1", "key": "k"}
    assert [document["data"] for document in documents(receiver)] == [
        version | {"value": "v"},
        version | {"value": "one"},
        version | {"value": "two"},
        {"name": "greet", "version": "1", "template": "Hi {{name}}", "tags": {"team": "red"}, "description": None},
    ]


def test_what_happens_at_the_same_time_is_told_in_the_order_of_its_commits(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver, "model_version_tag.set"))
    register(timed)
    for number in range(10):
        units = [
            timed.submit(lambda tx, value=f"{number}.{at}": registry.tag_version(tx, "churn", 1, key="k", value=value))
            for at in range(4)
        ]
        for unit in units:
            unit.result()
    run(courier)
    deliveries = [headers["x-mlflow-delivery-id"] for _, headers, _ in receiver.requests]
    assert (len(deliveries), deliveries) == (41, sorted(deliveries))
    current = timed.read(lambda tx: registry.get_version(tx, "churn", 1)).tags["k"]
    assert documents(receiver)[-1]["data"]["value"] == current


def test_what_a_release_with_a_cursor_had_not_heard_is_told(timed, receiver):
    register(timed, "heard")
    timed.write(lambda tx: events.move_cursor(tx, "webhooks", events.head(tx)[0]))
    register(timed, "unheard")
    subscribe(timed, webhook_request(receiver, "registered_model.created"))
    courier = WebhookDispatcher(timed, Settings(webhook_private=True, secret_key=KEY))
    assert timed.write(webhook.record_unread) > 0
    assert timed.write(webhook.record_unread) == 0
    run(courier)
    assert [document["data"]["name"] for document in documents(receiver)] == ["unheard"]


def test_a_change_that_is_undone_tells_nobody(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver))

    def undone(tx):
        registry.create_model(tx, "churn")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        timed.write(undone)
    run(courier)
    assert (receiver.requests, timed.read(DELIVERIES.select)) == ([], [])


@pytest.mark.parametrize("called", webhook.EVENTS)
def test_an_event_has_the_fields_that_the_stock_server_gives_it(called):
    entity, action = called.split(".")
    name = "".join(part.title() for part in (*entity.split("_"), action)) + "Payload"
    stock = getattr(types, name).example()
    assert webhook.example(called, NOW)["data"].keys() == stock.keys()


def test_only_what_was_asked_for_is_told_and_nothing_twice(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver, "model_version.created"))
    subscribe(timed, webhook_request(receiver, "prompt.created"))
    asleep = webhook_request(receiver, "model_version.created", status="DISABLED")
    subscribe(timed, asleep)
    register(timed)
    run(courier)
    run(courier)
    assert [document["entity"] for document in documents(receiver)] == ["model_version"]


def test_a_body_is_signed_with_the_secret(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver, "registered_model.created", secret=SECRET))
    register(timed)
    run(courier)
    ((_, headers, body),) = receiver.requests
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.{body.decode()}"
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    assert headers["x-mlflow-signature"] == f"v1,{expected}"


def test_a_receiver_that_fails_is_tried_again_until_it_answers(timed, clock):
    answers = [(500, b"", "text/plain"), (429, b"", "text/plain"), (200, b"", "text/plain")]
    flaky = Receiver(lambda path, body: answers.pop(0))
    courier = WebhookDispatcher(timed, Settings(webhook_private=True, secret_key=KEY))
    subscribe(timed, webhook_request(flaky, "registered_model.created"))
    register(timed)
    for _ in range(5):
        run(courier)
        clock.advance(100)
    flaky.close()
    ids = {headers["x-mlflow-delivery-id"] for _, headers, _ in flaky.requests}
    assert (len(flaky.requests), len(ids)) == (3, 1)
    (delivery,) = timed.read(lambda tx: DELIVERIES.select(tx))
    assert (delivery.state, delivery.attempts) == ("DELIVERED", 3)


def test_a_redirect_is_not_followed(timed, courier):
    sly = Receiver(lambda path, body: (302, b"", "text/plain"))
    subscribe(timed, webhook_request(sly, "registered_model.created"))
    register(timed)
    run(courier)
    sly.close()
    (delivery,) = timed.read(lambda tx: DELIVERIES.select(tx))
    assert (len(sly.requests), delivery.state, delivery.last_status) == (1, "DEAD", 302)


def test_an_inner_address_that_came_in_earlier_is_refused_when_it_is_sent_to(timed, receiver):
    courier = WebhookDispatcher(timed, Settings(webhook_private=False, secret_key=KEY))
    subscribe(timed, webhook_request(receiver, "registered_model.created"))
    register(timed)
    run(courier)
    (delivery,) = timed.read(lambda tx: DELIVERIES.select(tx))
    assert (delivery.state, receiver.requests) == ("DEAD", [])


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1"])
def test_a_name_that_leads_inside_is_refused_when_it_is_sent_to(monkeypatch, address: str):
    info = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", (address, 443))]
    monkeypatch.setattr(send.socket, "getaddrinfo", lambda *_args, **_kwargs: info)
    outcome = send.post("https://rebound.example.com/x", "{}", {}, private=False)
    assert (outcome.refused, outcome.status) == (True, 0)


def test_a_name_that_changes_its_mind_gets_what_was_looked_at(monkeypatch, receiver):
    """The address that was checked is the one that is connected to; the name goes along for the receiver."""
    answers = [[(2, 1, 6, "", ("127.0.0.1", receiver.port))]]  # a second question would fail
    monkeypatch.setattr(send.socket, "getaddrinfo", lambda *_args, **_kwargs: answers.pop())
    outcome = send.post(f"http://rebound.example.com:{receiver.port}/x", "{}", {}, private=True)
    assert outcome.status == 200
    assert receiver.requests[-1][1]["host"] == f"rebound.example.com:{receiver.port}"


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_a_receiver_that_answers_byte_by_byte_is_given_up(begin: bytes):
    with SlowReceiver(begin) as url:
        outcome = send.post(url, "{}", {}, private=True, timeout_s=0.3)
    assert (outcome.status, "within 0.3 s" in outcome.error) == (0, True)


def test_of_a_long_answer_only_the_beginning_is_read():
    endless = Receiver(lambda path, body: (200, b"x" * 3_000_000, "text/plain"))
    outcome = send.post(endless.url, "{}", {}, private=True)
    endless.close()
    assert (outcome.status, len(outcome.body)) == (200, send.MAX_ANSWER_BYTES)


def test_a_claimed_delivery_is_not_tried_by_another_server(timed, courier, receiver):
    subscribe(timed, webhook_request(receiver, "registered_model.created"))
    register(timed)
    (delivery,) = timed.read(webhook.due)
    timed.write(lambda tx: webhook.claim(tx, delivery))
    assert timed.read(webhook.due) == []


DELIVERY = Delivery(id="w-1", webhook="w", seq=1, body="{}", created_at=NOW, wake_at=NOW, attempts=1)


@pytest.mark.parametrize(
    ("outcome", "attempts", "state", "wait"),
    [
        (Outcome(status=204), 1, "DELIVERED", None),
        (Outcome(status=500), 1, "PENDING", 5),
        (Outcome(status=503), 3, "PENDING", 45),
        (Outcome(status=429), 2, "PENDING", 15),
        (Outcome(error="reset"), 7, "PENDING", 3600),
        (Outcome(error="reset"), 8, "DEAD", None),
        (Outcome(status=404), 1, "DEAD", None),
        (Outcome(status=302), 1, "DEAD", None),
        (Outcome(error="inner", refused=True), 1, "DEAD", None),
    ],
)
def test_an_attempt_is_followed_by_what_its_outcome_calls_for(outcome, attempts, state, wait):
    after = webhook.decide(msgspec.structs.replace(DELIVERY, attempts=attempts), outcome, NOW)
    assert after.state == state
    assert after.wake_at == (None if wait is None else NOW + timedelta(seconds=wait))


def test_a_secret_lies_sealed_in_the_database(timed, receiver):
    hook = subscribe(timed, webhook_request(receiver, secret=SECRET))
    changed = timed.write(
        lambda tx: webhook.update_webhook(tx, hook.id, WebhookFields(secret="other"), private=True, seal=VAULT.seal)
    )
    docs = timed.read(lambda tx: [row.doc for row in tx.execute(WEBHOOKS.table.select())])
    assert not any(secret in doc for secret in (SECRET, "other") for doc in docs)
    assert [VAULT.open(stored.secret, webhook.secret_context(hook.id)) for stored in (hook, changed)] == [
        SECRET,
        "other",
    ]


def test_secrets_from_before_are_sealed_at_the_start(timed, receiver):
    hook = timed.write(
        lambda tx: webhook.create_webhook(
            tx,
            webhook_request(receiver, "registered_model.created", secret=SECRET),
            private=True,
            seal=lambda text, _: text,
        )
    )
    assert timed.write(lambda tx: webhook.seal_unsealed(tx, VAULT)) == 1
    assert timed.write(lambda tx: webhook.seal_unsealed(tx, VAULT)) == 0
    secret = timed.read(lambda tx: webhook.get_webhook(tx, hook.id)).secret
    assert (SECRET in secret, VAULT.open(secret, webhook.secret_context(hook.id))) == (False, SECRET)


def test_with_another_key_nothing_is_sent_and_the_reason_is_kept(timed, receiver):
    courier = WebhookDispatcher(timed, Settings(webhook_private=True, secret_key="another"))
    subscribe(timed, webhook_request(receiver, "registered_model.created", secret=SECRET))
    register(timed)
    run(courier)
    (delivery,) = timed.read(DELIVERIES.select)
    assert (receiver.requests, delivery.state) == ([], "PENDING")
    assert "sealed with another key" in delivery.last_error
