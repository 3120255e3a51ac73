"""Events that are older than the setting `event_keep` says go to compressed files of the home."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import partial

import msgspec

from helicline.access import audit_archive
from helicline.access.audit_anchor import signed, signing_key
from helicline.access.audit_archive import Archive
from helicline.loop.context import Context
from helicline.loop.trash.old_log import Write
from helicline.store.rows import event as rows
from helicline.store.unit import Reader, Tx

PER_FILE = 20_000


class ArchivedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """How many events went, or would go, to archives: those up to `last`."""

    event_count: int
    last: int
    before: datetime


def look(context: Context) -> tuple[ArchivedEvents, ...]:
    """Return what `drop` would archive now."""
    age, now = context.settings.event_keep_age, context.store.clock.now()
    if age is None:
        return ()
    before = now - age

    def view(tx: Reader) -> tuple[ArchivedEvents, ...]:
        oldest, last = rows.oldest(tx), _last_before(tx, before)
        if oldest is None or last < oldest.seq:
            return ()
        return (ArchivedEvents(event_count=last - oldest.seq + 1, last=last, before=before),)

    return context.store.read(view)


def drop(context: Context, write: Write) -> tuple[ArchivedEvents, ...]:
    """Archive the events that are too old, so many in each file, each with an event and a signed checkpoint."""
    reports = look(context)
    for report in reports:
        while (archive := _written(context, report.last)) is not None:
            write(partial(_cut, archive=archive))
    return reports


def _last_before(tx: Reader, before: datetime) -> int:
    """Return the seq of the last event before a time that every consumer has processed; 0 where there is none."""
    oldest, (head, _) = rows.oldest(tx), rows.head(tx)
    lowest = rows.lowest_cursor(tx)
    low, high = (oldest.seq - 1 if oldest else 0), head - 1  # the newest event stays, as the end of the chain
    while low < high:  # times grow with seq
        middle = (low + high + 1) // 2
        [event] = rows.after(tx, middle - 1, limit=1)
        low, high = (middle, high) if event.at < before else (low, middle - 1)
    return low if lowest is None else min(low, lowest)


def _written(context: Context, last: int) -> Archive | None:
    """Return an archive with the oldest events up to `last`, written to the home; None where there are none."""
    oldest = context.store.read(rows.oldest)
    if oldest is None or oldest.seq > last:
        return None
    count = min(PER_FILE, last - oldest.seq + 1)
    events = context.store.read(lambda tx: rows.after(tx, oldest.seq - 1, limit=count))
    key, end = signing_key(context.settings), events[-1]
    checkpoint = signed(key, end.seq, end.hash, at=context.store.clock.now())
    return audit_archive.write(context.home, events, checkpoint)


def _cut(tx: Tx, archive: Archive) -> Counter[str]:
    audit_archive.cut(tx, archive)
    return Counter()
