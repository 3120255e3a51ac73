"""Webhooks: others are told of what happens in the registry."""

from helicline.webhook.address import checked_url, is_public
from helicline.webhook.delivery import Outcome, claim, decide, due, note, note_unheard, settle
from helicline.webhook.message import example
from helicline.webhook.webhook import (
    EVENTS,
    WebhookFields,
    about,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    seal_plain,
    update_webhook,
)

__all__ = [
    "EVENTS",
    "Outcome",
    "WebhookFields",
    "about",
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
    "note",
    "note_unheard",
    "seal_plain",
    "settle",
    "update_webhook",
]
