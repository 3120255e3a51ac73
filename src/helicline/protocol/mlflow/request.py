"""One request as its handler sees it, and the answers a handler may give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from helicline.protocol.mlflow import fields
from helicline.protocol.mlflow.fields import Fields
from helicline.records.access import Caller
from helicline.settings import Settings
from helicline.store.blobs import Blobs
from helicline.store.database import Store
from helicline.store.job import Job
from helicline.store.unit import Bulk, Reader, Tx, Unit
from helicline.store.uploads import PartUploads
from helicline.store.vault import Vault

T = TypeVar("T")
D = TypeVar("D")
# as the server has read them: the names are in small letters
Headers = Sequence[tuple[bytes, bytes]]


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not JSON, or not 200. A `stream` goes out piece by piece."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[bytes] | None = None


class Request:
    """A request: its fields, the path's parameters, and the way to the store."""

    def __init__(
        self, *, services: Services, caller: Caller, request_id: str, parts: dict[str, str], headers: Headers
    ) -> None:
        self.store, self.blobs, self.settings = services.store, services.blobs, services.settings
        self.uploads, self.vault = services.uploads, services.vault
        self.caller, self.request_id, self.parts, self._headers = caller, request_id, parts, headers
        self.fields = Fields({})
        self.body = b""
        self.receive: Callable[[], Awaitable[Any]] | None = None

    def header(self, name: str, default: D) -> str | D:
        """Return what the header of that name, in small letters, says, the default where there is none."""
        key, result = name.encode(), None
        for header_name, value in self._headers:
            if header_name == key:
                result = value
        return default if result is None else result.decode("latin-1")

    def media_type(self, default: str = "") -> str:
        """Return what the body says it is, without parameters."""
        return self.header("content-type", default).partition(";")[0].strip().lower()

    def parse(self) -> Fields:
        """Return the fields of the JSON body."""
        self.fields = fields.of_body(self.body)
        return self.fields

    async def gather(self, bulk: Bulk, item: Any) -> Any:
        """Hand the item to the bulk, and return its outcome once it is durable."""
        return await self._done(None, bulk=bulk, item=item)

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Run the unit and return its value once it is durable."""
        value: T = await self._done(unit)
        return value

    async def _done(self, unit: Unit | None, **of_bulk: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.store.enqueue(Job(unit, future, actor=self.caller.name, request_id=self.request_id, **of_bulk))
        try:
            return await future
        finally:
            del future  # an error's frame would hold it, and it the error

    async def read(self, view: Callable[[Reader], T]) -> T:
        return await asyncio.to_thread(self.store.read, view)


class Services(msgspec.Struct, frozen=True):
    """What the edge stands on; `uploads` where clients may go to the bucket themselves."""

    store: Store
    blobs: Blobs
    settings: Settings
    vault: Vault
    uploads: PartUploads | None = None


def pruned(**fields: Any) -> dict[str, Any]:
    """Return the fields that are set: on this wire what is empty is absent."""
    return {name: value for name, value in fields.items() if value or isinstance(value, int | float)}


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A parameter or tag as the wire has it."""

    key: str
    value: str


def pairs(values: dict[str, str]) -> list[Pair]:
    return [Pair(key, value) for key, value in values.items()]
