"""What the front routes by: a table in memory, swapped whole, and its copy on disk for a restart."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from helicline.records.deployment import Desired, Route
from helicline.store import durable

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
        durable.make_folder(self._page.parent)
        durable.write(self._page, msgspec.json.encode(desired))

    def restore(self) -> Desired | None:
        """Return the page kept by an earlier gateway, or None when there is none that can be read."""
        try:
            return msgspec.json.decode(self._page.read_bytes(), type=Desired)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("the routing page %s cannot be read: %s", self._page, error)
            return None
