"""Which channel is told of which need: decided by what needs a person now, and by what was told already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from helicline.loop.overview.needs import Need, needs_of
from helicline.records.loop import Loop
from helicline.records.notification import Channel, Notification
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

GROUP_S = 10.0  # what comes within this time is told in one message
FORGET = timedelta(hours=1)  # a need that comes back sooner is not told again
CLAIM_S = 120.0
FIRST_WAIT_S, MAX_WAIT_S, MAX_ATTEMPTS = 10.0, 1800.0, 8
SUBJECT = re.compile(r"[~!#@/]")


class Change(NamedTuple):
    """What has to be written: notifications that are new, changed, or not needed any more."""

    new: list[Notification]
    changed: list[Notification]
    ended: list[Notification]


def channels_of(loops: Iterable[Loop]) -> dict[str, tuple[Channel, list[Loop]]]:
    """Return the channels by name, each with the loops that name it."""
    channels: dict[str, tuple[Channel, list[Loop]]] = {}
    for loop in loops:
        for channel in loop.spec.notify:
            present = channels.setdefault(channel.name, (channel, []))
            about = tuple(dict.fromkeys((*present[0].about, *channel.about)))
            everything = not (present[0].about and channel.about)
            channels[channel.name] = msgspec.structs.replace(channel, about=() if everything else about), present[1]
            present[1].append(loop)
    return channels


def is_for(need: Need, loops: Sequence[Loop], everyone: Sequence[Loop]) -> bool:
    """Tell whether a need concerns some loops: it is about one of them, or about no loop in particular."""
    subject = need.subject or SUBJECT.split(need.id)[0]
    return any(subject in _names(loop) for loop in loops) or not any(subject in _names(loop) for loop in everyone)


def _names(loop: Loop) -> set[str]:
    spec = loop.spec
    read = {source.dataset.partition("@")[0] for step in spec.pipeline.steps for source in step.inputs.values()}
    return {spec.name, spec.model, spec.deployment, spec.pipeline.name, *read} - {""}


def changes(needs: Sequence[Need], loops: Sequence[Loop], noted: Sequence[Notification], *, now: datetime) -> Change:
    """Return what has to be written so that each channel is told of what needs its people, once."""
    present = {(row.channel, row.need): row for row in noted}
    due = now + timedelta(seconds=GROUP_S)
    lasting: set[tuple[str, str]] = set()
    change = Change([], [], [])
    for name, (channel, own) in channels_of(loops).items():
        for need in needs:
            if (channel.about and need.kind not in channel.about) or not is_for(need, own, loops):
                continue
            key = name, f"{need.kind} {need.id}"
            lasting.add(key)
            if key not in present:
                command = need.next_step.command if need.next_step else ""
                row = Notification(
                    channel=name, need=key[1], sentence=need.sentence, link=need.link, command=command,
                    created_at=now, wake_at=due,
                )  # fmt: skip
                change.new.append(row)
            elif present[key].gone_at is not None:
                change.changed.append(msgspec.structs.replace(present[key], gone_at=None))
    for key, row in present.items():
        if key in lasting:
            continue
        if row.state == "PENDING" or (row.gone_at is not None and row.gone_at < now - FORGET):
            change.ended.append(row)  # over before anybody was told, or long ago
        elif row.gone_at is None:
            change.changed.append(msgspec.structs.replace(row, gone_at=now))
    return change


def pending_changes(tx: Reader) -> Change:
    """Return what `changes` returns for the present state. Where no loop names a channel nothing is looked at."""
    loops = nouns.LOOPS.select(tx)
    noted = nouns.NOTIFICATIONS.select(tx)
    if not noted and not any(loop.spec.notify for loop in loops):
        return Change([], [], [])
    return changes(needs_of(tx), loops, noted, now=tx.now)


def record(tx: Tx, change: Change) -> None:
    """Write a change. Raises Stale where another server has written meanwhile."""
    for row in change.new:
        if nouns.NOTIFICATIONS.find(tx, row.channel, row.need) is None:
            nouns.NOTIFICATIONS.insert(tx, row)
    for row in change.changed:
        nouns.NOTIFICATIONS.swap(tx, row)
    for row in change.ended:
        nouns.NOTIFICATIONS.delete(tx, row.channel, row.need)


def is_due(tx: Reader) -> bool:
    """Tell whether something has to be sent now."""
    waiting = nouns.NOTIFICATIONS.select(tx, nouns.NOTIFICATIONS.table.c.state == "PENDING")
    return any(row.wake_at is not None and row.wake_at <= tx.now for row in waiting)


def claim(tx: Tx) -> list[tuple[Channel, list[Notification]]]:
    """Return what is to be sent now by channel, all that waits for it, claimed for this server."""
    waiting = nouns.NOTIFICATIONS.select(tx, nouns.NOTIFICATIONS.table.c.state == "PENDING")
    channels = channels_of(nouns.LOOPS.select(tx))
    until = tx.now + timedelta(seconds=CLAIM_S)
    claimed = []
    for name in dict.fromkeys(row.channel for row in waiting if row.wake_at is not None and row.wake_at <= tx.now):
        rows = [row for row in waiting if row.channel == name]
        if name not in channels:
            for row in rows:
                nouns.NOTIFICATIONS.delete(tx, row.channel, row.need)
            continue
        batch = [msgspec.structs.replace(row, attempts=row.attempts + 1, wake_at=until) for row in rows]
        claimed.append((channels[name][0], [nouns.NOTIFICATIONS.swap(tx, row) for row in batch]))
    return claimed


def settle(tx: Tx, *, rows: Sequence[Notification], error: str) -> None:
    """Record the outcome of a message: told, to be tried again later, or given up."""
    for row in rows:
        current = nouns.NOTIFICATIONS.find(tx, row.channel, row.need)
        if current is not None:
            settled = decide(row, error, tx.now)
            nouns.NOTIFICATIONS.swap(tx, msgspec.structs.replace(settled, version=current.version))


def decide(row: Notification, error: str, now: datetime) -> Notification:
    """Return a notification after an attempt; `error` is "" where it was told."""
    if not error:
        return msgspec.structs.replace(row, state="SENT", wake_at=None, last_error="")
    failed = msgspec.structs.replace(row, last_error=error[:500])
    if row.attempts >= MAX_ATTEMPTS:
        return msgspec.structs.replace(failed, state="DEAD", wake_at=None)
    wait = min(MAX_WAIT_S, FIRST_WAIT_S * 3 ** (row.attempts - 1))
    return msgspec.structs.replace(failed, wake_at=now + timedelta(seconds=wait))


def message(rows: Sequence[Notification], *, url: str) -> tuple[str, str]:
    """Return the title and the text of a message about several needs, with the next steps and the pages."""
    title = f"Helicline: {rows[0].sentence}" if len(rows) == 1 else f"Helicline: {len(rows)} things need you"
    lines = []
    for row in rows:
        lines.append(f"- {row.sentence}")
        lines += [f"  next: {row.command}"] if row.command else []
        lines += [f"  {url.rstrip('/')}{row.link}"] if url else []
    return title[:200], "\n".join(lines)
