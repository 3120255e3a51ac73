"""How each protocol says no, and what a request carries beside its body."""

from __future__ import annotations

import re

import msgspec

from helicline.gateway.front.exchange import JSON, Exchange
from helicline.gateway.worker.frames import OIP_JSON, V1_JSON
from helicline.protocol.oip.errors import oip_error
from helicline.protocol.scoring.errors import scoring_error, v1_error

NAMES = {1: "mlflow", 2: "mlflow", 3: "mlflow", OIP_JSON: "oip", V1_JSON: "v1"}
DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S = 60.0, 600.0
_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_RETRY = ((b"retry-after", b"1"),)


class _Params(msgspec.Struct):
    user_id: str | int | None = None
    assignment_key: str | int | None = None


class _KeyOnly(msgspec.Struct):
    parameters: _Params = msgspec.field(default_factory=_Params)


_key_only = msgspec.json.Decoder(_KeyOnly)


def refuse(exchange: Exchange, kind: int, *, status: int, why: str) -> None:
    """Answer with an error in the shape of the protocol `kind`."""
    if kind == OIP_JSON:
        body = oip_error(why)
    elif kind == V1_JSON:
        body = v1_error(why)
    else:
        body = scoring_error(status, why)
    exchange.answer(status, body, kind=JSON, headers=_RETRY if status == 503 else ())


def timeout_s(exchange: Exchange) -> float | None:
    """Return the deadline the client asked for in seconds, or None if what it sent is not one."""
    given = exchange.headers.get(b"x-request-timeout-ms")
    if given is None:
        return DEFAULT_TIMEOUT_S
    if not given.isdigit() or not 0 < int(given) <= MAX_TIMEOUT_S * 1000:
        return None
    return int(given) / 1000


def chosen_id(exchange: Exchange) -> bytes | None:
    """Return the client's own prediction id, b'' if it chose none, None if what it chose cannot be one."""
    given = exchange.headers.get(b"x-prediction-id")
    if given is None:
        return b""
    return given if _ID.fullmatch(given) else None


def assignment_key(exchange: Exchange, kind: int) -> str:
    """Return what the assignment is sticky to, '' for none: the header, else the parameter of a V2 body."""
    given = exchange.headers.get(b"x-assignment-key")
    if given is not None:
        return given.decode("latin-1")
    if kind != OIP_JSON or (b'"user_id"' not in exchange.body and b'"assignment_key"' not in exchange.body):
        return ""
    try:
        found = _key_only.decode(exchange.body).parameters
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    key = found.assignment_key if found.assignment_key is not None else found.user_id
    return "" if key is None else str(key)
