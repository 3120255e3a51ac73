"""The part of a file that a client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

from helicline.protocol.mlflow.request import Request, Response

RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


class OutOfRange(Exception):
    """The file has no byte of what was asked for."""


def requested_part(request: Request, *, size: int, tag: str) -> range | None:
    """Return the positions that the request asks for, or None for the whole file.

    As RFC 9110 has it, the whole file answers several ranges, what is no range, and an `If-Range` of another content.

    Raises:
        OutOfRange: it begins behind the end.
    """
    if request.header("if-range", tag) != tag:
        return None
    match = RANGE.fullmatch(request.header("range", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        part = range(max(size - int(match[2]), 0), size)
    else:
        last = int(match[2]) if match[2] else size
        if last < int(match[1]):
            return None
        part = range(int(match[1]), min(last + 1, size))
    if not part:
        raise OutOfRange
    return part


def out_of_range(size: int) -> Response:
    """Return the answer to a range that begins behind the end."""
    body = b'{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid range: the file has %d bytes."}' % size
    return Response(
        status=416,
        body=body,
        headers=(
            ("content-type", "application/json"),
            ("content-range", f"bytes */{size}"),
            ("accept-ranges", "bytes"),
        ),
    )
