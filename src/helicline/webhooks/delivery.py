"""Deliveries to webhooks: recorded in the transaction of their event, attempted until they succeed or are given up."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import msgspec

from helicline.errors import HeliclineError
from helicline.records.event import Event
from helicline.records.webhook import Delivery, Webhook
from helicline.store.noun import column_value
from helicline.store.nouns import DELIVERIES, WEBHOOKS
from helicline.store.rows import event as events
from helicline.store.unit import Reader, Tx
from helicline.webhooks import own_events
from helicline.webhooks.message import EVENT_NAMES, document, message

log = logging.getLogger("helicline.webhook")

CURSOR = "webhooks"  # of earlier releases, which read events after their commit
MAX_ATTEMPTS = 8
FIRST_WAIT_S, MAX_WAIT_S = 5.0, 3600.0
CLAIM_S = 120.0
RETENTION = timedelta(days=7)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an attempt: the receiver's status, or an error; a `refused` address is never called again."""

    status: int = 0
    error: str = ""
    refused: bool = False


def record_deliveries(tx: Tx, event: Event) -> None:
    """Record a delivery for each webhook with this event, in the transaction of the event."""
    if (event.noun, event.verb) not in EVENT_NAMES and not own_events.names_of(event):
        return
    active = [webhook for webhook in WEBHOOKS.select(tx) if webhook.status == "ACTIVE"]
    try:
        messages = _messages(tx, event) if active else {}
    except (HeliclineError, LookupError, TypeError, ValueError):  # the change must not fail for its message
        log.exception("event %d (%s %s) cannot be told to webhooks", event.seq, event.noun, event.verb)
        return
    for webhook in active:
        body = next((messages[name] for name in webhook.events if name in messages), None)
        if body is not None:
            delivery = Delivery(
                id=f"{event.seq:016d}-{webhook.id}",
                webhook=webhook.id,
                seq=event.seq,
                body=msgspec.json.encode(body).decode(),
                created_at=tx.now,
                wake_at=tx.now,
            )
            DELIVERIES.insert(tx, delivery)


def _messages(tx: Reader, event: Event) -> dict[str, dict[str, Any]]:
    """Return the documents of an event by the names that webhooks know it by."""
    stock = message(tx, event)
    data = {"id": event.id, **event.detail}
    own = {name: document(name, event.at, data) for name in own_events.names_of(event)}
    return dict([stock] if stock else []) | own


def record_unread(tx: Tx) -> int:
    """Record the deliveries of events that an earlier release had not read yet; return the number of events."""
    last_seq = events.cursor(tx, CURSOR)
    if not last_seq:
        return 0
    unread_count = 0
    while batch := events.after(tx, last_seq, limit=1000):
        for event in batch:
            record_deliveries(tx, event)
        last_seq, unread_count = batch[-1].seq, unread_count + len(batch)
    events.drop_cursor(tx, CURSOR)
    return unread_count


def due(tx: Reader, *, limit: int = 20) -> list[Delivery]:
    """Return the deliveries to attempt now, in the order of their events, whose numbers their ids begin with."""
    table = DELIVERIES.table.c
    return DELIVERIES.select(
        tx,
        table.state == "PENDING",
        table.wake_at <= column_value(tx.now),
        order=(table.id,),
        limit=limit,
    )


def claim(tx: Tx, delivery: Delivery) -> tuple[Delivery, Webhook] | None:
    """Return the delivery, claimed for this server; None where its webhook is deleted or disabled."""
    webhook = WEBHOOKS.find(tx, delivery.webhook)
    if webhook is None or webhook.status != "ACTIVE":
        DELIVERIES.delete(tx, delivery.id)
        return None
    until = tx.now + timedelta(seconds=CLAIM_S)
    claimed = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1, wake_at=until)
    return DELIVERIES.swap(tx, claimed), webhook


def settle(tx: Tx, delivery: Delivery, outcome: Outcome) -> Delivery:
    """Record the outcome of an attempt, and delete old finished deliveries."""
    for old in DELIVERIES.select(
        tx, DELIVERIES.table.c.webhook == delivery.webhook, DELIVERIES.table.c.state != "PENDING"
    ):
        if old.created_at < tx.now - RETENTION:
            DELIVERIES.delete(tx, old.id)
    return DELIVERIES.swap(tx, decide(delivery, outcome, tx.now))


def decide(delivery: Delivery, outcome: Outcome, now: datetime) -> Delivery:
    """Return the delivery after an attempt: delivered, dead, or pending with a longer wait."""
    updated = msgspec.structs.replace(delivery, last_status=outcome.status, last_error=outcome.error[:500])
    if 200 <= outcome.status < 300:
        return msgspec.structs.replace(updated, state="DELIVERED", wake_at=None)
    is_temporary = outcome.status in (0, 408, 425, 429) or outcome.status >= 500
    if outcome.refused or not is_temporary or delivery.attempts >= MAX_ATTEMPTS:
        return msgspec.structs.replace(updated, state="DEAD", wake_at=None)
    wait = min(MAX_WAIT_S, FIRST_WAIT_S * 3 ** (delivery.attempts - 1))
    return msgspec.structs.replace(updated, wake_at=now + timedelta(seconds=wait))
