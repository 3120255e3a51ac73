"""The request as its handler gets it, and the responses a handler may return."""

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
from helicline.store.unit import Bulk, Reader, Tx, Unit
from helicline.store.uploads import PartUploads
from helicline.store.vault import Vault
from helicline.store.writer.job import Job

T = TypeVar("T")
D = TypeVar("D")
# the server has put the names in lower case
Headers = Sequence[tuple[bytes, bytes]]


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response that is not JSON, or whose status is not 200. A `stream` is sent piece by piece."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[bytes] | None = None


class Request:
    """A request: its fields, its path parameters, its caller, and access to the store."""

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
        """Return the last header of that lower-case name, or the default."""
        key, result = name.encode(), None
        for header_name, value in self._headers:
            if header_name == key:
                result = value
        return default if result is None else result.decode("latin-1")

    def media_type(self, default: str = "") -> str:
        """Return the media type of the body, without parameters."""
        return self.header("content-type", default).partition(";")[0].strip().lower()

    def parse(self) -> Fields:
        """Parse the JSON body, and return its fields."""
        self.fields = fields.of_body(self.body)
        return self.fields

    async def write_bulk(self, bulk: Bulk, item: Any) -> Any:
        """Queue the item for the bulk, and return its result once it is durable."""
        return await self._enqueue(None, bulk=bulk, item=item)

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Queue the unit of work, and return its value once it is durable."""
        value: T = await self._enqueue(unit)
        return value

    async def _enqueue(self, unit: Unit | None, **bulk_fields: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.store.enqueue(Job(unit, future, actor=self.caller.name, request_id=self.request_id, **bulk_fields))
        try:
            return await future
        finally:
            del future  # a reference cycle of future, error and traceback would keep this frame alive

    async def read(self, view: Callable[[Reader], T]) -> T:
        return await asyncio.to_thread(self.store.read, view)


class Services(msgspec.Struct, frozen=True):
    """What the handlers use; `uploads` is None where clients have no direct access to the bucket."""

    store: Store
    blobs: Blobs
    settings: Settings
    vault: Vault
    uploads: PartUploads | None = None


def non_empty(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not empty: MLflow leaves out empty fields; numbers stay."""
    return {name: value for name, value in fields.items() if value or isinstance(value, int | float)}


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A parameter or tag in MLflow's JSON."""

    key: str
    value: str


def pairs(values: dict[str, str]) -> list[Pair]:
    return [Pair(key, value) for key, value in values.items()]
