"""Webhooks: create, find, update and delete."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from helicline import bus
from helicline.errors import Invalid, NotFound
from helicline.records.webhook import Webhook
from helicline.store.nouns import DELIVERIES, WEBHOOKS
from helicline.store.unit import Reader, Tx
from helicline.store.vault import Vault
from helicline.tracking import checks
from helicline.tracking.page_token import paginate
from helicline.tracking.search import checked_page
from helicline.webhooks.address import checked_url
from helicline.webhooks.message import FIELDS
from helicline.webhooks.own_events import OWN_EVENTS

NAME = re.compile(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
EVENTS = tuple(FIELDS)  # of MLflow
ALL_EVENTS = (*EVENTS, *OWN_EVENTS)
# takes a secret and its context, and returns the form to store
Seal = Callable[[str, str], str]
STATUSES = ("ACTIVE", "DISABLED")
MAX_WEBHOOKS = 1000


class WebhookFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a webhook in a request; None means not given."""

    name: str | None = None
    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    secret: str | None = None
    status: Literal["ACTIVE", "DISABLED"] | None = None


def create_webhook(tx: Tx, changes: WebhookFields, *, private: bool, seal: Seal) -> Webhook:
    """Return the new webhook, with an encrypted secret; `private` allows private addresses."""
    if WEBHOOKS.count(tx) >= MAX_WEBHOOKS:
        raise Invalid("webhooks", MAX_WEBHOOKS, f"at most {MAX_WEBHOOKS} in one server")
    empty = Webhook(id=str(uuid.uuid4()), name="", url="", events=(), created_at=tx.now, updated_at=tx.now)
    fields = _checked({"name": "", "url": "", "events": ()} | _set_fields(changes), private=private)
    webhook = msgspec.structs.replace(empty, **_with_sealed_secret(fields, empty.id, seal))
    bus.emit(tx, "created", "webhook", webhook.id, name=webhook.name, events=list(webhook.events))
    return WEBHOOKS.insert(tx, webhook)


def _with_sealed_secret(fields: dict[str, Any], webhook_id: str, seal: Seal) -> dict[str, Any]:
    return fields | {"secret": seal(fields["secret"], secret_context(webhook_id))} if "secret" in fields else fields


def secret_context(webhook_id: str) -> str:
    """Return the context to which a webhook's secret is bound; it can be decrypted for no other."""
    return f"webhook/{webhook_id}"


def seal_unsealed(tx: Tx, vault: Vault) -> int:
    """Encrypt the secrets that were stored before there was a vault; return their number."""
    unsealed = [webhook for webhook in WEBHOOKS.select(tx) if not vault.is_sealed(webhook.secret)]
    for webhook in unsealed:
        WEBHOOKS.swap(
            tx, msgspec.structs.replace(webhook, secret=vault.seal(webhook.secret, secret_context(webhook.id)))
        )
        bus.emit(tx, "sealed", "webhook", webhook.id)
    return len(unsealed)


def _set_fields(changes: WebhookFields) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}


def _checked(fields: dict[str, Any], *, private: bool) -> dict[str, Any]:
    if "name" in fields and not NAME.fullmatch(fields["name"]):
        allowed = "letters, digits, '.', '_' and '-', at most 63, a letter or digit at both ends"
        raise Invalid("name", fields["name"], allowed)
    if "url" in fields:
        checked_url(fields["url"], private=private)
    if "events" in fields:
        fields["events"] = tuple(dict.fromkeys(fields["events"]))
        if not fields["events"]:
            raise Invalid("events", [], "Webhook events must be a non-empty list")
        for event in fields["events"]:
            if event not in ALL_EVENTS:
                raise Invalid("events", event, f"of {', '.join(ALL_EVENTS)}")
    for name, limit in (("description", 1000), ("secret", 1000)):
        if name in fields:
            checks.checked_text(name, checks.checked_length(name, limit, fields[name]))
    if fields.get("status", "ACTIVE") not in STATUSES:
        raise Invalid("status", fields["status"], f"one of {', '.join(STATUSES)}")
    return fields


def get_webhook(tx: Reader, webhook_id: str) -> Webhook:
    webhook = WEBHOOKS.find(tx, webhook_id)
    if webhook is None:
        raise NotFound("webhook", webhook_id)
    return webhook


def list_webhooks(tx: Reader, *, max_results: int = 100, page_token: str = "") -> tuple[list[Webhook], str]:
    """Return one page of webhooks, newest first, and the token of the next."""
    checked_page("max_results", max_results, 1000)
    table = WEBHOOKS.table.c
    webhooks = WEBHOOKS.select(tx, order=(table.created_at.desc(), table.id))
    return paginate(webhooks, limit=max_results, token=page_token, id_of=lambda webhook: webhook.id)


def update_webhook(tx: Tx, webhook_id: str, changes: WebhookFields, *, private: bool, seal: Seal) -> Webhook:
    """Change the given fields, and return the webhook."""
    webhook = get_webhook(tx, webhook_id)
    fields = _with_sealed_secret(_checked(_set_fields(changes), private=private), webhook_id, seal)
    bus.emit(tx, "changed", "webhook", webhook_id, fields=sorted(fields))
    return WEBHOOKS.swap(tx, msgspec.structs.replace(webhook, updated_at=tx.now, **fields))


def delete_webhook(tx: Tx, webhook_id: str) -> None:
    """Delete the webhook and its pending deliveries."""
    get_webhook(tx, webhook_id)
    for delivery in DELIVERIES.select(tx, DELIVERIES.table.c.webhook == webhook_id):
        DELIVERIES.delete(tx, delivery.id)
    WEBHOOKS.delete(tx, webhook_id)
    bus.emit(tx, "deleted", "webhook", webhook_id)
