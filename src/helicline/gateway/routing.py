"""What the front routes by: a table in memory, swapped whole, and its copy on disk for a restart."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from helicline.records.deployment import Desired, Route

_log = logging.getLogger("helicline.gateway")


class Routing:
    """The routes in force. Reading is one attribute; a new generation replaces it in one assignment."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self.desired = Desired(generation=0)
        self.routes: dict[str, Route] = {}

    def swap(self, desired: Desired) -> None:
        """Route by `desired` from the next request on."""
        self.routes, self.desired = {route.deployment: route for route in desired.routes}, desired

    def keep(self, desired: Desired) -> None:
        """Write the page so that it survives a power cut.

        Raises:
            OSError: the disk is full or gone; the page before it stays.
        """
        self._page.parent.mkdir(parents=True, exist_ok=True)
        partial = self._page.with_name(f"{self._page.name}.{os.getpid()}.tmp")
        with partial.open("wb") as stream:
            stream.write(msgspec.json.encode(desired))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self._page)
        folder = os.open(self._page.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def restore(self) -> Desired | None:
        """Return the page kept by an earlier gateway, or None when there is none that can be read."""
        try:
            return msgspec.json.decode(self._page.read_bytes(), type=Desired)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("the routing page %s cannot be read: %s", self._page, error)
            return None
