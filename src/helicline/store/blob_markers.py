"""Blob reference markers: objects in a bucket that record which blobs are used and which are being removed.

A bucket has no "delete unless used" operation. So a process that relies on a blob first writes a marker that the blob
is used, and then looks for markers of removals; a remover first writes its marker, and then looks whether the blob is
used. If both run at once, at least one of them sees the other's marker: the remover gives up, or the user waits and
then checks whether the blob still exists. See note 0015.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import obstore

# a removal takes less than a second; an older marker belongs to a remover that was killed
REMOVAL_TIMEOUT_S = 30.0
POLL_S = 0.1
RETENTION = timedelta(days=30)


class BlobMarkers:
    """The markers of one bucket."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def mark_used(self, digest: str) -> None:
        """Record that the blob is used now."""
        obstore.put(self.store, f"used/{digest}", b"")

    def is_used(self, digest: str, since: datetime) -> bool:
        """Return whether the blob was used since then."""
        try:
            marker = obstore.head(self.store, f"used/{digest}")
        except FileNotFoundError:
            return False
        return bool(marker["last_modified"] >= since)

    def all_used(self, since: datetime) -> set[str]:
        """Return the blobs that were used since then, by one listing instead of a request for each blob."""
        pages = obstore.list(self.store, "used")
        return {entry["path"].rpartition("/")[2] for page in pages for entry in page if entry["last_modified"] >= since}

    @contextmanager
    def removal(self, digest: str) -> Iterator[None]:
        """Record, during the with block, that the blob is being removed; each remover has a marker of its own."""
        marker = f"doomed/{digest}/{uuid.uuid4().hex}"
        obstore.put(self.store, marker, b"")
        try:
            yield
        finally:
            obstore.delete(self.store, marker)

    def wait_for_removals(self, digest: str) -> None:
        """Return once no remover has a marker for the blob, or after 30 seconds."""
        for _ in range(round(REMOVAL_TIMEOUT_S / POLL_S)):
            if not any(page for page in obstore.list(self.store, f"doomed/{digest}")):
                return
            time.sleep(POLL_S)

    def tidy(self, since: datetime) -> None:
        """Delete markers that are 30 days older than `since`, which no garbage collection reads any more."""
        for folder in ("used", "doomed"):
            for page in obstore.list(self.store, folder):
                old = [entry["path"] for entry in page if entry["last_modified"] < since - RETENTION]
                if old:
                    obstore.delete(self.store, old)
