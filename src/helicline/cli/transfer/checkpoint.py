"""What was copied from where to where: a file of lines that a later run reads to go on where this one stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
from blake3 import blake3


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item of the source, the id it got, and whether all of it is there; `gone` takes earlier lines back."""

    kind: str
    source: str
    target: str = ""
    done: bool = False
    is_removed: bool = False


class Checkpoint:
    """The copy's memory. Written before the next item begins; a line cut short by a crash does not count."""

    def __init__(self, folder: Path, source: str, target: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{blake3(f'{source}|{target}'.encode()).hexdigest()[:24]}.jsonl"
        self.targets: dict[tuple[str, str], str] = {}
        self._done: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        content = self.path.read_bytes() if self.path.is_file() else b""
        complete = content[: content.rfind(b"\n") + 1]
        for text in complete.splitlines():
            self._take(msgspec.json.decode(text, type=Line))
        self._file = self.path.open("r+b" if content else "wb")
        self._file.truncate(len(complete))
        self._file.seek(len(complete))

    def note(self, kind: str, source: str, target: str = "", *, done: bool = False) -> None:
        self._write(Line(kind, source, target, done=done))

    def forget(self, kind: str, source: str) -> None:
        """Take back what is noted of the item, so that the next run copies it again."""
        self._write(Line(kind, source, is_removed=True))

    def is_done(self, kind: str, source: str) -> bool:
        return (kind, source) in self._done

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Line) -> None:
        with self._lock:
            self._take(line)
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()

    def _take(self, line: Line) -> None:
        key = (line.kind, line.source)
        if line.is_removed:
            self.targets.pop(key, None)
            self._done.discard(key)
            return
        if line.target:
            self.targets[key] = line.target
        if line.done:
            self._done.add(key)
