"""The environment that code runs in, as a record."""

from __future__ import annotations

from blake3 import blake3

from helicline.records.pipeline import Environment
from helicline.sdk.code import environment_parts


def capture() -> Environment:
    """Return this interpreter's environment; `hash` is equal where python minor, platform and packages are equal."""
    python, platform, packages = environment_parts()
    minor = ".".join(python.split(".")[:2])
    # helicline itself is left out: an upgrade of the platform must not make every step run again
    counted = [package for package in packages if not package.startswith("helicline==")]
    digest = blake3("\n".join([minor, platform, *counted]).encode()).hexdigest()[:32]
    return Environment(python=python, platform=platform, packages=packages, hash=digest)
