"""The context of the server's background work: store, blobs and settings of one home."""

from __future__ import annotations

from pathlib import Path

import msgspec

from helicline.settings import Settings
from helicline.store.blobs import Blobs
from helicline.store.database import Store


class Context(msgspec.Struct, frozen=True):
    """The store, the blobs and the settings of one home; opened once by the server."""

    store: Store
    blobs: Blobs
    settings: Settings

    @property
    def home(self) -> Path:
        return self.settings.home_path
