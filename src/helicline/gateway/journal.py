"""Prediction log and feedback as the front writes them: appended, flushed, rotated, handed to the sealer."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from helicline.serving.log_segment import Label, Line, Schema, SegmentWriter, close_leftovers, framed

_log = logging.getLogger("helicline.gateway")
FLUSH_S = 0.1
_FLUSH_BYTES = 64 * 1024
_REMEMBERED = 200_000


class Journal:
    """Two segments, predictions and labels, under `<home>/log`."""

    def __init__(self, home: Path, *, seal_s: float) -> None:
        self._folder = home / "log"
        self._seal_s = seal_s
        self._lines = SegmentWriter(self._folder, "predictions")
        self._labels = SegmentWriter(self._folder, "labels")
        self._described: set[tuple[str, int]] = set()
        self._features: dict[tuple[str, int], tuple[tuple[str, str], ...]] = {}
        self._deployments: OrderedDict[str, str] = OrderedDict()
        self._synced: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Task[None] | None = None
        self.dropped_count = 0

    def describe(self, deployment: str, revision: int, *, features: tuple[tuple[str, str], ...]) -> None:
        """Note the feature columns of a revision."""
        if self._features.get((deployment, revision)) != features:
            self._features[deployment, revision] = features
            self._described.discard((deployment, revision))

    def line(self, line: Line) -> None:
        """Append one answered call."""
        key = (line.deployment, line.served_by)
        if key not in self._described:
            self._described.add(key)
            self._lines.append(framed(Schema(*key, self._features.get(key, ()))))
        self._lines.append(framed(line))
        self._deployments[line.prediction_id] = line.deployment
        if len(self._deployments) > _REMEMBERED:
            self._deployments.popitem(last=False)
        if self._lines.waiting_bytes > _FLUSH_BYTES:
            self.flush()

    def deployment_of(self, prediction_id: str) -> str:
        """Return which deployment made a recent prediction, or `_unknown`."""
        return self._deployments.get(prediction_id, "_unknown")

    def flush(self) -> None:
        """Hand the lines to the system; when it cannot take them they are dropped and counted."""
        size = self._lines.waiting_bytes
        try:
            self._lines.flush()
        except OSError as error:
            self.dropped_count += 1
            _log.error("prediction log: %d bytes dropped: %s", size, error)

    async def keep(self, labels: list[Label]) -> None:
        """Return once the labels are on the disk; those that wait together share one sync.

        Raises:
            OSError: the disk is full or gone.
        """
        for label in labels:
            self._labels.append(framed(label))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._synced.append(done)
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())
        await done

    async def _sync(self) -> None:
        while self._synced:
            waiting, self._synced = self._synced, []
            failure: OSError | None = None
            try:
                self._labels.flush()
                await asyncio.to_thread(self._labels.sync)
            except OSError as error:
                failure = error
            for future in waiting:
                if not future.done():
                    future.set_exception(failure) if failure is not None else future.set_result(None)
        self._syncing = None

    async def turn(self, wake: Callable[[], None]) -> None:
        """Flush every 100 ms and rotate every `seal_s`, until cancelled; `wake` tells the sealer."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()
            if time.monotonic() - last >= self._seal_s:
                last = time.monotonic()
                if self.rotate():
                    wake()

    def rotate(self) -> bool:
        """Close both segments for sealing; return whether there was anything in them."""
        self._described.clear()
        closed = False
        try:
            closed = self._lines.rotate()
            if self._syncing is None:
                closed = self._labels.rotate() or closed
        except OSError as error:
            _log.error("prediction log: cannot rotate: %s", error)
        return closed

    async def close(self) -> None:
        """Write everything and close both segments."""
        while self._syncing is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.rotate()


class Sealer:
    """The process that turns closed segments into Parquet, away from the front's interpreter."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: asyncio.subprocess.Process | None = None

    async def keep_alive(self) -> None:
        """Start it, and again when it ends, until cancelled."""
        close_leftovers(self._home / "log")
        while True:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "helicline.gateway.sealer", "--home", str(self._home)),
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            code = await self._process.wait()
            _log.warning("the sealer ended with %s; it is started again", code)
            await asyncio.sleep(1.0)

    def wake(self) -> None:
        """Tell it that a segment was closed."""
        stdin = self._process.stdin if self._process is not None else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(b"\n")

    async def finish(self) -> None:
        """Let it seal what is left, and end."""
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 60.0)
        except TimeoutError:
            process.kill()
