"""Writes a checkpoint of the audit trail to the anchor soon after each change, where the setting names one."""

from __future__ import annotations

import logging
from functools import partial

from helicline import bus
from helicline.access import audit_archive
from helicline.access.audit_anchor import Anchor, make_checkpoint, signing_key
from helicline.errors import Invalid
from helicline.settings import Settings
from helicline.store.database import Store

log = logging.getLogger("helicline.server")
PAUSE_S = 5.0


class AuditAnchor(bus.PeriodicTask):
    """Anchors the newest event every few seconds while there are new ones; never a chain that broke with the anchor.

    An anchor that cannot be read or written is told by an event, and by another once it can: a person sees it then.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__("audit-anchor", pause_s=PAUSE_S)
        self.store, self.settings = store, settings
        self._anchor: Anchor | None = None
        self._anchored_seq = -1

    def tick(self) -> int:
        """Write a checkpoint where there are new events. Returns 0: the next one may wait for the pause."""
        place = self.settings.audit_anchor
        try:
            self._anchor_newest()
        except Exception as error:  # what a bucket raises is many things; the next look tries again
            what = "its checkpoints cannot be read" if self._anchored_seq < 0 else "the checkpoint cannot be written"
            why = f"{what}: {str(error).partition(chr(10))[0]}"
            log.error("audit anchor %s: %s", place, why)
            self._tell("failed", place=place, why=why)
        else:
            if not self.stopping.is_set():
                self._tell("recovered", place=place)
        return 0

    def _anchor_newest(self) -> None:
        self._anchor = self._anchor or Anchor(self.settings.audit_anchor)
        if self._anchored_seq < 0:
            self._anchored_seq = self._compare(self._anchor)
        checkpoint = self.store.read(lambda tx: make_checkpoint(tx, signing_key(self.settings)))
        if checkpoint is not None and checkpoint.seq > self._anchored_seq:
            self._anchor.append(checkpoint)
            self._anchored_seq = checkpoint.seq

    def _compare(self, anchor: Anchor) -> int:
        """Return the last anchored seq. Stops this task where the chain does not run through the anchor."""
        try:
            checkpoints = anchor.checkpoints()
        except Invalid:
            return 0  # a new anchor
        try:
            self.store.read(lambda tx: audit_archive.check(tx, checkpoints, self.settings.home_path))
        except bus.ChainBreak as broken:
            why = f"event {broken.seq}: {broken.why}"
            log.critical("audit anchor %s: %s; no more checkpoints", anchor.place, why)
            self._tell("broken", place=anchor.place, why=why)
            self.stopping.set()
            return 1 << 62
        return checkpoints[-1].seq if checkpoints else 0

    def _tell(self, verb: str, **detail: str) -> None:
        """Record a change of the anchor's state; what is as it was is not told again."""
        before = self.store.read(audit_archive.anchor_state)
        was_well = before is None or before.verb == "recovered"
        if (verb == "recovered" and was_well) or (before is not None and before.verb == verb):
            return
        self.store.write(lambda tx: bus.emit(tx, verb, *audit_archive.ANCHOR, **detail), actor="helicline")


def forget_anchor(store: Store) -> None:
    """Record that there is no anchor any more, where the last one had a fault."""
    before = store.read(audit_archive.anchor_state)
    if before is not None and before.verb != "recovered":
        unit = partial(bus.emit, verb="recovered", noun=audit_archive.NOUN, id=audit_archive.ANCHOR[1], place="")
        store.write(unit, actor="helicline")
