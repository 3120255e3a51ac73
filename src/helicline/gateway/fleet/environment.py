"""The interpreter that a model runs in: the gateway's own if it has what the model needs, else one built with uv."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from helicline.errors import Unavailable
from helicline.gateway.fleet import requirements

_READY = ".helicline-ready"
_ALWAYS = ("numpy", "pandas")
_MAX_OUTPUT = 1500


class Environments:
    """Environments under `<home>/envs`, one for each (python version, set of requirements)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._building: dict[str, asyncio.Lock] = {}

    async def interpreter(self, model: Path, mlmodel: dict[str, Any]) -> Path:
        """Return the python that can load the model, building its environment at first need.

        Raises:
            Unavailable: the environment cannot be built; the message ends with the output of uv.
        """
        file = model / "requirements.txt"
        text = file.read_text() if file.is_file() else ""
        python = _python_version(mlmodel)
        if python == _minor(sys.version) and _loadable(mlmodel) and not requirements.unmet(text):
            return Path(sys.executable)
        requirement_lines = requirements_to_install(text)
        key = hashlib.sha256("\n".join([python, sys.platform, *requirement_lines]).encode()).hexdigest()[:32]
        async with self._building.setdefault(key, asyncio.Lock()):
            return await self._build(self._folder / key, python, requirement_lines=requirement_lines)

    async def _build(self, folder: Path, python: str, *, requirement_lines: list[str]) -> Path:
        interpreter = folder / "bin" / "python"
        if (folder / _READY).is_file():
            return interpreter
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        await _uv("venv", "--python", python, str(folder))
        file = folder / "requirements.txt"
        file.write_text("\n".join(requirement_lines) + "\n")
        await _uv("pip", "install", "--python", str(interpreter), "-r", str(file))
        # after a power cut the ready file must not exist without the files of a package: one sync for all of them
        await asyncio.to_thread(os.sync)
        (folder / _READY).touch()
        return interpreter


def _python_version(mlmodel: dict[str, Any]) -> str:
    version = ((mlmodel.get("flavors") or {}).get("python_function") or {}).get("python_version")
    return _minor(str(version)) if version else _minor(sys.version)


def _minor(version: str) -> str:
    return ".".join(version.split()[0].split(".")[:2])


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


async def _uv(*arguments: str) -> None:
    from uv import find_uv_bin

    process = await asyncio.create_subprocess_exec(
        find_uv_bin(), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, output = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise Unavailable("The model's environment", output.decode(errors="replace").strip()[-_MAX_OUTPUT:])
