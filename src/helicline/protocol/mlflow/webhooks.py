"""Webhooks in the MLflow protocol. No answer contains a secret."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec

from helicline import webhooks
from helicline.clock import epoch_ms
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.request import Request, non_empty
from helicline.protocol.webhook import send
from helicline.records.webhook import Webhook


def as_wire(webhook: Webhook) -> dict[str, Any]:
    return non_empty(
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


def _fields_of(fields: Fields) -> webhooks.WebhookFields:
    def text(name: str) -> Any:
        return fields.text(name) if fields.has(name) else None

    return webhooks.WebhookFields(
        name=text("name") or None,
        url=text("url") or None,
        events=fields.list_of("events", _event) or None,
        description=text("description"),
        secret=text("secret"),
        status=text("status") or None,
    )


async def create(request: Request) -> Any:
    request.fields.required("name")
    request.fields.required("url")
    fields, private = _fields_of(request.fields), request.settings.webhook_private
    webhook = await request.write(
        lambda tx: webhooks.create_webhook(tx, fields, private=private, seal=request.vault.seal)
    )
    return {"webhook": as_wire(webhook)}


async def listing(request: Request) -> Any:
    size, token = request.fields.integer("max_results") or 100, request.fields.text("page_token")
    records, next_token = await request.read(lambda tx: webhooks.list_webhooks(tx, max_results=size, page_token=token))
    return non_empty(webhooks=[as_wire(webhook) for webhook in records], next_page_token=next_token)


async def get(request: Request) -> Any:
    return {"webhook": as_wire(await request.read(lambda tx: webhooks.get_webhook(tx, request.parts["webhook_id"])))}


async def update(request: Request) -> Any:
    fields, private, webhook_id = (
        _fields_of(request.fields),
        request.settings.webhook_private,
        request.parts["webhook_id"],
    )
    fresh = await request.write(
        lambda tx: webhooks.update_webhook(tx, webhook_id, fields, private=private, seal=request.vault.seal)
    )
    return {"webhook": as_wire(fresh)}


async def delete(request: Request) -> Any:
    await request.write(lambda tx: webhooks.delete_webhook(tx, request.parts["webhook_id"]))
    return {}


async def test(request: Request) -> Any:
    """Send an example of an event now, and answer the result of the request."""
    webhook = await request.read(lambda tx: webhooks.get_webhook(tx, request.parts["webhook_id"]))
    event = _event(request.fields.object("event")) if request.fields.has("event") else webhook.events[0]
    if event not in webhooks.ALL_EVENTS:
        raise request.fields.invalid("event", event, f"one of {', '.join(webhooks.ALL_EVENTS)}")
    now = request.store.clock.now()
    body, delivery_id = msgspec.json.encode(webhooks.example(event, now)).decode(), str(uuid.uuid4())
    secret = request.vault.open(webhook.secret, webhooks.secret_context(webhook.id))
    headers = send.headers(secret, body, delivery_id=delivery_id, timestamp=str(epoch_ms(now) // 1000))
    private = request.settings.webhook_private
    outcome = await asyncio.to_thread(send.post, webhook.url, body, headers, private=private)
    wire = non_empty(response_status=outcome.status or None, response_body=outcome.body, error_message=outcome.error)
    return {"result": wire | {"success": 200 <= outcome.status < 300}}
