"""Names of the nouns as types, and how fresh ids are made."""

from __future__ import annotations

import os
import re
import time
import uuid
from typing import NewType

from helicline.errors import Invalid

RunId = NewType("RunId", str)
PipelineRunId = NewType("PipelineRunId", str)
AttemptId = NewType("AttemptId", str)
PredictionId = NewType("PredictionId", str)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def new_run_id() -> RunId:
    """Return 32 lowercase hex digits, the run id form of the MLflow wire."""
    return RunId(uuid.uuid4().hex)


def new_prediction_id() -> PredictionId:
    """Return a time-ordered UUIDv7 (RFC 9562), so that a label finds its partition by its id."""
    millis = time.time_ns() // 1_000_000
    value = (millis & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return PredictionId(str(uuid.UUID(int=value)))


def checked_name(field: str, name: str) -> str:
    """Return `name` if it can stand in URLs, file names and ids alike.

    Raises:
        Invalid: the name is empty, too long or holds other characters.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise Invalid(field, name, "1-128 of letters, digits, '_', '.', '-', starting with a letter or digit, no '..'")
    return name
