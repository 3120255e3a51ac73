"""Page tokens: opaque to the client; inside is the place after which the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TypeVar

import msgspec

from helicline.errors import Invalid

T = TypeVar("T")


def token_at(place: tuple[object, ...]) -> str:
    """Return the token of the page that follows `place`: it holds whatever comes or goes before it."""
    return base64.b64encode(msgspec.json.encode(place)).decode()


def position_of(token: str, kind: type[T]) -> T | None:
    """Return the place, a `kind` of NamedTuple, that the token holds; None without a token."""
    if not token:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(token, validate=True), type=kind)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise Invalid("page_token", token[:100], "Invalid page token, use one that an earlier answer gave") from None


class _Place(msgspec.Struct, frozen=True):
    """Where a page ended: the id of its last thing, and how many there were until then, should that one be gone."""

    after: str
    offset: int


def paged(items: list[T], *, limit: int, token: str, id_of: Callable[[T], str]) -> tuple[list[T], str]:
    """Return one page of `found` and the next token, "" where nothing follows.

    A page begins after the thing that ended the one before, whatever came or went in front of it meanwhile.
    """
    start = _start(items, token, id_of)
    page = items[start : start + limit]
    if not page or len(items) <= start + limit:
        return page, ""
    place = _Place(id_of(page[-1]), start + limit)
    return page, base64.b64encode(msgspec.json.encode(place)).decode()


def _start(items: list[T], token: str, id_of: Callable[[T], str]) -> int:
    if not token:
        return 0
    try:
        place = msgspec.json.decode(base64.b64decode(token, validate=True), type=_Place)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise Invalid("page_token", token[:100], "Invalid page token, use one that an earlier answer gave") from None
    if not 0 <= place.offset < 2**31:
        raise Invalid("page_token", token[:100], "Invalid page token, use one that an earlier answer gave")
    return next((number for number, item in enumerate(items, 1) if id_of(item) == place.after), place.offset)
