"""The environment of code, as a record."""

from __future__ import annotations

from blake3 import blake3

from helicline.records.pipeline import Environment
from helicline.sdk.code import environment_parts


def capture() -> Environment:
    """Return this interpreter's environment; equal python minor version, platform and packages give an equal `hash`."""
    python, platform, packages = environment_parts()
    minor = ".".join(python.split(".")[:2])
    # helicline itself does not count: its upgrade must not invalidate the cache of every step
    counted = [package for package in packages if not package.startswith("helicline==")]
    digest = blake3("\n".join([minor, platform, *counted]).encode()).hexdigest()[:32]
    return Environment(python=python, platform=platform, packages=packages, hash=digest)
