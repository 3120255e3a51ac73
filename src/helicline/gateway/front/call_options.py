"""What the client asks of a call beside its input: deadline, prediction id and assignment key."""

from __future__ import annotations

import re

import msgspec

from helicline.gateway.front.request import HEAD_LENGTH, Request
from helicline.gateway.worker.frames import OIP_BINARY, OIP_JSON

DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S = 60.0, 600.0
_PREDICTION_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class _Params(msgspec.Struct):
    user_id: str | int | None = None
    assignment_key: str | int | None = None


class _KeyOnly(msgspec.Struct):
    parameters: _Params = msgspec.field(default_factory=_Params)


_key_only = msgspec.json.Decoder(_KeyOnly)


def timeout_s(request: Request) -> float | None:
    """Return the call's timeout in seconds, or None if the header is not a valid one."""
    header = request.headers.get(b"x-request-timeout-ms")
    if header is None:
        return DEFAULT_TIMEOUT_S
    if not header.isdigit() or not 0 < int(header) <= MAX_TIMEOUT_S * 1000:
        return None
    return int(header) / 1000


def prediction_id(request: Request) -> bytes | None:
    """Return the client's own prediction id, b'' if it sent none, None if it is not a valid one."""
    header = request.headers.get(b"x-prediction-id")
    if header is None:
        return b""
    return header if _PREDICTION_ID.fullmatch(header) else None


def head_length(request: Request) -> int | None:
    """Return how many bytes of a body in the binary form of tensors are its JSON head; None if the header is wrong.

    0 is a body without a head: the values of the model's only input.
    """
    header = request.headers.get(HEAD_LENGTH, b"")
    return int(header) if header.isdigit() and len(header) < 12 and int(header) <= len(request.body) else None


def _decoded(header: bytes) -> str:
    """Return a header's text: UTF-8, as the same key has in JSON, else Latin-1."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")


def assignment_key(request: Request, kind: int, *, json_length: int) -> str:
    """Return the key of a sticky assignment: from the header, else from the parameters of a V2 body; '' for none.

    `json_length` is how much of a binary body is JSON.
    """
    header = request.headers.get(b"x-assignment-key")
    if header is not None:
        return _decoded(header)
    if kind not in (OIP_JSON, OIP_BINARY):
        return ""
    body = request.body if kind == OIP_JSON else request.body[:json_length]
    if b'"user_id"' not in body and b'"assignment_key"' not in body:
        return ""
    try:
        params = _key_only.decode(body).parameters
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    key = params.assignment_key if params.assignment_key is not None else params.user_id
    return "" if key is None else str(key)
