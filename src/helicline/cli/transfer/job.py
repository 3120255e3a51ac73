"""One copy under way: its two servers, its journal, what it could not do, and where ids lead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import msgspec

from helicline.cli.transfer.checkpoint import Checkpoint
from helicline.cli.transfer.tracker import Tracker
from helicline.errors import HeliclineError, Unavailable

T = TypeVar("T")
SOURCE_TAG = "helicline.source_id"
THREADS = 4


class Problem(msgspec.Struct, frozen=True):
    """What could not be copied, or is not the same on both sides."""

    kind: str
    name: str
    why: str


class Progress(Protocol):
    """Who is told how far a copy has come."""

    def step(self, kind: str) -> None:
        """One item of the kind is done."""

    def expect(self, kind: str, count: int) -> None:
        """So many more items of the kind there are."""


class Job:
    def __init__(self, source: Tracker, target: Tracker, checkpoint: Checkpoint, progress: Progress) -> None:
        self.source, self.target, self.checkpoint = source, target, checkpoint
        self.step, self.expect = progress.step, progress.expect
        self.experiments: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.problems: list[Problem] = []
        self._lock = threading.Lock()

    def target_of(self, kind: str, source_id: str) -> str:
        """Return the id that a run or model has at the destination; its own where it is not known there."""
        return self.checkpoint.targets.get((kind, source_id), source_id)

    def report(self, kind: str, name: str, why: str) -> None:
        with self._lock:
            self.problems.append(Problem(kind, name, why))

    @contextmanager
    def trying(self, kind: str, name: str) -> Iterator[None]:
        """Report what refuses this item and go on; a server that is gone ends the copy."""
        try:
            yield
        except Unavailable:
            raise
        except HeliclineError as error:
            self.report(kind, name, error.sentence)

    def side_by_side(self, act: Callable[[Any], None], items: Iterator[Any]) -> None:
        """Do the items on a few threads, a bounded number ahead; the first error ends it."""
        with ThreadPoolExecutor(THREADS) as pool:
            waiting: list[Any] = []
            for item in items:
                waiting.append(pool.submit(act, item))
                if len(waiting) >= THREADS * 4:
                    waiting.pop(0).result()
            for future in waiting:
                future.result()


def parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
