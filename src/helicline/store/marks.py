"""Who uses a blob of a bucket, and who is about to remove it: marks in the bucket, so that all servers see them.

A bucket cannot say "remove this unless somebody just began to count on it". So whoever counts on a blob first marks it
as used, then looks whether it is doomed; whoever removes one marks it as doomed, then looks whether it is used. Of two
who meet at least one sees the other: the remover gives way, or the user waits and looks whether it is there still.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import obstore

# a removal takes moments; after this the one who marked it is no more
GIVE_UP_S = 30.0
POLL_S = 0.1
LONG = timedelta(days=30)


class Marks:
    """The marks of one bucket."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def use(self, digest: str) -> None:
        """Mark the blob as used now."""
        obstore.put(self.store, f"used/{digest}", b"")

    def used(self, digest: str, since: datetime) -> bool:
        """Tell whether somebody marked the blob as used since then."""
        try:
            marked = obstore.head(self.store, f"used/{digest}")
        except FileNotFoundError:
            return False
        return bool(marked["last_modified"] >= since)

    def all_used(self, since: datetime) -> set[str]:
        """Return the blobs that somebody marked as used since then: one listing instead of a look for each."""
        pages = obstore.list(self.store, "used")
        return {entry["path"].rpartition("/")[2] for page in pages for entry in page if entry["last_modified"] >= since}

    @contextmanager
    def doomed(self, digest: str) -> Iterator[None]:
        """Mark the blob as about to be removed, each remover by a mark of its own."""
        mark = f"doomed/{digest}/{uuid.uuid4().hex}"
        obstore.put(self.store, mark, b"")
        try:
            yield
        finally:
            obstore.delete(self.store, mark)

    def wait_until_spared(self, digest: str) -> None:
        """Return once nobody is about to remove the blob."""
        for _ in range(round(GIVE_UP_S / POLL_S)):
            if not any(page for page in obstore.list(self.store, f"doomed/{digest}")):
                return
            time.sleep(POLL_S)

    def tidy(self, since: datetime) -> None:
        """Drop marks that are much older than this: no sweep asks for them any more, whatever it spares."""
        for folder in ("used", "doomed"):
            for page in obstore.list(self.store, folder):
                old = [entry["path"] for entry in page if entry["last_modified"] < since - LONG]
                if old:
                    obstore.delete(self.store, old)
