"""Webhooks: signed messages to other systems about events in the registry."""

from helicline.webhooks.address import checked_url, is_public
from helicline.webhooks.delivery import Outcome, claim, decide, due, record_deliveries, record_unread, settle
from helicline.webhooks.message import example
from helicline.webhooks.webhook import (
    ALL_EVENTS,
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
    "ALL_EVENTS",
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
