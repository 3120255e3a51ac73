"""The cache key of a step, whose result is reused for an equal key, and the reason of a cache miss."""

from __future__ import annotations

import msgspec
from blake3 import blake3

from helicline.records.pipeline import CacheEntry, Environment, Output, StepSpec

SERIALIZERS = "1"


def key_parts(step: StepSpec, inputs: dict[str, Output], environment: Environment) -> dict[str, str]:
    """Return the named components of a step's cache key: code, each parameter, each input's content, environment."""
    used = step.env or environment
    parts = {"function": step.function, "code": step.code_hash, "environment": used.hash, "format": SERIALIZERS}
    parts |= {
        f"param {name}": msgspec.json.encode(value, order="sorted").decode() for name, value in step.params.items()
    }
    parts |= {f"input {name}": output.digest for name, output in inputs.items()}
    return parts


def key_of(parts: dict[str, str]) -> str:
    """Return the BLAKE3 of the components' canonical JSON."""
    return blake3(msgspec.json.encode(parts, order="sorted")).hexdigest()


def why_rerun(parts: dict[str, str], nearest: CacheEntry | None) -> str:
    """Return as a sentence what differs from the last cached result of the same step."""
    if nearest is None:
        return "never ran before"
    old = nearest.key_parts
    changed = sorted(name for name in parts.keys() | old.keys() if parts.get(name) != old.get(name))
    if not changed:
        return "its kept outputs are gone"
    return "changed: " + ", ".join(_change(name, old.get(name), parts.get(name)) for name in changed)


def _change(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"{name} (new)"
    if after is None:
        return f"{name} (gone)"
    return f"{name} ({before[:12]} -> {after[:12]})"
