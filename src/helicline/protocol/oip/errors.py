"""The one error shape of the protocol: any status outside 2xx with `{"error": "..."}`."""

from __future__ import annotations

import json


def oip_error(message: str) -> bytes:
    """Return the body of a refusal."""
    return json.dumps({"error": message}).encode()
