"""The state of one copy: its two servers, its checkpoint, its problems, and the new ids."""

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
    """An item that could not be copied, or that differs between the sides."""

    kind: str
    name: str
    why: str


class Progress(Protocol):
    """A display of the progress of a copy."""

    def step(self, kind: str) -> None:
        """Count one finished item of the kind."""

    def expect(self, kind: str, count: int) -> None:
        """Add to the expected number of items of the kind."""


class Job:
    def __init__(self, source: Tracker, target: Tracker, *, checkpoint: Checkpoint, progress: Progress) -> None:
        self.source, self.target, self.checkpoint = source, target, checkpoint
        self.step, self.expect = progress.step, progress.expect
        self.experiments: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.problems: list[Problem] = []
        self._lock = threading.Lock()

    def target_of(self, kind: str, source_id: str) -> str:
        """Return the id of a run or model at the destination, or its own where it is not copied."""
        return self.checkpoint.targets.get((kind, source_id), source_id)

    def report(self, kind: str, name: str, why: str) -> None:
        with self._lock:
            self.problems.append(Problem(kind, name, why))

    @contextmanager
    def reporting_errors(self, kind: str, name: str) -> Iterator[None]:
        """Record an error about this item as a problem; an unavailable server ends the copy."""
        try:
            yield
        except Unavailable:
            raise
        except HeliclineError as error:
            self.report(kind, name, error.sentence)

    def in_parallel(self, process: Callable[[Any], None], items: Iterator[Any]) -> None:
        """Process the items on a few threads, with a bounded queue; the first error ends it."""
        with ThreadPoolExecutor(THREADS) as pool:
            pending: list[Any] = []
            for item in items:
                pending.append(pool.submit(process, item))
                if len(pending) >= THREADS * 4:
                    pending.pop(0).result()
            for future in pending:
                future.result()


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
