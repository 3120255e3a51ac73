"""Blob reference markers: objects in a bucket that say who uses a blob, and who is about to remove it.

A bucket has no "remove this unless it is used". So a process that relies on a blob first writes a marker that the blob
is used, then looks for markers of removers; a remover first writes its marker, then looks whether the blob is used. Of
two that meet at least one sees the other's marker: the remover gives up, or the user waits and then looks whether the
blob still exists.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import obstore

# a removal takes moments; a marker that is older belongs to a remover that was killed
REMOVAL_TIMEOUT_S = 30.0
POLL_S = 0.1
RETENTION = timedelta(days=30)


class BlobMarkers:
    """The markers of one bucket."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def mark_used(self, digest: str) -> None:
        """Mark the blob as used now."""
        obstore.put(self.store, f"used/{digest}", b"")

    def is_used(self, digest: str, since: datetime) -> bool:
        """Return whether the blob was marked as used since then."""
        try:
            marker = obstore.head(self.store, f"used/{digest}")
        except FileNotFoundError:
            return False
        return bool(marker["last_modified"] >= since)

    def all_used(self, since: datetime) -> set[str]:
        """Return the blobs that were marked as used since then: one listing instead of a request for each."""
        pages = obstore.list(self.store, "used")
        return {entry["path"].rpartition("/")[2] for page in pages for entry in page if entry["last_modified"] >= since}

    @contextmanager
    def removal(self, digest: str) -> Iterator[None]:
        """Mark the blob as about to be removed, each remover by a marker of its own."""
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
        """Delete markers that are 30 days older than `since`: no garbage collection asks for them any more."""
        for folder in ("used", "doomed"):
            for page in obstore.list(self.store, folder):
                old = [entry["path"] for entry in page if entry["last_modified"] < since - RETENTION]
                if old:
                    obstore.delete(self.store, old)
