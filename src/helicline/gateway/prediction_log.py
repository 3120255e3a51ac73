"""The prediction log as the front writes it: predictions and feedback are appended to segments, which are rotated."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from helicline.serving.prediction_log.segment import Label, Line, Schema, SegmentWriter, framed

_log = logging.getLogger("helicline.gateway")
FLUSH_S = 0.1
_FLUSH_BYTES = 64 * 1024
_MAX_DEPLOYMENTS = 200_000


class PredictionLog:
    """Two open segments, predictions and labels, under `<home>/log`; the sealer turns closed ones into Parquet."""

    def __init__(self, home: Path, *, seal_s: float) -> None:
        self._folder = home / "log"
        self._seal_s = seal_s
        self._predictions = SegmentWriter(self._folder, "predictions")
        self._labels = SegmentWriter(self._folder, "labels")
        self._written_schemas: set[tuple[str, int]] = set()
        self._features: dict[tuple[str, int], tuple[tuple[str, str], ...]] = {}
        self._deployments: OrderedDict[str, str] = OrderedDict()
        self._sync_waiters: list[asyncio.Future[None]] = []
        self._sync_task: asyncio.Task[None] | None = None
        self.dropped_count = 0

    def set_features(self, deployment: str, revision: int, *, features: tuple[tuple[str, str], ...]) -> None:
        """Set the feature columns of a revision, which are written before its next line."""
        if self._features.get((deployment, revision)) != features:
            self._features[deployment, revision] = features
            self._written_schemas.discard((deployment, revision))

    def append(self, line: Line) -> None:
        """Append the line of an answered call; it is on its way to the disk at the next flush."""
        key = (line.deployment, line.served_by)
        if key not in self._written_schemas:
            self._written_schemas.add(key)
            self._predictions.append(framed(Schema(*key, self._features.get(key, ()))))
        self._predictions.append(framed(line))
        self._deployments[line.prediction_id] = line.deployment
        if len(self._deployments) > _MAX_DEPLOYMENTS:
            self._deployments.popitem(last=False)
        if self._predictions.waiting_bytes > _FLUSH_BYTES:
            self.flush()

    def deployment_of(self, prediction_id: str) -> str:
        """Return the deployment of a recent prediction, or `_unknown`."""
        return self._deployments.get(prediction_id, "_unknown")

    def flush(self) -> None:
        """Write the lines to the file; when that fails they are dropped and counted."""
        size = self._predictions.waiting_bytes
        try:
            self._predictions.flush()
        except OSError as error:
            self.dropped_count += 1
            _log.error("prediction log: %d bytes dropped: %s", size, error)

    async def append_labels(self, labels: list[Label]) -> None:
        """Append labels and return once they are on the disk; calls that wait together share one sync.

        Raises:
            OSError: the disk is full or gone.
        """
        for label in labels:
            self._labels.append(framed(label))
        synced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sync_waiters.append(synced)
        if self._sync_task is None:
            self._sync_task = asyncio.create_task(self._sync())
        await synced

    async def _sync(self) -> None:
        while self._sync_waiters:
            waiters, self._sync_waiters = self._sync_waiters, []
            failure: OSError | None = None
            try:
                self._labels.flush()
                await asyncio.to_thread(self._labels.sync)
            except OSError as error:
                failure = error
            for future in waiters:
                if not future.done():
                    future.set_exception(failure) if failure is not None else future.set_result(None)
        self._sync_task = None

    async def flush_and_rotate(self, on_rotated: Callable[[], None]) -> None:
        """Flush every 100 ms and rotate every `seal_s`, until cancelled; `on_rotated` is called after each rotation."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()
            if time.monotonic() - last >= self._seal_s:
                last = time.monotonic()
                if self.rotate():
                    on_rotated()

    def rotate(self) -> bool:
        """Close both segments for sealing; return whether any line was in them."""
        self._written_schemas.clear()
        any_closed = False
        try:
            any_closed = self._predictions.rotate()
            if self._sync_task is None:
                any_closed = self._labels.rotate() or any_closed
        except OSError as error:
            _log.error("prediction log: cannot rotate: %s", error)
        return any_closed

    async def close(self) -> None:
        """Write everything and close both segments."""
        while self._sync_task is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.rotate()
