"""Marks: opaque to the client; inside is the place in an order at which a page begins.

A mark is the values of the order's keys, not a position, so runs that come and go meanwhile move no page.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from helicline.errors import Invalid


class _Place(msgspec.Struct, frozen=True, array_like=True):
    order: list[str]
    values: list[int | float | str | None]


def mark_of(order_by: Sequence[str], place: Sequence[Any]) -> str:
    """Return the mark of a place in that order."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Place(list(order_by), list(place)))).decode()


def place_of(field: str, mark: str, order_by: Sequence[str], kinds: Sequence[type]) -> list[Any]:
    """Return the place of a mark. Raises Invalid, naming the field, for one that was not given for this order."""
    try:
        place = msgspec.json.decode(base64.b64decode(mark, altchars=b"-_", validate=True), type=_Place)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        place = _Place([], [])
    is_known = len(place.values) == len(kinds) and all(map(_fits, place.values, kinds))
    if not is_known or place.order != list(order_by):
        raise Invalid(field, mark[:100], "Invalid page token, use one that an earlier answer gave for the same order")
    return place.values


def _fits(value: int | float | str | None, kind: type) -> bool:
    if value is None or kind is str:
        return value is None or isinstance(value, str)
    return isinstance(value, int | float if kind is float else int) and abs(value) < 2**63
