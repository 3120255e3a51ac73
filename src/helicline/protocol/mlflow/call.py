"""One request as its handler sees it, and the answers a handler may give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from helicline.protocol.mlflow import fields
from helicline.protocol.mlflow.fields import Fields
from helicline.records.access import Caller
from helicline.settings import Settings
from helicline.store.blobs import Blobs
from helicline.store.unit import Bulk, Reader, Store, Tx
from helicline.store.uploads import PartUploads
from helicline.store.vault import Vault

T = TypeVar("T")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not JSON, or not 200. A `stream` goes out piece by piece."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[bytes] | None = None


class Call:
    """A request: its fields, the path's parameters, and the way to the store."""

    def __init__(
        self, *, house: House, caller: Caller, request_id: str, parts: dict[str, str], headers: dict[str, str]
    ) -> None:
        self.store, self.blobs, self.settings = house.store, house.blobs, house.settings
        self.uploads, self.vault = house.uploads, house.vault
        self.caller, self.request_id, self.parts, self.headers = caller, request_id, parts, headers
        self.fields = Fields({})
        self.body = b""
        self.receive: Callable[[], Awaitable[Any]] | None = None

    def parse(self) -> Fields:
        """Return the fields of the JSON body."""
        self.fields = fields.of_body(self.body)
        return self.fields

    async def gather(self, bulk: Bulk, item: Any) -> Any:
        """Hand the item to the bulk, and return its outcome once it is durable."""
        future = self.store.gather(bulk, item, actor=self.caller.name, request_id=self.request_id)
        return await asyncio.wrap_future(future)

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Run the unit and return its value once it is durable."""
        future = self.store.submit(unit, actor=self.caller.name, request_id=self.request_id)
        return await asyncio.wrap_future(future)

    async def read(self, view: Callable[[Reader], T]) -> T:
        return await asyncio.to_thread(self.store.read, view)


class House(msgspec.Struct, frozen=True):
    """What the edge stands on; `uploads` where clients may go to the bucket themselves."""

    store: Store
    blobs: Blobs
    settings: Settings
    vault: Vault
    uploads: PartUploads | None = None


def pruned(**fields: Any) -> dict[str, Any]:
    """Return the fields that are set: on this wire what is empty is absent."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, ())}


def pairs(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
