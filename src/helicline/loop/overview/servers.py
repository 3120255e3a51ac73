"""The servers of one database: what they must share, and where they do not."""

from __future__ import annotations

import socket
import uuid
from datetime import timedelta
from pathlib import Path

from helicline import bus
from helicline.records.event import Event
from helicline.store.durable import write
from helicline.store.rows import event as rows
from helicline.store.unit import Reader, Tx

NOUN = "server"
_LOOK_BACK = timedelta(days=7)
_LIMIT = 50


def home_id(home: Path) -> str:
    """Return the id that is stored in a home; servers that share the folder have the same."""
    path = home / "home.id"
    if not path.is_file():
        write(path, uuid.uuid4().hex[:12].encode())
    return path.read_text().strip()


def note_start(tx: Tx, holder: str, *, home: str, blobs: str) -> list[str]:
    """Record that a server has started; return what it does not share with those that run."""
    bus.emit(tx, "started", NOUN, holder, host=socket.gethostname(), home=home, blobs=blobs)
    return differences(tx)


def note_stop(tx: Tx, holder: str) -> None:
    """Record that a server has stopped."""
    bus.emit(tx, "stopped", NOUN, holder)


def differences(tx: Reader) -> list[str]:
    """Return a sentence for each thing that the servers of this database should share, and do not."""
    running = _running(tx)
    sentences = []
    if len({event.detail["home"] for event in running}) > 1:
        sentences.append(
            f"servers of this database have homes of their own ({_hosts(running)}): predictions that one gateway logs"
            " cannot be found by the other's server; let HELICLINE_HOME be one shared folder"
        )
    if len({event.detail["blobs"] for event in running}) > 1:
        sentences.append(
            f"servers of this database keep their blobs apart ({_hosts(running)}): files that one stores cannot be read"
            " by the other; let HELICLINE_BLOBS be one bucket, or one shared folder"
        )
    return sentences


def _running(tx: Reader) -> list[Event]:
    """Return the start of each server of the last week that has not stopped, one for each home and host."""
    stopped: set[str] = set()
    running: dict[tuple[str, str], Event] = {}
    for event in rows.latest(tx, noun=NOUN, limit=_LIMIT):
        if event.verb == "stopped":
            stopped.add(event.id)
        elif event.id not in stopped and event.at > tx.now - _LOOK_BACK:
            running.setdefault((event.detail["host"], event.detail["home"]), event)
    return list(running.values())


def _hosts(running: list[Event]) -> str:
    return ", ".join(sorted(f"{event.detail['host']}: home {event.detail['home']}" for event in running))
