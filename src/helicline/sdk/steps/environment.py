"""The environment that a step declares as its own."""

from __future__ import annotations

import sys
from pathlib import Path

from helicline import settings
from helicline.environments.build import digest_of, minor_version
from helicline.environments.resolve import resolve
from helicline.records.pipeline import StepEnvironment


def environment_of(field: str, name: str, module: str) -> StepEnvironment:
    """Return the environment that a step of a module names, with versions. Raises Invalid where there is none."""
    home = settings.load().home_path
    cache = home / "envs" / "resolved" if home.is_dir() else None
    lines = resolve(field, name, folder_of(module), cache=cache)
    python = minor_version()
    return StepEnvironment(name=name, python=python, requirements=lines, hash=digest_of(python, lines))


def folder_of(module: str) -> Path:
    """Return the folder of the file of a module."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()
