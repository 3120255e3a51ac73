"""Which channel is told of which need: decided by what needs a person now, and by what was told already."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
FIRST_WAIT_S, MAX_WAIT_S = 10.0, 1800.0
SUBJECT = re.compile(r"[~!#@/]")
Key = tuple[str, str]  # the name of a channel, and the need


class Look(NamedTuple):
    """What is to be done now: notifications to add, to change and to drop, and whether one is due to be sent."""

    new: list[Notification]
    changed: list[Notification]
    ended: list[Notification]
    is_due: bool = False


def look(tx: Reader) -> Look:
    """Return what is to be done. Where no loop names a channel the needs are not looked at."""
    loops, noted = nouns.LOOPS.select(tx), nouns.NOTIFICATIONS.select(tx)
    needs = needs_of(tx) if any(loop.spec.notify for loop in loops) else []
    return changes(addressed(needs, loops), noted, now=tx.now)


def addressed(needs: Sequence[Need], loops: Sequence[Loop]) -> dict[Key, Need]:
    """Return what each channel is to be told: what concerns its loops and is of a kind that it is told about."""
    names = {loop.name: _names(loop) for loop in loops}
    of_any_loop = set[str]().union(*names.values())
    return {
        (channel.name, f"{need.kind} {need.id}"): need
        for loop in loops
        for channel in loop.spec.notify
        for need in needs
        if need.kind in (channel.about or (need.kind,))
        and (_subject(need) in names[loop.name] or _subject(need) not in of_any_loop)
        and (need.kind, need.id) != ("notification", channel.name)  # that cannot be told there
    }


def _subject(need: Need) -> str:
    return need.subject or SUBJECT.split(need.id)[0]


def _names(loop: Loop) -> set[str]:
    """Return the names by which needs are about a loop."""
    spec = loop.spec
    read = {source.dataset.partition("@")[0] for step in spec.pipeline.steps for source in step.inputs.values()}
    return {spec.name, spec.model, spec.deployment, spec.pipeline.name, *read} - {""}


def changes(needs: Mapping[Key, Need], noted: Sequence[Notification], *, now: datetime) -> Look:
    """Return what has to be done so that each channel is told of its needs, once."""
    present = {(row.channel, row.need): row for row in noted}
    new = [_notification(key, need, now) for key, need in needs.items() if key not in present]
    changed, ended = [], []
    for key, row in present.items():
        if key in needs:
            changed += [msgspec.structs.replace(row, gone_at=None)] if row.gone_at else []
        elif row.state == "PENDING" or (row.gone_at and row.gone_at < now - FORGET):
            ended.append(row)  # over before anybody was told, or long ago
        elif row.gone_at is None:
            changed.append(msgspec.structs.replace(row, gone_at=now))
    return Look(new, changed, ended, is_due=any(is_due(row, now) for row in noted))


def _notification(key: Key, need: Need, now: datetime) -> Notification:
    channel, name = key
    return Notification(
        channel=channel, need=name, sentence=need.sentence, link=need.link,
        command=need.next_step.command if need.next_step else "",
        created_at=now, wake_at=now + timedelta(seconds=GROUP_S),
    )  # fmt: skip


def is_due(row: Notification, now: datetime) -> bool:
    """Tell whether it is to be sent now. A time beyond the longest wait is of a clock that was ahead once."""
    return row.wake_at is not None and not now < row.wake_at <= now + timedelta(seconds=MAX_WAIT_S)


def record(tx: Tx, change: Look) -> None:
    """Write what a look says. Raises Stale where another server has written meanwhile."""
    for row in change.new:
        if nouns.NOTIFICATIONS.find(tx, row.channel, row.need) is None:
            nouns.NOTIFICATIONS.insert(tx, row)
    for row in change.changed:
        nouns.NOTIFICATIONS.swap(tx, row)
    for row in change.ended:
        nouns.NOTIFICATIONS.delete(tx, row.channel, row.need)


def claim(tx: Tx) -> list[tuple[Channel, list[Notification]]]:
    """Return what is to be sent now by channel, all that waits for it, claimed for this server."""
    waiting = nouns.NOTIFICATIONS.select(tx, nouns.NOTIFICATIONS.table.c.state == "PENDING")
    channels = {channel.name: channel for loop in nouns.LOOPS.select(tx) for channel in loop.spec.notify}
    until = tx.now + timedelta(seconds=CLAIM_S)
    claimed: dict[str, list[Notification]] = {row.channel: [] for row in waiting if is_due(row, tx.now)}
    for row in waiting:
        if row.channel in claimed and row.channel in channels:
            claim_of = msgspec.structs.replace(row, attempts=row.attempts + 1, wake_at=until)
            claimed[row.channel].append(nouns.NOTIFICATIONS.swap(tx, claim_of))
    return [(channels[name], rows) for name, rows in claimed.items() if rows]


def settle(tx: Tx, *, rows: Sequence[Notification], error: str) -> None:
    """Record the outcome of a message: told, or to be tried again later."""
    for row in rows:
        current = nouns.NOTIFICATIONS.find(tx, row.channel, row.need)
        if current is not None:
            settled = decide(row, error, tx.now)
            nouns.NOTIFICATIONS.swap(tx, msgspec.structs.replace(settled, version=current.version))


def decide(row: Notification, error: str, now: datetime) -> Notification:
    """Return a notification after an attempt; `error` is "" where it was told."""
    if not error:
        return msgspec.structs.replace(row, state="SENT", wake_at=None, last_error="")
    wait = min(MAX_WAIT_S, FIRST_WAIT_S * 3 ** (row.attempts - 1))
    return msgspec.structs.replace(row, last_error=error[:500], wake_at=now + timedelta(seconds=wait))


def message(rows: Sequence[Notification], *, url: str) -> tuple[str, str]:
    """Return the title and the text of a message about several needs, with the next steps and the pages."""
    title = f"Helicline: {rows[0].sentence}" if len(rows) == 1 else f"Helicline: {len(rows)} things need you"
    lines = []
    for row in rows:
        lines.append(f"- {row.sentence}")
        lines += [f"  next: {row.command}"] if row.command else []
        lines += [f"  {url.rstrip('/')}{row.link}"] if url else []
    return title[:200], "\n".join(lines)
