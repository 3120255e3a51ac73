"""What is on its way to webhooks: written within the change that it tells of, tried until it arrives or is given up."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec

from helicline.errors import HeliclineError
from helicline.records.event import Event
from helicline.records.webhook import Delivery, Webhook
from helicline.store.noun import column_value
from helicline.store.nouns import DELIVERIES, WEBHOOKS
from helicline.store.rows import event as events
from helicline.store.unit import Reader, Tx
from helicline.webhook.message import NAMES, message

log = logging.getLogger("helicline.webhook")

CURSOR = "webhooks"  # of releases that heard of events after their commit
ATTEMPTS = 8
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0
CLAIM_S = 120.0
KEPT = timedelta(days=7)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: the receiver's status, or why there is none; `refused` addresses are never tried again."""

    status: int = 0
    error: str = ""
    refused: bool = False


def note(tx: Tx, event: Event) -> None:
    """Write a delivery for each webhook that asked for this event: it commits with what it tells of."""
    if (event.noun, event.verb) not in NAMES:
        return
    listening = [webhook for webhook in WEBHOOKS.select(tx) if webhook.status == "ACTIVE"]
    try:
        payload = message(tx, event) if listening else None
    except (HeliclineError, LookupError, TypeError, ValueError):  # the change itself must not fail for what tells of it
        log.exception("event %d (%s %s) cannot be told to webhooks", event.seq, event.noun, event.verb)
        return
    if payload is None:
        return
    called, document = payload
    body = msgspec.json.encode(document).decode()
    for webhook in listening:
        if called in webhook.events:
            fresh = Delivery(
                id=f"{event.seq:016d}-{webhook.id}",
                webhook=webhook.id,
                seq=event.seq,
                body=body,
                created_at=tx.now,
                wake_at=tx.now,
            )
            DELIVERIES.insert(tx, fresh)


def note_unheard(tx: Tx) -> int:
    """Note the events that a release which heard of them after their commit had not come to; return how many."""
    heard = events.cursor(tx, CURSOR)
    if not heard:
        return 0
    unheard = 0
    while batch := events.after(tx, heard, limit=1000):
        for event in batch:
            note(tx, event)
        heard, unheard = batch[-1].seq, unheard + len(batch)
    events.drop_cursor(tx, CURSOR)
    return unheard


def due(tx: Reader, *, limit: int = 20) -> list[Delivery]:
    """Return what should be tried now, in the order in which it happened: that of the commits, which ids begin with."""
    table = DELIVERIES.table.c
    return DELIVERIES.select(
        tx,
        table.state == "PENDING",
        table.wake_at <= column_value(tx.now),
        order=(table.id,),
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
