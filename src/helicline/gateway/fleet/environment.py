"""The interpreter that a model runs in: the gateway's own if it has what the model needs, else one built with uv."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from helicline.environments.build import build, digest_of, minor_version
from helicline.errors import Unavailable
from helicline.gateway.fleet import requirements

_ALWAYS = ("numpy", "pandas")


class Environments:
    """Environments under `<home>/envs`, one for each (python version, set of requirements)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def interpreter(self, model: Path, mlmodel: dict[str, Any]) -> Path:
        """Return the python that can load the model, building its environment at first need.

        Raises:
            Unavailable: the environment cannot be built; the message ends with the output of uv.
        """
        file = model / "requirements.txt"
        text = file.read_text() if file.is_file() else ""
        python = _python_version(mlmodel)
        if python == minor_version() and _loadable(mlmodel) and not requirements.unmet(text):
            return Path(sys.executable)
        lines, cancelled = requirements_to_install(text), threading.Event()
        folder = self._folder / digest_of(python, lines)
        try:
            return await asyncio.to_thread(_built, folder, python, lines, stopped=cancelled.is_set)
        except Unavailable as error:
            raise Unavailable("The model's environment", error.why) from None
        finally:
            cancelled.set()


def _built(folder: Path, python: str, lines: list[str], *, stopped: Callable[[], bool]) -> Path:
    with NamedTemporaryFile(prefix="helicline-uv-") as output:
        return build(folder, python=python, requirements=lines, output=output, stopped=stopped)


def _python_version(mlmodel: dict[str, Any]) -> str:
    version = ((mlmodel.get("flavors") or {}).get("python_function") or {}).get("python_version")
    return minor_version(str(version)) if version else minor_version()


def _loadable(mlmodel: dict[str, Any]) -> bool:
    return "sklearn" in (mlmodel.get("flavors") or {}) or importlib.util.find_spec("mlflow") is not None


def requirements_to_install(text: str) -> list[str]:
    """Return sorted requirements with mlflow replaced by mlflow-skinny: the same loaders, 700 MB less."""
    lines = requirements.lines(text)
    names = {requirements.name_of(line) for line in lines}
    substituted = [
        "mlflow-skinny" + line[len("mlflow") :] if requirements.name_of(line) == "mlflow" else line for line in lines
    ]
    if not names & set(requirements.MLFLOW):
        substituted.append("mlflow-skinny")
    return sorted(substituted + [name for name in _ALWAYS if name not in names])
