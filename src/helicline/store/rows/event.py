"""The table of events and its hash chain."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from helicline.records.event import Event
from helicline.store.noun import metadata
from helicline.store.unit import Reader, Tx

EVENT = sa.Table(
    "event",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("noun", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("doc", sa.Text, nullable=False),
    sa.Index("ix_event_noun_id", "noun", "id"),
)
HEAD = sa.Table(
    "event_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
CURSOR = sa.Table(
    "event_cursor",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
_FEW = 500
_DECODER = msgspec.json.Decoder(Event)


def chained(event: Event, previous_hash: str) -> Event:
    """Return the event with its hash: SHA-256 over its canonical JSON, which contains the previous hash."""
    bare = msgspec.structs.replace(event, previous_hash=previous_hash, hash="")
    return msgspec.structs.replace(bare, hash=hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest())


def append(tx: Tx, *, verb: str, noun: str, id: str, detail: dict[str, Any]) -> Event:
    """Append the next event to the chain; the lock of the head row keeps `seq` without gaps on PostgreSQL too."""
    # after its first event a unit holds the lock, and knows the head
    seq, previous = (tx.emitted[-1].seq, tx.emitted[-1].hash) if tx.emitted else _locked_head(tx)
    bare = Event(
        seq=seq + 1, at=tx.now, actor=tx.actor, verb=verb, noun=noun, id=id, detail=detail, request_id=tx.request_id
    )
    event = chained(bare, previous)
    mark, doc = tx.placeholder, msgspec.json.encode(event).decode()
    values = ", ".join([mark] * 5)
    tx.run_text(f"INSERT INTO event (seq, noun, id, verb, doc) VALUES ({values})", (event.seq, noun, id, verb, doc))
    tx.run_text(f"UPDATE event_head SET seq = {mark}, hash = {mark} WHERE id = 1", (event.seq, event.hash))
    return event


def _locked_head(tx: Tx) -> tuple[int, str]:
    locked = sa.select(HEAD.c.seq, HEAD.c.hash).where(HEAD.c.id == 1).with_for_update()
    head = tx.execute(locked).first()
    if head is None:
        # two first writers must lock one row, or each would begin a chain
        insert = postgresql.insert if tx.is_postgres else sqlite.insert
        tx.execute(insert(HEAD).values(id=1, seq=0, hash="").on_conflict_do_nothing())
        head = tx.execute(locked).one()
    return int(head.seq), str(head.hash)


def after(tx: Reader, seq: int, *, limit: int = 1000) -> list[Event]:
    """Return the events that follow `seq`, oldest first."""
    rows = tx.execute(sa.select(EVENT.c.doc).where(EVENT.c.seq > seq).order_by(EVENT.c.seq).limit(limit))
    return [_DECODER.decode(doc) for (doc,) in rows]


def oldest(tx: Reader) -> Event | None:
    """Return the first event that is not archived, None before the first of all."""
    return next(iter(after(tx, 0, limit=1)), None)


def hashes(tx: Reader, seqs: Sequence[int]) -> dict[int, str]:
    """Return the hash of each of these events, without those that are not there."""
    by_seq: dict[int, str] = {}
    for start in range(0, len(seqs), _FEW):
        few = EVENT.c.seq.in_(seqs[start : start + _FEW])
        events = (_DECODER.decode(doc) for (doc,) in tx.execute(sa.select(EVENT.c.doc).where(few)))
        by_seq |= {event.seq: event.hash for event in events}
    return by_seq


def remove_until(tx: Tx, seq: int) -> None:
    """Remove the events up to this one, which are archived."""
    tx.execute(EVENT.delete().where(EVENT.c.seq <= seq))


def latest(tx: Reader, *, noun: str = "", id: str = "", limit: int = 100, before: int = 0) -> list[Event]:
    """Return the newest events first; `noun` and `id` restrict them."""
    statement = sa.select(EVENT.c.doc).order_by(EVENT.c.seq.desc()).limit(limit)
    if noun:
        statement = statement.where(EVENT.c.noun == noun)
    if id:
        statement = statement.where(EVENT.c.id == id)
    if before:
        statement = statement.where(EVENT.c.seq < before)
    return [_DECODER.decode(doc) for (doc,) in tx.execute(statement)]


def head(tx: Reader) -> tuple[int, str]:
    """Return the last seq and its hash, (0, "") before the first event."""
    row = tx.execute(sa.select(HEAD.c.seq, HEAD.c.hash).where(HEAD.c.id == 1)).first()
    return (int(row.seq), str(row.hash)) if row else (0, "")


def cursor(tx: Reader, consumer: str) -> int:
    """Return the last seq that `consumer` has processed."""
    return int(tx.execute(sa.select(CURSOR.c.seq).where(CURSOR.c.consumer == consumer)).scalar() or 0)


def lowest_cursor(tx: Reader) -> int | None:
    """Return the last seq that every consumer has processed, None where there is no consumer."""
    lowest = tx.execute(sa.select(sa.func.min(CURSOR.c.seq))).scalar()
    return None if lowest is None else int(lowest)


def drop_cursor(tx: Tx, consumer: str) -> None:
    tx.execute(CURSOR.delete().where(CURSOR.c.consumer == consumer))


def move_cursor(tx: Tx, consumer: str, seq: int) -> None:
    statement = CURSOR.update().where(CURSOR.c.consumer == consumer).values(seq=seq)
    if tx.execute(statement).rowcount == 0:
        tx.execute(CURSOR.insert(), {"consumer": consumer, "seq": seq})
