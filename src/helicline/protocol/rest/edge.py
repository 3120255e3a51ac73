"""What every handler of `/api/v1` gets: the context, the caller, and units of work in the caller's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from helicline.loop.context import Context
from helicline.records.access import Caller
from helicline.store.unit import Reader, Tx

T = TypeVar("T")
# for the OpenAPI document: the answer of a route that waits, after `wait_s`
NO_CHANGE_RESPONSES = {204: ResponseSpec(None, description="Nothing new within `wait_s`", generate_examples=False)}

NO_STORE = {"Cache-Control": "no-store"}  # of an answer with a secret: no cache keeps it, and it is not compressed


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list, and the token of the next page ("" at the end)."""

    items: list[T]
    next: str = ""


class Done(msgspec.Struct, frozen=True):
    """The answer of an action without a value."""

    ok: bool = True


class Edge:
    """Access of one request to the store, in the name of its caller."""

    def __init__(self, context: Context, caller: Caller, request_id: str) -> None:
        self.context, self.caller, self.request_id = context, caller, request_id

    def read(self, view: Callable[[Reader], T]) -> T:
        return self.context.store.read(view)

    def write(self, unit: Callable[[Tx], T]) -> T:
        return self.context.store.write(unit, actor=self.caller.name, request_id=self.request_id)


def grouped(records: Iterable[T], field: str) -> dict[Any, list[T]]:
    """Return the records by the value of a field, in their order."""
    groups: dict[Any, list[T]] = {}
    for record in records:
        groups.setdefault(getattr(record, field), []).append(record)
    return groups


def checked_limit(limit: int, *, max_limit: int = 1000) -> int:
    """Return `limit` if it is a valid page size. Raises Invalid otherwise."""
    from helicline.errors import Invalid

    if not 1 <= limit <= max_limit:
        raise Invalid("limit", limit, f"1 to {max_limit}")
    return limit
