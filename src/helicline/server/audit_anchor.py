"""Writes a checkpoint of the audit trail to the anchor soon after each change, where the setting names one."""

from __future__ import annotations

import logging

from helicline import bus
from helicline.access.audit_anchor import Anchor, compare, make_checkpoint, signing_key
from helicline.errors import Invalid, Unavailable
from helicline.settings import Settings
from helicline.store.database import Store

log = logging.getLogger("helicline.server")
PAUSE_S = 5.0


class AuditAnchor(bus.PeriodicTask):
    """Anchors the newest event every few seconds while there are new ones; never a chain that broke with the anchor."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__("audit-anchor", pause_s=PAUSE_S)
        self.store, self.settings = store, settings
        self._anchor = Anchor(settings.audit_anchor)
        self._anchored_seq = -1

    def tick(self) -> int:
        """Write a checkpoint where there are new events. Returns 0: the next one may wait for the pause."""
        if self._anchored_seq < 0:
            try:
                self._anchored_seq = self._compare()
            except Unavailable as error:
                log.error("audit anchor %s: its checkpoints cannot be read: %s", self._anchor.place, error)
                return 0
        checkpoint = self.store.read(lambda tx: make_checkpoint(tx, signing_key(self.settings)))
        if checkpoint is not None and checkpoint.seq > self._anchored_seq:
            try:
                self._anchor.append(checkpoint)
            except Exception as error:  # what a bucket raises is many things; the next look tries again
                log.error("audit anchor %s: the checkpoint cannot be written: %s", self._anchor.place, error)
                return 0
            self._anchored_seq = checkpoint.seq
        return 0

    def _compare(self) -> int:
        """Return the last anchored seq. Stops this task where the chain does not run through the anchor."""
        try:
            checkpoints = self._anchor.checkpoints()
        except Invalid:
            return 0  # a new anchor
        try:
            self.store.read(lambda tx: compare(tx, checkpoints))
        except bus.ChainBreak as broken:
            seq, why = broken.seq, broken.why
            log.critical("audit anchor %s: event %d: %s; no more checkpoints", self._anchor.place, seq, why)
            self.store.write(lambda tx: bus.emit(tx, "broken", "audit", str(seq), why=why), actor="helicline")
            self.stopping.set()
            return 1 << 62
        return checkpoints[-1].seq if checkpoints else 0
