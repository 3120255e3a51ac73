"""Logs of processes, which append to a file for as long as they run: kept to a bounded size."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 32 << 20


def begin(path: Path) -> BinaryIO:
    """Return the log of a new process, opened for appending; what an earlier process wrote to it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path.open("ab")


def bound(path: Path, *, most: int = MAX_BYTES) -> bool:
    """Move a log of more than `most` bytes aside, to one older file, and begin anew; return whether it was so long.

    The process that writes has to have opened it for appending. What it writes in this very moment may be lost.
    """
    try:
        if path.stat().st_size <= most:
            return False
        shutil.copyfile(path, path.with_name(f"{path.name}.old"))
        os.truncate(path, 0)
    except OSError:  # the disk is full, or the file is gone: the log is what matters least
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
    return True
