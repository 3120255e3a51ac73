"""The notifier: tells people of what needs them, in a thread of its own, by Slack, e-mail, webhook or any other way."""

from __future__ import annotations

import logging
from functools import partial

import msgspec

from helicline import bus
from helicline.access import secrets
from helicline.errors import HeliclineError
from helicline.loop.notifications import outbox
from helicline.protocol.webhook import send
from helicline.records.notification import Channel
from helicline.settings import Settings
from helicline.store.database import Store
from helicline.store.noun import Stale
from helicline.store.vault import Vault

log = logging.getLogger("helicline.server")
PAUSE_S = 5.0
ACTOR = "notifier"
MISSING = "apprise is not installed where the server runs: pip install 'helicline[notify]'"


class Notifier(bus.PeriodicTask):
    """Tells at least once, even after a crash: a message is claimed before it is sent."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__("notifier", pause_s=PAUSE_S)
        self.store, self.settings, self.vault = store, settings, Vault.of(settings)

    def tick(self) -> int:
        """Note what needs people, and send what is due; return the number of messages."""
        look = self.store.read(outbox.look)
        try:
            if look.new or look.changed or look.ended:
                self.store.write(partial(outbox.record, change=look), actor=ACTOR)
            batches = self.store.write(outbox.claim, actor=ACTOR) if look.is_due else []
        except Stale:  # another server has it
            return 0
        for channel, rows in batches:
            error = self.tell(channel, *outbox.message(rows, url=self.settings.server_url))
            if error:
                log.warning("%s is not told of %d things: %s", channel.name, len(rows), error)
            self.store.write(partial(outbox.settle, rows=rows, error=error), actor=ACTOR)
        return len(batches)

    def tell(self, channel: Channel, title: str, text: str) -> str:
        """Send a message and return "", or why it could not be sent; the address is in no text."""
        try:
            address = self.store.read(lambda tx: secrets.values(tx, self.vault, [channel.secret]))[channel.secret]
        except HeliclineError as error:
            return str(error)
        if channel.kind == "webhook":
            body = msgspec.json.encode({"title": title, "text": text}).decode()
            headers = {"Content-Type": "application/json", "User-Agent": "helicline-webhook"}
            result = send.post(address, body, headers, private=self.settings.webhook_private)
            return "" if 200 <= result.status < 300 else result.error.replace(address, "its address")
        return by_apprise(address, title, text)


def by_apprise(address: str, title: str, text: str) -> str:
    """Send a message to an address that apprise knows (Slack's, mailtos://, and some hundred others)."""
    try:
        import apprise
    except ImportError:
        return MISSING
    messenger = apprise.Apprise()
    if not messenger.add(address):
        return "the secret holds no address that apprise knows, like mailtos://user:password@host?to=... or Slack's"
    with apprise.LogCapture(level=logging.WARNING) as captured:  # type: ignore[no-untyped-call]
        is_sent = messenger.notify(title=title, body=text)
        lines = captured.getvalue().strip().splitlines()
    return "" if is_sent else " ".join(lines[-2:]).replace(address, "its address") or "the receiver did not take it"
