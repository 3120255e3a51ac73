"""Webhooks: others are told of what happens in the registry."""

from helicline.webhook.address import checked_url, is_public
from helicline.webhook.delivery import CONSUMER, Outcome, claim, decide, due, hear, settle
from helicline.webhook.webhook import (
    EVENTS,
    Told,
    about,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    seal_plain,
    update_webhook,
)

__all__ = [
    "CONSUMER",
    "EVENTS",
    "Outcome",
    "Told",
    "about",
    "checked_url",
    "claim",
    "create_webhook",
    "decide",
    "delete_webhook",
    "due",
    "get_webhook",
    "hear",
    "is_public",
    "list_webhooks",
    "seal_plain",
    "settle",
    "update_webhook",
]
