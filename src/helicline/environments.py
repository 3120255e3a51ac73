"""Environments of steps and models: what is asked for, resolved to versions, and built by uv, one folder a content.

What steps and model workers need of the product's own packages is installed beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import IO

from helicline.errors import Invalid, Unavailable

READY = ".helicline-ready"
GROUP = "group:"
# what a step imports of ours, and what its tables and models are handled with
STEP_NEEDS = ("blake3", "duckdb", "httpx", "msgspec", "numpy", "zstandard")
STEP_CLIENTS = ("mlflow-skinny", "pandas")
LOOK_S = 0.2
MAX_OUTPUT_BYTES = 1500
_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)", re.MULTILINE)


def minor_version(version: str = sys.version) -> str:
    """Return `3.11` of a Python version, by default of the running one."""
    return ".".join(version.split()[0].split(".")[:2])


def digest_of(python: str, requirements: Sequence[str]) -> str:
    """Return the name of the environment with this Python and these requirements on this platform."""
    return hashlib.sha256("\n".join([python, sys.platform, *requirements]).encode()).hexdigest()[:32]


def resolve(field: str, name: str, folder: Path, *, cache: Path | None = None) -> tuple[str, ...]:
    """Return the requirements of a step, each with its version: of a file, or of `group:NAME` of a pyproject.toml.

    `folder` has the file. What was resolved is used again while the text is the same, if there is a `cache` folder.

    Raises:
        Invalid: there is no such file or group, or no versions fit together.
    """
    arguments, text = _group(field, name, folder) if name.startswith(GROUP) else _file(field, name, folder)
    needs = _step_needs()
    key = digest_of(minor_version(), [text, *needs])
    stored = cache / f"{key}.txt" if cache else None
    if stored and stored.is_file():
        return tuple(stored.read_text().splitlines())
    command = ["pip", "compile", "--quiet", "--universal", "--no-header", "--no-annotate", "--python", sys.executable]
    done = subprocess.run(
        [_uv(), *command, *arguments, "-"],
        input="\n".join(needs),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        hint = f"See: uv pip compile {' '.join(arguments)}"
        raise Invalid(f"{field}, env", name, f"requirements that fit together: {done.stderr.strip()}", hint)
    lines = tuple(line for line in done.stdout.splitlines() if line.strip())
    if stored:
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text("\n".join(lines))
    return lines


def _file(field: str, name: str, folder: Path) -> tuple[list[str], str]:
    path = folder / name
    if not path.is_file():
        raise Invalid(
            f"{field}, env", name, f"a file of requirements below {folder}, or {GROUP}NAME of a pyproject.toml"
        )
    return [name], "\n".join(_texts(path))


def _texts(path: Path) -> Iterator[str]:
    """Yield the text of a file of requirements and of those that it includes."""
    text = path.read_text()
    yield text
    for name in _INCLUDED.findall(text):
        if (path.parent / name).is_file():
            yield from _texts(path.parent / name)


def _group(field: str, name: str, folder: Path) -> tuple[list[str], str]:
    group = name.removeprefix(GROUP)
    project = next(
        (above / "pyproject.toml" for above in (folder, *folder.parents) if (above / "pyproject.toml").is_file()), None
    )
    if project is None:
        raise Invalid(f"{field}, env", name, f"a group of a pyproject.toml: there is none in {folder} or above it")
    groups = tomllib.loads(project.read_text()).get("dependency-groups", {})
    if group not in groups:
        raise Invalid(f"{field}, env", name, f"a group of {project}: {', '.join(groups) or 'it has none'}")
    return ["--group", f"{project}:{group}"], f"{group} of {groups}"


def _step_needs() -> list[str]:
    """Return what a step needs, in the versions that this installation asks for."""
    lines = [line for line in requires("helicline") or [] if "extra ==" not in line]
    return [*(line for line in lines if re.split(r"[^\w-]", line)[0] in STEP_NEEDS), *STEP_CLIENTS]


def build(
    folder: Path, *, python: str, requirements: Sequence[str], output: IO[bytes], stopped: Callable[[], bool]
) -> Path:
    """Return the interpreter of an environment; it is built where it is not there, once for all processes that ask.

    `stopped` is called while it waits and builds; what uv says goes to `output`. A build that fails leaves nothing.

    Raises:
        Unavailable: it cannot be built, with the end of what uv says, or was stopped.
    """
    interpreter = folder / "bin" / "python"
    if (folder / READY).is_file():
        return interpreter
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock"), stopped):
        if (folder / READY).is_file():
            return interpreter
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _run("venv", "--python", python, str(folder), output=output, stopped=stopped)
            file = folder / "requirements.txt"
            file.write_text("\n".join(requirements) + "\n")
            install = ("pip", "install", "--python", str(interpreter), "--compile-bytecode", "-r", str(file))
            _run(*install, output=output, stopped=stopped)
            os.sync()  # after a power cut the ready file must not exist without the files of a package
            (folder / READY).touch()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return interpreter


@contextlib.contextmanager
def _alone(lock: Path, stopped: Callable[[], bool]) -> Iterator[None]:
    """Have the lock of an environment. A process that ends lets it go."""
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stopped():
                    raise Unavailable("the environment", "it was stopped") from None
                time.sleep(LOOK_S)
        yield


def _run(*arguments: str, output: IO[bytes], stopped: Callable[[], bool]) -> None:
    process = subprocess.Popen([_uv(), *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        while process.poll() is None:
            if stopped():
                raise Unavailable("the environment", "it was stopped")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise Unavailable("the environment", _end_of(output))


def _end_of(output: IO[bytes]) -> str:
    """Return the end of what was written to a file, whatever its handle was opened for."""
    output.flush()
    with open(output.name, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_OUTPUT_BYTES))
        return file.read().decode(errors="replace").strip()


def _uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())
