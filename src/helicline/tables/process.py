"""`python -m helicline.tables.process`: looks into files of a table, in a process of its own with little memory.

Files come from anybody: what reads them must not be able to take the server down with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from helicline import errors, parent_process
from helicline.errors import HeliclineError, Invalid, Unavailable
from helicline.records.table import TableFacts, TableFile
from helicline.tables.inspect import LocalFile, inspect
from helicline.tables.names import kind_of

MEMORY_MB = 1024
TIMEOUT_S = 1800.0
_TURN = threading.Semaphore(2)


class Request(msgspec.Struct):
    files: list[LocalFile]
    read_before: list[TableFile]


class Answer(msgspec.Struct):
    """The facts, or the class and the data of an error."""

    facts: TableFacts | None = None
    error: str = ""
    data: list[Any] = []


def inspect_apart(files: Sequence[LocalFile], read_before: Sequence[TableFile] = ()) -> TableFacts | None:
    """Return what `inspect` returns, from a process of its own.

    Raises:
        Invalid: a file cannot be read, or has other columns than the others; or they are too much for the process.
        Unavailable: a library that reads such files is not installed.
    """
    if not any(kind_of(file.path) for file in files):
        return None
    request = msgspec.json.encode(Request(list(files), list(read_before)))
    command = [sys.executable, "-m", "helicline.tables.process"]
    with _TURN:
        try:
            ended = subprocess.run(command, input=request, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            why = f"they took longer than {TIMEOUT_S:.0f} s to read"
            raise Invalid("files", why, "files that can be looked into", "Commit fewer at a time.") from None
    if ended.returncode:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        why = f"the process that looks into them ended with {ended.returncode}: {' '.join(last)}"
        raise Invalid("files", why, f"tables that can be read within {MEMORY_MB} MB", "Write them in smaller files.")
    answer = msgspec.json.decode(ended.stdout, type=Answer)
    if answer.error:
        raise getattr(errors, answer.error)(*answer.data)
    return answer.facts


def limited_session(folder: str, *, memory_mb: int = MEMORY_MB) -> Any:
    """Return a DuckDB session that keeps to its memory, and writes what is over it to `folder`."""
    import duckdb

    session = duckdb.connect(":memory:")
    session.execute(f"SET memory_limit = '{memory_mb}MB'")
    session.execute("SET threads = 2")
    session.execute("SET temp_directory = ?", [folder])
    session.execute("SET autoinstall_known_extensions = false")
    return session


def answer_to(request: Request) -> Answer:
    """Return the facts of a request's files, or its error."""
    import duckdb

    with TemporaryDirectory(prefix="helicline-inspect-") as folder:
        try:
            return Answer(facts=inspect(limited_session(folder), request.files, request.read_before))
        except duckdb.OutOfMemoryException:
            allowed = f"tables that can be read within {MEMORY_MB} MB"
            refusal: HeliclineError = Invalid("files", "more than fits", allowed, "Write them in smaller files.")
        except (Invalid, Unavailable) as error:
            refusal = error
    return Answer(error=type(refusal).__name__, data=list(refusal.args))


def main() -> None:
    parent_process.end_with(os.getppid())
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    sys.stdout.buffer.write(msgspec.json.encode(answer_to(request)))


if __name__ == "__main__":
    main()
