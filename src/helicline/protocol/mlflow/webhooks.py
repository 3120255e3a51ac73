"""Webhooks on the wire. A secret goes in and never comes out."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec

from helicline import webhook as webhooks
from helicline.clock import epoch_ms
from helicline.protocol.mlflow.call import Call, pruned
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.webhook import send
from helicline.records.webhook import Webhook


def as_wire(webhook: Webhook) -> dict[str, Any]:
    return pruned(
        webhook_id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        events=[_event_as_wire(event) for event in webhook.events],
        description=webhook.description,
        status=webhook.status,
        creation_timestamp=epoch_ms(webhook.created_at),
        last_updated_timestamp=epoch_ms(webhook.updated_at),
    )


def _event_as_wire(event: str) -> dict[str, str]:
    entity, _, action = event.partition(".")
    return {"entity": entity.upper(), "action": action.upper()}


def _event(fields: Fields) -> str:
    return f"{fields.required('entity').lower()}.{fields.required('action').lower()}"


def _told(fields: Fields) -> webhooks.Told:
    def said(name: str) -> Any:
        return fields.text(name) if fields.has(name) else None

    return webhooks.Told(
        name=said("name") or None,
        url=said("url") or None,
        events=fields.each("events", _event) or None,
        description=said("description"),
        secret=said("secret"),
        status=said("status") or None,
    )


async def create(call: Call) -> Any:
    call.fields.required("name")
    call.fields.required("url")
    fields, private = _told(call.fields), call.settings.webhook_private
    webhook = await call.write(lambda tx: webhooks.create_webhook(tx, fields, private=private, seal=call.vault.seal))
    return {"webhook": as_wire(webhook)}


async def listing(call: Call) -> Any:
    size, token = call.fields.integer("max_results") or 100, call.fields.text("page_token")
    records, following = await call.read(lambda tx: webhooks.list_webhooks(tx, max_results=size, page_token=token))
    return pruned(webhooks=[as_wire(webhook) for webhook in records], next_page_token=following)


async def get(call: Call) -> Any:
    return {"webhook": as_wire(await call.read(lambda tx: webhooks.get_webhook(tx, call.parts["webhook_id"])))}


async def update(call: Call) -> Any:
    fields, private, webhook_id = _told(call.fields), call.settings.webhook_private, call.parts["webhook_id"]
    fresh = await call.write(
        lambda tx: webhooks.update_webhook(tx, webhook_id, fields, private=private, seal=call.vault.seal)
    )
    return {"webhook": as_wire(fresh)}


async def delete(call: Call) -> Any:
    await call.write(lambda tx: webhooks.delete_webhook(tx, call.parts["webhook_id"]))
    return {}


async def test(call: Call) -> Any:
    """Send an example of an event now, and answer how that went."""
    webhook = await call.read(lambda tx: webhooks.get_webhook(tx, call.parts["webhook_id"]))
    event = _event(call.fields.object("event")) if call.fields.has("event") else webhook.events[0]
    if event not in webhooks.EVENTS:
        raise call.fields.wrong("event", event, f"one of {', '.join(webhooks.EVENTS)}")
    now = call.store.clock.now()
    body, delivery_id = msgspec.json.encode(webhooks.example(event, now)).decode(), str(uuid.uuid4())
    secret = call.vault.open(webhook.secret, webhooks.about(webhook.id))
    headers = send.headers(secret, delivery_id, str(epoch_ms(now) // 1000), body)
    private = call.settings.webhook_private
    outcome = await asyncio.to_thread(send.post, webhook.url, body, headers, private=private)
    wire = pruned(response_status=outcome.status or None, response_body=outcome.body, error_message=outcome.error)
    return {"result": wire | {"success": 200 <= outcome.status < 300}}
