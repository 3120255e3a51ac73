"""Error bodies: `{"error_code": ..., "message": ...}` of the scoring protocol, `{"error": ...}` of V1."""

from __future__ import annotations

import json

_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST",
    413: "REQUEST_LIMIT_EXCEEDED",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def scoring_error(status: int, message: str) -> bytes:
    """Return the body of an error as MLflow's clients expect it."""
    return json.dumps({"error_code": _CODES.get(status, "BAD_REQUEST"), "message": message}).encode()


def v1_error(message: str) -> bytes:
    """Return the body of an error in the V1 (TensorFlow Serving) protocol."""
    return json.dumps({"error": message}).encode()
