"""The table of errors as RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any

import msgspec

from helicline import errors

STATUS: dict[str, int] = {
    "not_found": 404,
    "conflict": 409,
    "stale": 409,
    "invalid": 400,
    "too_large": 413,
    "refused": 403,
    "unauthenticated": 401,
    "rate_limited": 429,
    "unavailable": 503,
    "storage_full": 507,
    "bug": 500,
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as a client gets it: what happened, which field, and the next step."""

    title: str
    status: int
    code: str
    detail: str
    type: str = "about:blank"
    hint: str = ""
    field: str = ""
    data: tuple[Any, ...] = ()
    request_id: str = ""


def status_of(kind: type[errors.HeliclineError]) -> int:
    """Return the HTTP status for the error's code, or for the nearest base class that has one."""
    codes = (getattr(ancestor, "code", "") for ancestor in kind.__mro__)
    return next((STATUS[code] for code in codes if code in STATUS), 500)


def problem_of(error: errors.HeliclineError, request_id: str = "") -> Problem:
    """Return the problem document of an error."""
    return Problem(
        title=error.code.replace("_", " ").capitalize(),
        status=status_of(type(error)),
        code=error.code,
        detail=error.sentence,
        hint=error.hint,
        field=getattr(error, "field", ""),
        data=error.args,
        request_id=request_id,
    )


def http_problem(status: int, detail: str, *, code: str = "", hint: str = "", request_id: str = "") -> Problem:
    """Return a problem of the HTTP layer itself: a route that does not exist, a body that is not JSON."""
    title = {
        400: "Invalid",
        401: "Unauthenticated",
        403: "Refused",
        404: "Not found",
        405: "Method not allowed",
        413: "Too large",
        415: "Unsupported media type",
    }
    return Problem(
        title=title.get(status, "Error"),
        status=status,
        code=code or title.get(status, "error").lower().replace(" ", "_"),
        detail=detail,
        hint=hint,
        request_id=request_id,
    )
