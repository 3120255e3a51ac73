"""Builds environments with uv: one folder a content, which is whole or not there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from helicline.errors import Unavailable

READY = ".helicline-ready"
LOOK_S = 0.2
MAX_OUTPUT_BYTES = 1500


def minor_version(version: str = sys.version) -> str:
    """Return `3.11` of a Python version, by default of the running one."""
    return ".".join(version.split()[0].split(".")[:2])


def digest_of(python: str, requirements: Sequence[str]) -> str:
    """Return the name of the environment with this Python and these requirements on this platform."""
    return hashlib.sha256("\n".join([python, sys.platform, *requirements]).encode()).hexdigest()[:32]


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
    process = subprocess.Popen([uv(), *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
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


def uv() -> str:
    """Return the path of the program."""
    from uv import find_uv_bin

    return str(find_uv_bin())
