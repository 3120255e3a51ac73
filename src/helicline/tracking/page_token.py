"""Page tokens: opaque to the client; inside is the place in an order at which the next page begins.

A token holds values of that place, never a position alone, so what comes or goes meanwhile moves no page.
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
_URL_SAFE = str.maketrans("+/", "-_")  # tokens of an earlier release had the other alphabet


class OrderedPlace(msgspec.Struct, frozen=True, array_like=True):
    """The values of an order's keys at a place, and the order they belong to."""

    order: list[str]
    values: list[int | float | str | None]


class _PageEnd(msgspec.Struct, frozen=True):
    """The id of the last item of a page, and how many items there were until then, in case that item is gone."""

    after: str
    offset: int


def encode_token(place: Any) -> str:
    """Return the token of a place: a tuple or Struct that JSON can hold."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def decode_token(token: str, kind: type[T], *, field: str = "page_token") -> T:
    """Return the place, of type `kind`, that a token holds. Raises Invalid, naming the field, for any other text."""
    try:
        return msgspec.json.decode(
            base64.b64decode(token.translate(_URL_SAFE), altchars=b"-_", validate=True), type=kind
        )
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise Invalid(field, token[:100], ALLOWED) from None


def encode_ordered_token(order_by: Sequence[str], values: Sequence[Any]) -> str:
    """Return the token of the place with these values of the order's keys."""
    return encode_token(OrderedPlace(list(order_by), list(values)))


def decode_ordered_token(
    token: str, order_by: Sequence[str], kinds: Sequence[type], *, field: str = "page_token"
) -> list[Any]:
    """Return the values of the order's keys. Raises Invalid for a token that was given for another order."""
    allowed = f"{ALLOWED} for the same order"
    try:
        place = decode_token(token, OrderedPlace, field=field)
    except Invalid:
        raise Invalid(field, token[:100], allowed) from None
    is_known = len(place.values) == len(kinds) and all(map(_fits, place.values, kinds))
    if not is_known or place.order != list(order_by):
        raise Invalid(field, token[:100], allowed)
    return place.values


def _fits(value: int | float | str | None, kind: type) -> bool:
    if value is None or kind is str:
        return value is None or isinstance(value, str)
    return isinstance(value, int | float if kind is float else int) and abs(value) < 2**63


def paged(items: list[T], *, limit: int, token: str, id_of: Callable[[T], str]) -> tuple[list[T], str]:
    """Return one page of `items` and the token of the next one, "" where nothing follows.

    A page begins after the item that ended the page before, whatever came or went in front of it meanwhile.
    """
    start = _start(items, token, id_of) if token else 0
    page = items[start : start + limit]
    if not page or len(items) <= start + limit:
        return page, ""
    return page, encode_token(_PageEnd(id_of(page[-1]), start + limit))


def _start(items: list[T], token: str, id_of: Callable[[T], str]) -> int:
    place = decode_token(token, _PageEnd)
    if not 0 <= place.offset < 2**31:
        raise Invalid("page_token", token[:100], ALLOWED)
    return next((number for number, item in enumerate(items, 1) if id_of(item) == place.after), place.offset)
