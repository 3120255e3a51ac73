"""How a step runs, as its declaration says it; nothing of this is part of the step's code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypedDict

from helicline.errors import Invalid


class RunOptions(TypedDict, total=False):
    """The options of `hl.step` and `hl.command`."""

    cpu: float
    """required cores."""
    memory: str | int
    """limit of the process and of all that it starts, like "2GB"; a step that needs more is ended."""
    retries: int
    """further attempts after a failure or timeout."""
    timeout: str | float
    """limit of one attempt, like "30m" or seconds."""
    cache: bool
    """whether a result with equal code, parameters, inputs and environment is reused."""
    secrets: Sequence[str]
    """names of secrets (`hl secret set NAME`) that the step finds as variables of its environment."""
    env: str
    """an environment of its own: a file like "requirements-train.txt", or "group:NAME" of the pyproject.toml."""


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]i?)?B?")
_SIZES = {None: 1} | {
    letter + suffix: base**power
    for power, letter in enumerate("kMGT", start=1)
    for suffix, base in (("", 1000), ("i", 1024))
}


def run_options(step: str, options: RunOptions) -> dict[str, Any]:
    """Return how a step runs, as the fields of its spec.

    Raises:
        Invalid: there is no such option, or its value says nothing.
    """
    unknown = [name for name in options if name not in RunOptions.__annotations__]
    if unknown:
        raise Invalid(step, f"the option {unknown[0]}", f"options of a step: {', '.join(RunOptions.__annotations__)}")
    secrets = options.get("secrets", ())
    if isinstance(secrets, str):
        raise Invalid("secrets", secrets, f"a list of names, like [{secrets!r}]")
    return {
        "cpu": options.get("cpu", 1.0),
        "memory_bytes": byte_count("memory", options["memory"]) if "memory" in options else 0,
        "retries": options.get("retries", 0),
        "timeout_s": seconds("timeout", options.get("timeout", "30m")),
        "cache": options.get("cache", True),
        "secrets": tuple(secrets),
    }


def seconds(field: str, duration: str | float) -> float:
    """Return the seconds of a number, or of a text like "30m", "1.5h", "200ms"."""
    if isinstance(duration, int | float):
        return float(duration)
    match = _DURATION.fullmatch(duration.strip())
    if not match:
        raise Invalid(field, duration, 'seconds as a number, or text like "30s", "5m", "1h", "2d"')
    return float(match[1]) * _UNITS[match[2]]


def byte_count(field: str, size: str | int) -> int:
    """Return the bytes of a number, or of a text like "512MB", "1.5GB", "2GiB"."""
    match = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    if match:
        return int(float(match[1]) * _SIZES[match[2]])
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    raise Invalid(field, size, 'bytes as a number, or text like "512MB", "2GB", "1.5GiB"')
