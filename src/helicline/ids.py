"""Types of ids, functions that make new ids, and the grammar of names."""

from __future__ import annotations

import os
import posixpath
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
METRIC_NAME = re.compile(r"[/\w.\- :@]*")  # of metrics and parameters in our own API: `recall@10`
MLFLOW_KEY = re.compile(r"[/\w.\- :]*")  # on MLflow's wire
MAX_METRIC_NAME = 250
KEY_CHARACTERS = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:)"
    " and slashes (/)."
)


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


def problem_of_key(name: str, characters: re.Pattern[str] = METRIC_NAME) -> str:
    """Return why the text names no metric or parameter, or "" where it does: a relative path of these characters."""
    if not characters.fullmatch(name):
        return KEY_CHARACTERS if characters is MLFLOW_KEY else KEY_CHARACTERS.replace("(:)", "(:), at signs (@)")
    normal = posixpath.normpath(name)
    if normal == name and normal != "." and not normal.startswith(("..", "/")):
        return ""
    return (
        "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."
        f" This name would resolve to {normal!r}"
    )


def checked_metric_name(field: str, name: str) -> str:
    """Return the name of a metric. Raises Invalid where our own API does not take it."""
    if problem := problem_of_key(name):
        raise Invalid(field, name, problem)
    if len(name) > MAX_METRIC_NAME:
        raise Invalid(field, f"{len(name)} characters", f"at most {MAX_METRIC_NAME} characters")
    return name
