"""Webhooks: signed messages to other systems about events in the registry."""

from helicline.webhook.address import checked_url, is_public
from helicline.webhook.delivery import Outcome, claim, decide, due, record_deliveries, record_unread, settle
from helicline.webhook.message import example
from helicline.webhook.webhook import (
    EVENTS,
    WebhookFields,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    seal_unsealed,
    secret_context,
    update_webhook,
)

__all__ = [
    "EVENTS",
    "Outcome",
    "WebhookFields",
    "checked_url",
    "claim",
    "create_webhook",
    "decide",
    "delete_webhook",
    "due",
    "example",
    "get_webhook",
    "is_public",
    "list_webhooks",
    "record_deliveries",
    "record_unread",
    "seal_unsealed",
    "secret_context",
    "settle",
    "update_webhook",
]
