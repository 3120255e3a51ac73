"""The error body of the protocol: `{"error": "..."}` with any status outside 2xx."""

from __future__ import annotations

import json


def oip_error(message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"error": message}).encode()
