"""The environment of code, as a record."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blake3 import blake3

from helicline.records.pipeline import Environment

Signature = tuple[tuple[str, int, int], ...]
# the packages of a folder, and the signature by which they were read; a forked process inherits it
_PACKAGES: dict[str, tuple[Signature, frozenset[str]]] = {}


def capture() -> Environment:
    """Return this interpreter's environment; equal python minor version, platform and packages give an equal `hash`."""
    python, platform, packages = environment_parts()
    minor = ".".join(python.split(".")[:2])
    # helicline itself does not count: its upgrade must not invalidate the cache of every step
    counted = [package for package in packages if not package.startswith("helicline==")]
    digest = blake3("\n".join([minor, platform, *counted]).encode()).hexdigest()[:32]
    return Environment(python=python, platform=platform, packages=packages, hash=digest)


def environment_parts() -> tuple[str, str, tuple[str, ...]]:
    """Return the python version, platform, and `name==version` of every installed distribution, sorted.

    To read what is installed costs some tenths of a second: it is read again only where a folder has changed since.
    """
    import platform

    packages = frozenset[str]().union(*(_packages_in(os.path.abspath(folder)) for folder in sys.path))
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return version, f"{platform.system()}-{platform.machine()}".lower(), tuple(sorted(packages))


def _packages_in(folder: str) -> frozenset[str]:
    from importlib.metadata import distributions

    signature = _signature(Path(folder))
    cached = _PACKAGES.get(folder)
    if cached is None or cached[0] != signature:
        names = ((distribution.metadata["Name"], distribution.version) for distribution in distributions(path=[folder]))
        cached = signature, frozenset(f"{name.lower()}=={version}" for name, version in names if name)
        _PACKAGES[folder] = cached
    return cached[1]


def _signature(folder: Path) -> Signature:
    """Return the time and size of the folder, and of each file in it that names a distribution."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info"))]
    except OSError:  # a zip file, or nothing
        names = []
    files = (folder / name / file for name in names for file in ("METADATA", "PKG-INFO"))
    return tuple(_stat(path) for path in (folder, *files, *(folder / name for name in names)))


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size
