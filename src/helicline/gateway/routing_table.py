"""The routing table: in memory, replaced as a whole, with a copy on disk for a restart."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from helicline.records.deployment import Desired, Route
from helicline.store import durable

_log = logging.getLogger("helicline.gateway")


class RoutingTable:
    """The routes in force. Reading is one attribute; a new generation replaces it in one assignment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.desired = Desired(generation=0)
        self.routes: dict[str, Route] = {}

    def replace(self, desired: Desired) -> None:
        """Route by `desired` from the next request on."""
        self.routes, self.desired = {route.deployment: route for route in desired.routes}, desired

    def save(self, desired: Desired) -> None:
        """Write the table to the disk so that it survives a power cut.

        Raises:
            OSError: the disk is full or gone; the table written before stays.
        """
        durable.make_folder(self._path.parent)
        durable.write(self._path, msgspec.json.encode(desired))

    def load(self) -> Desired | None:
        """Return what an earlier gateway saved, or None when there is no file that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Desired)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("the routing table %s cannot be read: %s", self._path, error)
            return None
