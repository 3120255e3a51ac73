"""Carries events to webhooks: hears the bus, tries what is due, in a thread of its own since receivers are slow."""

from __future__ import annotations

import logging

from helicline import bus, webhook
from helicline.clock import epoch_ms
from helicline.protocol.webhook import send
from helicline.records.webhook import Delivery
from helicline.settings import Settings
from helicline.store.noun import Stale
from helicline.store.unit import Store

log = logging.getLogger("helicline.server")
PAUSE_S = 5.0


class Courier(bus.Rounds):
    """Delivers at least once, whatever is killed when: a delivery is a row before anything is sent."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__("courier", pause_s=PAUSE_S)
        self.store, self.settings = store, settings

    def tick(self) -> int:
        """Hear what is new and try what is due; return how much there was."""
        moved = bus.consume(self.store, webhook.CONSUMER, webhook.hear)
        for delivery in self.store.read(webhook.due):
            if self.stopping.is_set():
                break
            moved += self._try(delivery)
        return moved

    def _try(self, delivery: Delivery) -> int:
        try:
            claimed = self.store.write(lambda tx: webhook.claim(tx, delivery), actor="courier")
        except Stale:  # another server took it
            return 0
        if claimed is None:
            return 0
        mine, target = claimed
        timestamp = str(epoch_ms(self.store.clock.now()) // 1000)
        told = send.headers(target.secret, mine.id, timestamp, mine.body)
        outcome = send.post(target.url, mine.body, told, private=self.settings.webhook_private)
        settled = self.store.write(lambda tx: webhook.settle(tx, mine, outcome), actor="courier")
        if settled.state == "DEAD":
            log.warning("webhook %s: delivery %s is given up: %s", target.name, mine.id, outcome.error)
        return 1
