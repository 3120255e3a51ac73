"""Page tokens: opaque texts for clients, which hold the position in an order where the next page begins.

A position is the values of the sort keys, not an offset, so that rows added or deleted meanwhile shift no page.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from helicline.errors import Invalid

T = TypeVar("T")
ALLOWED = "Invalid page token, use one that an earlier answer gave"
_URL_SAFE = str.maketrans("+/", "-_")  # an earlier release used the other alphabet of base64


class OrderedPosition(msgspec.Struct, frozen=True, array_like=True):
    """A position: the values of the sort keys, and the order that they belong to."""

    order: list[str]
    values: list[int | float | str | None]


class _PageEnd(msgspec.Struct, frozen=True):
    """The id of the last item of a page, and the number of items up to it, in case that item is deleted."""

    after: str
    offset: int


def encode_token(position: Any) -> str:
    """Return the token of a position: a tuple or Struct that JSON can encode."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


def decode_token(token: str, kind: type[T], *, field: str = "page_token") -> T:
    """Return the position, of type `kind`, in a token. Raises Invalid, with the field, for any other text."""
    try:
        return msgspec.json.decode(
            base64.b64decode(token.translate(_URL_SAFE), altchars=b"-_", validate=True), type=kind
        )
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise Invalid(field, token[:100], ALLOWED) from None


def encode_ordered_token(order_by: Sequence[str], values: Sequence[Any]) -> str:
    """Return the token of the position with these values of the sort keys."""
    return encode_token(OrderedPosition(list(order_by), list(values)))


def decode_ordered_token(
    token: str, order_by: Sequence[str], kinds: Sequence[type], *, field: str = "page_token"
) -> list[Any]:
    """Return the values of the sort keys. Raises Invalid for a token of another order."""
    allowed = f"{ALLOWED} for the same order"
    try:
        position = decode_token(token, OrderedPosition, field=field)
    except Invalid:
        raise Invalid(field, token[:100], allowed) from None
    is_valid = len(position.values) == len(kinds) and all(map(_has_type, position.values, kinds))
    if not is_valid or position.order != list(order_by):
        raise Invalid(field, token[:100], allowed)
    return position.values


def _has_type(value: int | float | str | None, kind: type) -> bool:
    if value is None or kind is str:
        return value is None or isinstance(value, str)
    return isinstance(value, int | float if kind is float else int) and abs(value) < 2**63


def paginate(items: list[T], *, limit: int, token: str, id_of: Callable[[T], str]) -> tuple[list[T], str]:
    """Return one page of `items` and the token of the next one, "" at the end.

    A page begins after the last item of the page before, even if items were added or deleted before it.
    """
    start = _start(items, token, id_of) if token else 0
    page = items[start : start + limit]
    if not page or len(items) <= start + limit:
        return page, ""
    return page, encode_token(_PageEnd(id_of(page[-1]), start + limit))


def _start(items: list[T], token: str, id_of: Callable[[T], str]) -> int:
    position = decode_token(token, _PageEnd)
    if not 0 <= position.offset < 2**31:
        raise Invalid("page_token", token[:100], ALLOWED)
    return next((number for number, item in enumerate(items, 1) if id_of(item) == position.after), position.offset)
