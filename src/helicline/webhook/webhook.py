"""The verbs of webhooks."""

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
from helicline.webhook.address import checked_url
from helicline.webhook.message import FIELDS

NAME = re.compile(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
EVENTS = tuple(FIELDS)
# takes a secret and what it is about, and returns it as it may be kept
Seal = Callable[[str, str], str]
STATUSES = ("ACTIVE", "DISABLED")
MAX_WEBHOOKS = 1000


class WebhookFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller says of a webhook; None is what it does not say."""

    name: str | None = None
    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    secret: str | None = None
    status: Literal["ACTIVE", "DISABLED"] | None = None


def create_webhook(tx: Tx, changes: WebhookFields, *, private: bool, seal: Seal) -> Webhook:
    """Return the new webhook; with `private` it may lead to addresses of the own network. Its secret is kept sealed."""
    if WEBHOOKS.count(tx) >= MAX_WEBHOOKS:
        raise Invalid("webhooks", MAX_WEBHOOKS, f"at most {MAX_WEBHOOKS} in one server")
    bare = Webhook(id=str(uuid.uuid4()), name="", url="", events=(), created_at=tx.now, updated_at=tx.now)
    fields = _checked({"name": "", "url": "", "events": ()} | _set_fields(changes), private=private)
    webhook = msgspec.structs.replace(bare, **_sealed(fields, bare.id, seal))
    bus.emit(tx, "created", "webhook", webhook.id, name=webhook.name, events=list(webhook.events))
    return WEBHOOKS.insert(tx, webhook)


def _sealed(fields: dict[str, Any], webhook_id: str, seal: Seal) -> dict[str, Any]:
    return fields | {"secret": seal(fields["secret"], about(webhook_id))} if "secret" in fields else fields


def about(webhook_id: str) -> str:
    """Return what a webhook's secret is sealed for: nowhere else it can be opened."""
    return f"webhook/{webhook_id}"


def seal_plain(tx: Tx, vault: Vault) -> int:
    """Seal the secrets that were kept before there was a vault; return how many."""
    plain = [webhook for webhook in WEBHOOKS.select(tx) if not vault.is_sealed(webhook.secret)]
    for webhook in plain:
        WEBHOOKS.swap(tx, msgspec.structs.replace(webhook, secret=vault.seal(webhook.secret, about(webhook.id))))
        bus.emit(tx, "sealed", "webhook", webhook.id)
    return len(plain)


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
            if event not in EVENTS:
                raise Invalid("events", event, f"of {', '.join(EVENTS)}")
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
    """Change what is told and leave the rest."""
    webhook = get_webhook(tx, webhook_id)
    fields = _sealed(_checked(_set_fields(changes), private=private), webhook_id, seal)
    bus.emit(tx, "changed", "webhook", webhook_id, fields=sorted(fields))
    return WEBHOOKS.swap(tx, msgspec.structs.replace(webhook, updated_at=tx.now, **fields))


def delete_webhook(tx: Tx, webhook_id: str) -> None:
    """Remove the webhook and what is still on its way to it."""
    get_webhook(tx, webhook_id)
    for delivery in DELIVERIES.select(tx, DELIVERIES.table.c.webhook == webhook_id):
        DELIVERIES.delete(tx, delivery.id)
    WEBHOOKS.delete(tx, webhook_id)
    bus.emit(tx, "deleted", "webhook", webhook_id)
