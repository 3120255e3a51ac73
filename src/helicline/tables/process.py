"""`python -m helicline.tables.process`: looks into files of a table, in a process of its own with little memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from helicline.records.table import TableFacts, TableFile
from helicline.tables import apart
from helicline.tables.inspect import LocalFile, inspect
from helicline.tables.names import kind_of

_TURN = threading.Semaphore(2)


class Request(msgspec.Struct):
    files: list[LocalFile]
    read_before: list[TableFile]


def inspect_apart(files: Sequence[LocalFile], read_before: Sequence[TableFile] = ()) -> TableFacts | None:
    """Return what `inspect` returns, from a process of its own.

    Raises:
        Invalid: a file cannot be read, or has other columns than the others; or they are too much for the process.
        Unavailable: a library that reads such files is not installed.
    """
    if not any(kind_of(file.path) for file in files):
        return None
    with _TURN:
        return apart.ask("helicline.tables.process", Request(list(files), list(read_before)), TableFacts | None)  # type: ignore[arg-type]


def _facts(session: Any, request: Request) -> TableFacts | None:
    return inspect(session, request.files, request.read_before)


if __name__ == "__main__":
    apart.answer(Request, _facts)
