"""Old events in compressed files of the home, so that their table does not grow for ever (note 0047).

The chain runs on through them. The event that tells of an archive is in the chain too: it has the digest of the file
and a signed checkpoint of the cut, so a file that was changed, and a cut that nobody made, are found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import zstandard

from helicline import bus
from helicline.access.audit_anchor import AnchorMismatch, Checkpoint, check_signatures
from helicline.errors import Conflict
from helicline.records.event import Event
from helicline.store import durable
from helicline.store.rows import event as rows
from helicline.store.unit import Reader, Tx

FOLDER = "audit"  # of the home
NOUN, VERB = "audit", "archived"
ANCHOR = (NOUN, "anchor")  # noun and id of the events of the anchor's state
_EVENT = msgspec.json.Decoder(Event)


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """A file with the events `first` to `last`, as the event tells of it that was written with the cut."""

    first: int
    last: int
    file: str
    sha256: str
    size_bytes: int
    checkpoint: Checkpoint


def write(home: Path, events: Sequence[Event], checkpoint: Checkpoint) -> Archive:
    """Write events to a file, durable before the return; `checkpoint` is of the last one."""
    first, last = events[0].seq, events[-1].seq
    body = zstandard.compress(b"".join(msgspec.json.encode(event) + b"\n" for event in events), 9)
    name = f"events-{first:012d}-{last:012d}.jsonl.zst"
    durable.make_folder(home / FOLDER)
    durable.write(home / FOLDER / name, body, mode=0o600)
    digest = hashlib.sha256(body).hexdigest()
    return Archive(first=first, last=last, file=name, sha256=digest, size_bytes=len(body), checkpoint=checkpoint)


def cut(tx: Tx, archive: Archive) -> None:
    """Remove the events of an archive from the table, with the event that tells of it.

    Raises:
        Conflict: the table begins elsewhere by now, or something has not read the events yet.
    """
    oldest = rows.oldest(tx)
    lowest = rows.lowest_cursor(tx)
    if oldest is None or oldest.seq != archive.first or (lowest is not None and lowest < archive.last):
        raise Conflict("events", f"{archive.first} to {archive.last}", "are archived by another server, or in use")
    bus.emit(tx, VERB, NOUN, str(archive.last), **msgspec.to_builtins(archive))
    rows.remove_until(tx, archive.last)


def begin_of(tx: Reader) -> tuple[int, str]:
    """Return seq and hash of the last archived event, (0, "") where none is archived.

    Raises:
        ChainBreak: events are missing, and no event tells that they were archived.
    """
    oldest = rows.oldest(tx)
    if oldest is None or oldest.seq == 1:
        return 0, ""
    archive = _record(tx, oldest.seq - 1)
    if archive is None:
        raise bus.ChainBreak(oldest.seq, f"the events before {oldest.seq} are missing, and were not archived")
    check_signatures([archive.checkpoint])
    if archive.checkpoint.seq != archive.last or archive.checkpoint.hash != oldest.previous_hash:
        raise bus.ChainBreak(oldest.seq, "it does not follow the last archived event")
    return archive.last, oldest.previous_hash


def _record(tx: Reader, last: int) -> Archive | None:
    for event in rows.latest(tx, noun=NOUN, id=str(last), limit=10):
        if event.verb == VERB:
            return msgspec.convert(event.detail, Archive)
    return None


def verify(tx: Reader, home: Path | None = None) -> int:
    """Verify the chain of the table and its cut, with a home its archives too; return its length. Raises ChainBreak."""
    begin = begin_of(tx)
    length = bus.verify(tx, begin=begin)
    if home is not None:
        archived_hashes(tx, home, ())
    return length


def check(tx: Reader, checkpoints: Sequence[Checkpoint], home: Path) -> int:
    """Verify the whole chain, and that it runs through every checkpoint; return its length. Raises ChainBreak."""
    check_signatures(checkpoints)
    length = verify(tx, home)
    compare(tx, checkpoints, home)
    return length


def anchor_state(tx: Reader) -> Event | None:
    """Return the event that told last how the anchor is: failed, broken or recovered."""
    return next(iter(rows.latest(tx, noun=ANCHOR[0], id=ANCHOR[1], limit=1)), None)


def compare(tx: Reader, checkpoints: Sequence[Checkpoint], home: Path) -> None:
    """See that the chain runs through every checkpoint, in the table or in an archive. Raises ChainBreak elsewhere."""
    check_signatures(checkpoints)
    length, (begin, _) = rows.head(tx)[0], begin_of(tx)
    hashes = rows.hashes(tx, [checkpoint.seq for checkpoint in checkpoints])
    old = {checkpoint.seq for checkpoint in checkpoints if checkpoint.seq <= begin}
    if old:
        hashes |= archived_hashes(tx, home, old)
    for checkpoint in checkpoints:
        if checkpoint.seq > length:
            why = f"the anchor of {checkpoint.at:%Y-%m-%d %H:%M:%S} has event {checkpoint.seq}: the chain was cut short"
            raise AnchorMismatch(length, why)
        if hashes.get(checkpoint.seq) != checkpoint.hash:
            why = f"the anchor of {checkpoint.at:%Y-%m-%d %H:%M:%S} has another hash: the chain was rewritten"
            raise AnchorMismatch(checkpoint.seq, why)


def archived_hashes(tx: Reader, home: Path, seqs: Collection[int]) -> dict[int, str]:
    """Verify the archives, the newest first, and return the hashes of these events.

    All are read where none is asked for, else those from the newest to the one with the first of these.

    Raises:
        ChainBreak: a file is missing or changed, or its chain is broken.
    """
    hashes: dict[int, str] = {}
    archives: dict[int, Archive] = {}
    last, expected = begin_of(tx)
    while last >= (min(seqs) if seqs else 1):
        archive = archives.get(last) or _record(tx, last)
        if archive is None:
            raise bus.ChainBreak(last, f"the events up to {last} are missing, and were not archived")
        first_previous = ""
        end = ""
        for event in _chain(archive, _events(home, archive)):
            first_previous = event.previous_hash if event.seq == archive.first else first_previous
            end = event.hash
            if event.seq in seqs:
                hashes[event.seq] = event.hash
            if (event.noun, event.verb) == (NOUN, VERB):
                archives[int(event.id)] = msgspec.convert(event.detail, Archive)
        if end != expected:
            raise bus.ChainBreak(last, "its hash is not the one that the next event follows")
        last, expected = archive.first - 1, first_previous
    if last == 0 and expected:
        raise bus.ChainBreak(1, "it follows an event that is not there")
    return hashes


def _events(home: Path, archive: Archive) -> Iterator[Event]:
    path = home / FOLDER / archive.file
    try:
        body = path.read_bytes()
    except OSError as error:
        why = f"its archive {path} cannot be read ({error.strerror}): put it back from where it was moved to"
        raise bus.ChainBreak(archive.last, why) from None
    if hashlib.sha256(body).hexdigest() != archive.sha256:
        raise bus.ChainBreak(archive.last, f"its archive {path} was changed: restore it from a backup")
    for line in zstandard.decompress(body).splitlines():
        yield _EVENT.decode(line)


def _chain(archive: Archive, events: Iterable[Event]) -> Iterator[Event]:
    """Yield events whose chain holds from `first` to `last`. Raises ChainBreak."""
    seq, previous = archive.first - 1, None
    for event in events:
        bus.check_link(event, seq, event.previous_hash if previous is None else previous)
        seq, previous = event.seq, event.hash
        yield event
    if seq != archive.last:
        raise bus.ChainBreak(seq, f"its archive ends here, not at {archive.last}")
