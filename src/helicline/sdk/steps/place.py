"""The place of a mistake in the user's own files."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from helicline.errors import HeliclineError

E = TypeVar("E", bound=HeliclineError)
PACKAGE = Path(__file__).parents[2]
LIBRARIES = (PACKAGE, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")))


def place_of(error: BaseException, root: Path) -> str:
    """Return `file:line` of the innermost frame in the user's own code, relative to `root`; "" where there is none."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return _text(Path(error.filename), error.lineno, root)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    return _text(Path(frames[-1].filename), frames[-1].lineno or 0, root) if frames else ""


def is_own(filename: str) -> bool:
    """Return whether a file is neither of an installed package, nor of Python, nor of Helicline."""
    path = Path(filename)
    return not filename.startswith("<frozen") and not any(path.is_relative_to(folder) for folder in LIBRARIES)


def definition_of(function: Callable[..., Any], root: Path) -> str:
    """Return `file:line` of where a function is defined."""
    code = function.__code__
    return _text(Path(code.co_filename), code.co_firstlineno, root)


def placed(error: E, place: str) -> E:
    """Return the error with its place, unless it has one already."""
    error.place = error.place or place
    return error


def _text(path: Path, line: int, root: Path) -> str:
    resolved, folder = path.resolve(), root.resolve()
    shown = resolved.relative_to(folder) if resolved.is_relative_to(folder) else path
    return f"{shown}:{line}"
