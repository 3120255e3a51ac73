"""What every handler of our API is given: the context, who asks, and units of work in that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from helicline.loop.context import Context
from helicline.records.access import Caller
from helicline.store.unit import Reader, Tx

T = TypeVar("T")
# for the document: what a route that waits answers where its time ran out
NOTHING_NEW = {204: ResponseSpec(None, description="Nothing new within `wait_s`", generate_examples=False)}


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list, and where the next one begins ("" at the end)."""

    items: list[T]
    next: str = ""


class Done(msgspec.Struct, frozen=True):
    """An action was carried out."""

    ok: bool = True


class Edge:
    """One request's view of the server."""

    def __init__(self, context: Context, caller: Caller, request_id: str) -> None:
        self.context, self.caller, self.request_id = context, caller, request_id

    def read(self, view: Callable[[Reader], T]) -> T:
        return self.context.store.read(view)

    def write(self, unit: Callable[[Tx], T]) -> T:
        return self.context.store.write(unit, actor=self.caller.name, request_id=self.request_id)


def bounded(limit: int, *, most: int = 1000) -> int:
    """Return `limit` if it can be a page size. Raises Invalid otherwise."""
    from helicline.errors import Invalid

    if not 1 <= limit <= most:
        raise Invalid("limit", limit, f"1 to {most}")
    return limit
