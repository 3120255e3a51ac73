"""The checkpoint of a copy: a file of copied items and their ids, by which a repeated copy continues."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from blake3 import blake3


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item of the source, its id at the destination, and its state; `is_removed` cancels earlier lines."""

    kind: str
    source: str
    target: str = ""
    done: bool = False
    is_removed: bool = False


class Checkpoint:
    """The copied items. Each line is written before the next item begins; an incomplete last line is ignored."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{blake3(f'{source}|{target}'.encode()).hexdigest()[:24]}.jsonl"
        self.targets: dict[tuple[str, str], str] = {}
        self._done: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        content = self.path.read_bytes() if self.path.is_file() else b""
        complete = content[: content.rfind(b"\n") + 1]
        for text in complete.splitlines():
            self._apply(msgspec.json.decode(text, type=Entry))
        self._file = self.path.open("r+b" if content else "wb")
        self._file.truncate(len(complete))
        self._file.seek(len(complete))

    def record(self, kind: str, source: str, target: str = "", *, done: bool = False) -> None:
        self._write(Entry(kind, source, target, done=done))

    def forget(self, kind: str, source: str) -> None:
        """Remove the item, so that the next copy includes it again."""
        self._write(Entry(kind, source, is_removed=True))

    def is_done(self, kind: str, source: str) -> bool:
        return (kind, source) in self._done

    def close(self) -> None:
        self._file.close()

    def _write(self, entry: Entry) -> None:
        with self._lock:
            self._apply(entry)
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()

    def _apply(self, entry: Entry) -> None:
        key = (entry.kind, entry.source)
        if entry.is_removed:
            self.targets.pop(key, None)
            self._done.discard(key)
            return
        if entry.target:
            self.targets[key] = entry.target
        if entry.done:
            self._done.add(key)
