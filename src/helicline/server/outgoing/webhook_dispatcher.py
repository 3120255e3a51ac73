"""The webhook dispatcher: records deliveries when events happen, and sends them in a thread of its own."""

from __future__ import annotations

import logging

from helicline import bus, webhooks
from helicline.clock import epoch_ms
from helicline.errors import Conflict
from helicline.protocol.webhook import send
from helicline.records.webhook import Delivery, Webhook
from helicline.settings import Settings
from helicline.store.database import Store
from helicline.store.noun import Stale
from helicline.store.vault import Vault

log = logging.getLogger("helicline.server")
PAUSE_S = 5.0


class WebhookDispatcher(bus.PeriodicTask):
    """Delivers at least once, even after a crash: a delivery is committed before it is sent."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__("webhook-dispatcher", pause_s=PAUSE_S)
        self.store, self.settings, self.vault = store, settings, Vault.of(settings)
        store.event_hooks.append(webhooks.record_deliveries)

    def tick(self) -> int:
        """Attempt the due deliveries; return the number of attempts."""
        attempted = 0
        for delivery in self.store.read(webhooks.due):
            if self.stopping.is_set():
                break
            try:
                attempted += self._attempt(delivery)
            except Exception:  # does not block the next delivery; this one is due again after its claim
                log.exception("webhook delivery %s cannot be sent", delivery.id)
        return attempted

    def _attempt(self, delivery: Delivery) -> int:
        try:
            claimed = self.store.write(lambda tx: webhooks.claim(tx, delivery), actor="webhook-dispatcher")
        except Stale:  # another server has claimed it
            return 0
        if claimed is None:
            return 0
        delivery, target = claimed
        outcome = self._send(delivery, target)
        settled = self.store.write(lambda tx: webhooks.settle(tx, delivery, outcome), actor="webhook-dispatcher")
        if settled.state == "DEAD":
            log.warning("webhook %s: delivery %s is given up: %s", target.name, delivery.id, outcome.error)
        return 1

    def _send(self, delivery: Delivery, target: Webhook) -> webhooks.Outcome:
        try:
            secret = self.vault.open(target.secret, webhooks.secret_context(target.id))
        except Conflict as error:  # never send unsigned: the key may be restored before the last attempt
            return webhooks.Outcome(error=str(error))
        timestamp = str(epoch_ms(self.store.clock.now()) // 1000)
        headers = send.headers(secret, delivery.body, delivery_id=delivery.id, timestamp=timestamp)
        return send.post(target.url, delivery.body, headers, private=self.settings.webhook_private)
