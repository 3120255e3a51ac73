"""Disks as a power cut could have left them, rebuilt from the journal of what a server did to its files.

The rules are those of POSIX and no kinder: of a file only what an fsync has covered is sure, of a folder only the
names that an fsync of that folder has covered. The rest survives in any part: whole writes, single sectors, or nothing.
A rename is atomic: it happened or it did not, and it is sure once either of its folders is.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import struct
import subprocess
import sys
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

SOURCE = Path(__file__).parents[1] / "crash" / "disk_journal.c"
SECTOR = 512
HEAD = struct.Struct("<IIQQ")


class Kind(Enum):
    """Keep in step with tests/crash/disk_journal.c; a MARK is written by who watches the server from outside."""

    CREATE, WRITE, TRUNCATE, RENAME, LINK = "c", "w", "t", "r", "l"
    UNLINK, MKDIR, RMDIR, SYNC_BEGIN, SYNC_END, SYNC_FAILED = "u", "m", "d", "s", "e", "f"
    UNKNOWN, MARK = "?", "!"


class Record(msgspec.Struct, frozen=True):
    """One step: `number` is the offset of a write, the size after a truncation, the name of an fsync."""

    at: int
    kind: Kind
    inode: int
    number: int
    payload: bytes


class Journal:
    """Where a preloaded server writes what it does under `root`, and others may set marks between."""

    def __init__(self, folder: Path, *, sync_ms: float = 2, fail_one_in: int = 0) -> None:
        folder = folder.resolve()
        self.failing = folder / "disk.failing"
        self.root, self.path = folder / "disk", folder / "disk.journal"
        self.root.mkdir(parents=True)
        self.environment = {
            "LD_PRELOAD": str(compiled(folder)),
            "DISK_ROOT": str(self.root),
            "DISK_JOURNAL": str(self.path),
            "DISK_FAILING": str(self.failing),
            "DISK_FAIL_ONE_IN": str(fail_one_in),
            "DISK_SYNC_MICROSECONDS": str(int(sync_ms * 1000)),
        }
        self.path.touch()

    def mark(self, word: str) -> None:
        mark(self.path, word)

    def fail(self) -> None:
        """Let steps fail from now on, until `heal`."""
        self.failing.touch()

    def heal(self) -> None:
        self.failing.unlink()

    def records(self) -> list[Record]:
        data, records, place = memoryview(self.path.read_bytes()), [], 0
        while place + HEAD.size <= len(data):
            size, kind, inode, number = HEAD.unpack_from(data, place)
            place += HEAD.size
            if place + size > len(data):  # a kill came between
                break
            records.append(Record(len(records), Kind(chr(kind)), inode, number, bytes(data[place : place + size])))
            place += size
        return records


def mark(journal: Path, word: str) -> None:
    """Note between the steps of the journal that something has come to pass."""
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, HEAD.pack(len(word.encode()), ord(Kind.MARK.value), 0, 0) + word.encode())
    os.close(descriptor)


def compiled(folder: Path) -> Path:
    """Return the library that keeps the journal, made by the C compiler of the machine."""
    if not sys.platform.startswith("linux"):
        pytest.skip("what a server does to its disk is watched through Linux's LD_PRELOAD and /proc")
    library = folder / "disk_journal.so"
    command = ["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-pthread", str(SOURCE), "-o", str(library), "-ldl"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return library


class File:
    """Bytes that are sure, and what came after them; each of those may be lost."""

    def __init__(self) -> None:
        self.sure = bytearray()
        self.pending: list[Record] = []

    def settle(self, before: int) -> None:
        for record in self.pending:
            if record.at < before:
                _change(self.sure, record.kind, record.number, record.payload)
        self.pending = [record for record in self.pending if record.at >= before]

    def forsake(self, before: int, fate: Fate) -> None:
        """An fsync failed: what it was to keep is on the disk in part, and no later fsync will come back to it."""
        for record in self.pending:
            if record.at < before:
                for offset, piece in fate.pieces(record):
                    _change(self.sure, record.kind, offset, piece)
        self.pending = [record for record in self.pending if record.at >= before]

    def content_after(self, fate: Fate) -> bytes:
        content = bytearray(self.sure)
        for record in self.pending:
            for offset, piece in fate.pieces(record):
                _change(content, record.kind, offset, piece)
        return bytes(content)


def _change(content: bytearray, kind: Kind, number: int, piece: bytes) -> None:
    end = number + len(piece)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if kind is Kind.TRUNCATE:
        del content[number:]
    else:
        content[number:end] = piece


class NameChange(msgspec.Struct, eq=False):
    """Names that are set (to a node) or removed (to None) together, each in its folder."""

    at: int
    names: list[tuple[Folder, str, Node | None]]

    def apply(self, entries: dict[Folder, dict[str, Node]]) -> None:
        for folder, name, node in self.names:
            if node is None:
                entries[folder].pop(name, None)
            else:
                entries[folder][name] = node


class Folder:
    """Names that are sure, and the changes of names that came after them."""

    def __init__(self) -> None:
        self.sure: dict[str, Node] = {}
        self.now: dict[str, Node] = {}
        self.pending: list[NameChange] = []

    def settle(self, before: int) -> None:
        for change in [change for change in self.pending if change.at < before]:
            change.apply({folder: folder.sure for folder, _, _ in change.names})
            for folder, name, _ in change.names:
                folder.forget(name, change)

    def forget(self, name: str, settled: NameChange) -> None:
        """What happened to a name before a change of it that is sure cannot come back."""
        self.pending = [
            change
            for change in self.pending
            if change is not settled
            and not (
                change.at < settled.at
                and all(where is self and changed_name == name for where, changed_name, _ in change.names)
            )
        ]


Node = File | Folder


class Fate:
    """What becomes of that which was not sure: a power cut's choice."""

    def __init__(self, chance: random.Random, *, survival: float, torn: bool) -> None:
        self.chance, self.survival, self.torn = chance, survival, torn

    def survives(self) -> bool:
        return self.chance.random() < self.survival

    def pieces(self, record: Record) -> list[tuple[int, bytes]]:
        """Return the parts of a write that reached the disk."""
        if not self.torn or not record.payload:
            return [(record.number, record.payload)] if self.survives() else []
        start, end = record.number, record.number + len(record.payload)
        edges = [start, *range(start - start % SECTOR + SECTOR, end, SECTOR), end]
        pairs = itertools.pairwise(edges)
        return [(a, record.payload[a - start : b - start]) for a, b in pairs if self.survives()]


FATES: dict[str, dict[str, Any]] = {
    "nothing": {"survival": 0.0, "torn": False},
    "some writes": {"survival": 0.5, "torn": False},
    "some sectors": {"survival": 0.5, "torn": True},
    "nearly all": {"survival": 0.9, "torn": True},
}
NOTHING_LOST = {"survival": 1.0, "torn": False}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder; the index of a write-ahead log is not among them."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


class Disk:
    """The files under the root of a journal, as far as it has been played."""

    def __init__(self, journal: Journal) -> None:
        self.root, self.records, self.at = journal.root, journal.records(), 0
        self.top = Folder()
        self.nodes: dict[int, Node] = {journal.root.stat().st_ino: self.top}
        self.begun: dict[int, int] = {}
        self.ruin = Fate(random.Random(len(self.records)), survival=0.5, torn=True)
        self.marks: Counter[str] = Counter()

    def play(self, until: int) -> None:
        """Do the steps before `until`; there is no way back."""
        assert until >= self.at
        for record in self.records[self.at : until]:
            self._step(record)
        self.at = until

    def _step(self, record: Record) -> None:
        match record.kind:
            case Kind.MARK:
                self.marks[record.payload.decode()] += 1
            case Kind.UNKNOWN:
                raise AssertionError(f"the journal does not follow {record.payload.decode()}")
            case Kind.WRITE | Kind.TRUNCATE:
                node = self.nodes[record.inode]
                assert isinstance(node, File)
                node.pending.append(record)
            case Kind.SYNC_BEGIN:
                self.begun[record.number] = record.at
            case Kind.SYNC_END:
                self.nodes[record.inode].settle(self.begun.pop(record.number))
            case Kind.SYNC_FAILED:
                before, node = self.begun.pop(record.number), self.nodes[record.inode]
                if isinstance(node, File):
                    node.forsake(before, self.ruin)
            case _:
                self._rename(record)

    def _rename(self, record: Record) -> None:
        """Every change of names: a new one, one that goes, or both at once."""
        path, _, old = record.payload.decode().partition("\0")
        folder, name = self._place(path)
        if record.kind in (Kind.CREATE, Kind.MKDIR):
            self.nodes[record.inode] = File() if record.kind is Kind.CREATE else Folder()
        removes = record.kind in (Kind.UNLINK, Kind.RMDIR)
        change = NameChange(record.at, [(folder, name, None if removes else self.nodes[record.inode])])
        if record.kind is Kind.RENAME:
            change.names.insert(0, (*self._place(old), None))
        change.apply({where: where.now for where, _, _ in change.names})
        for where in {where for where, _, _ in change.names}:
            where.pending.append(change)

    def _place(self, path: str) -> tuple[Folder, str]:
        full_path = Path(os.path.normpath(path))
        folder = self.top
        for part in full_path.parent.relative_to(self.root).parts:
            node = folder.now[part]
            assert isinstance(node, Folder)
            folder = node
        return folder, full_path.name

    def rebuild(self, target: Path, fate: Fate) -> None:
        """Make the folder `target` what the root could be if the power failed now."""
        shutil.rmtree(target, ignore_errors=True)
        folders = {id(node): node for node in self._folders(self.top)}.values()
        entries = {folder: dict(folder.sure) for folder in folders}
        changes = {id(change): change for folder in folders for change in folder.pending}.values()
        for change in sorted(changes, key=lambda change: change.at):
            if fate.survives():
                change.apply(entries)
        self._write(self.top, target, entries, fate)

    def _folders(self, folder: Folder) -> list[Folder]:
        """Return the folder and all below it that any name leads to, now or before."""
        below = [*folder.sure.values(), *folder.now.values()]
        below += [node for change in folder.pending for _, _, node in change.names if node is not None]
        inner = {id(node): node for node in below if isinstance(node, Folder) and node is not folder}
        return [folder, *(folder_below for node in inner.values() for folder_below in self._folders(node))]

    def _write(self, folder: Folder, target: Path, entries: dict[Folder, dict[str, Node]], fate: Fate) -> None:
        target.mkdir(mode=0o700)
        for name, node in entries[folder].items():
            if isinstance(node, Folder):
                self._write(node, target / name, entries, fate)
            else:
                (target / name).write_bytes(node.content_after(fate))
