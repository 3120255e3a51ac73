"""Types of ids, and functions that make new ids."""

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
    """Return 32 lowercase hex digits, MLflow's form of run ids."""
    return RunId(uuid.uuid4().hex)


def new_prediction_id() -> PredictionId:
    """Return a time-ordered UUIDv7 (RFC 9562), so that the id of a label gives its partition."""
    millis = time.time_ns() // 1_000_000
    value = (millis & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return PredictionId(str(uuid.UUID(int=value)))


def checked_name(field: str, name: str) -> str:
    """Return `name`. Raises Invalid where it is not valid in URLs, file names and ids alike.

    Raises:
        Invalid: the name is empty, too long or has other characters.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise Invalid(field, name, "1-128 of letters, digits, '_', '.', '-', starting with a letter or digit, no '..'")
    return name
