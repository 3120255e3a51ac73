"""What is on its way to webhooks: written with the event's cursor, tried until it arrives or is given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from helicline import registry
from helicline.errors import NotFound
from helicline.records.event import Event
from helicline.records.webhook import Delivery, Webhook
from helicline.store.noun import column_value
from helicline.store.nouns import DELIVERIES, WEBHOOKS
from helicline.store.unit import Reader, Tx

CONSUMER = "webhooks"
ATTEMPTS = 8
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0
CLAIM_S = 120.0
KEPT = timedelta(days=7)
VERBS = {
    ("registered_model", "created"): ("registered_model", "prompt", "created"),
    ("registered_model", "tagged"): ("", "prompt_tag", "set"),
    ("registered_model", "untagged"): ("", "prompt_tag", "deleted"),
    ("model_version", "registered"): ("model_version", "prompt_version", "created"),
    ("model_version", "tagged"): ("model_version_tag", "prompt_version_tag", "set"),
    ("model_version", "untagged"): ("model_version_tag", "prompt_version_tag", "deleted"),
    ("alias", "pointed"): ("model_version_alias", "prompt_alias", "created"),
    ("alias", "unpointed"): ("model_version_alias", "prompt_alias", "deleted"),
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: the receiver's status, or why there is none; `refused` addresses are never tried again."""

    status: int = 0
    error: str = ""
    refused: bool = False


def hear(tx: Tx, event: Event) -> None:
    """Write a delivery for each webhook that asked for this event."""
    if (event.noun, event.verb) not in VERBS:
        return
    listening = [webhook for webhook in WEBHOOKS.select(tx) if webhook.status == "ACTIVE"]
    if not listening:
        return
    told = message(tx, event)
    if told is None:
        return
    name, body = f"{told['entity']}.{told['action']}", msgspec.json.encode(told).decode()
    for webhook in listening:
        # the id makes a second server that hears the same event fail instead of telling it twice
        if name in webhook.events:
            fresh = Delivery(
                id=f"{webhook.id}-{event.seq}",
                webhook=webhook.id,
                seq=event.seq,
                body=body,
                created_at=tx.now,
                wake_at=tx.now,
            )
            DELIVERIES.insert(tx, fresh)


def message(tx: Reader, event: Event) -> dict[str, Any] | None:
    """Return the document that tells of the event, None where its subject is gone or nobody asks for such ones."""
    model_name, number, rest = _subject(event)
    try:
        model = registry.get_model(tx, model_name)
        data = _data(tx, event, model_name, number, rest)
    except NotFound:
        return None
    of_model, of_prompt, action = VERBS[event.noun, event.verb]
    entity = of_prompt if model.is_prompt else of_model
    if not entity:
        return None
    return {"entity": entity, "action": action, "timestamp": event.at.isoformat(), "data": data}


def _subject(event: Event) -> tuple[str, int, str]:
    """Return the model's name, the version's number (0 where it is not about one) and the alias."""
    if event.noun == "alias":
        name, _, alias = event.id.rpartition("@")
        return name, int(event.detail.get("number") or 0), alias
    if event.noun == "model_version":
        name, _, number = event.id.rpartition("/")
        return name, int(number), ""
    return event.id, 0, ""


def _data(tx: Reader, event: Event, name: str, number: int, alias: str) -> dict[str, Any]:
    if event.noun == "alias":
        told: dict[str, Any] = {"name": name, "alias": alias}
        return told | ({"version": str(number)} if event.verb == "pointed" else {})
    key = str(event.detail.get("key", ""))
    if event.noun == "registered_model":
        model = registry.get_model(tx, name)
        if event.verb == "created":
            return {"name": name, "tags": model.tags, "description": model.description or None}
        value = {"value": model.tags.get(key, "")} if event.verb == "tagged" else {}
        return {"name": name, "key": key} | value
    version = registry.get_version(tx, name, number)
    if event.verb == "registered":
        facts = {"source": version.source, "run_id": version.run_id or None}
        return {"name": name, "version": str(number), "tags": version.tags, "description": version.description} | facts
    value = {"value": version.tags.get(key, "")} if event.verb == "tagged" else {}
    return {"name": name, "version": str(number), "key": key} | value


def due(tx: Reader, *, limit: int = 20) -> list[Delivery]:
    """Return what should be tried now, the oldest first."""
    table = DELIVERIES.table.c
    return DELIVERIES.select(
        tx,
        table.state == "PENDING",
        table.wake_at <= column_value(tx.now),
        order=(table.wake_at, table.id),
        limit=limit,
    )


def claim(tx: Tx, delivery: Delivery) -> tuple[Delivery, Webhook] | None:
    """Return the delivery as it is tried now, by this server alone; None where its webhook is gone or silent."""
    webhook = WEBHOOKS.find(tx, delivery.webhook)
    if webhook is None or webhook.status != "ACTIVE":
        DELIVERIES.delete(tx, delivery.id)
        return None
    until = tx.now + timedelta(seconds=CLAIM_S)
    fresh = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1, wake_at=until)
    return DELIVERIES.swap(tx, fresh), webhook


def settle(tx: Tx, delivery: Delivery, outcome: Outcome) -> Delivery:
    """Note how the attempt ended, and forget what was over long ago."""
    for old in DELIVERIES.select(
        tx, DELIVERIES.table.c.webhook == delivery.webhook, DELIVERIES.table.c.state != "PENDING"
    ):
        if old.created_at < tx.now - KEPT:
            DELIVERIES.delete(tx, old.id)
    return DELIVERIES.swap(tx, decide(delivery, outcome, tx.now))


def decide(delivery: Delivery, outcome: Outcome, now: datetime) -> Delivery:
    """Return the delivery after an attempt: arrived, given up, or to be tried again after a longer wait."""
    noted = msgspec.structs.replace(delivery, last_status=outcome.status, last_error=outcome.error[:500])
    if 200 <= outcome.status < 300:
        return msgspec.structs.replace(noted, state="DELIVERED", wake_at=None)
    passing = outcome.status in (0, 408, 425, 429) or outcome.status >= 500
    if outcome.refused or not passing or delivery.attempts >= ATTEMPTS:
        return msgspec.structs.replace(noted, state="DEAD", wake_at=None)
    wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 3 ** (delivery.attempts - 1))
    return msgspec.structs.replace(noted, wake_at=now + timedelta(seconds=wait))
