"""A question on files that is answered by a process of its own: files come from anybody (note 0040).

What reads them must not be able to take the server down with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec

from helicline import errors, parent_process
from helicline.errors import HeliclineError, Invalid, Unavailable

MEMORY_MB = 1024
TIMEOUT_S = 1800.0
Question = TypeVar("Question", bound=msgspec.Struct)
Answer = TypeVar("Answer")


class Reply(msgspec.Struct):
    """The encoded answer; or the class and the data of an error."""

    content: msgspec.Raw = msgspec.Raw(msgspec.msgpack.encode(None))
    error: str = ""
    data: list[Any] = []


def ask(module: str, question: msgspec.Struct, answer_type: type[Answer]) -> Answer:
    """Return what `python -m module`, which calls `answer`, says to the question.

    Raises:
        Invalid: the files cannot be read, or are too much for the process.
        Unavailable: a library that reads such files is not installed.
    """
    command = [sys.executable, "-m", module]
    content = msgspec.msgpack.encode(question)
    try:
        ended = subprocess.run(command, input=content, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        why = f"they took longer than {TIMEOUT_S:.0f} s to read"
        raise Invalid("files", why, "files that can be looked into", "Commit fewer at a time.") from None
    if ended.returncode:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        why = f"the process that looks into them ended with {ended.returncode}: {' '.join(last)}"
        raise Invalid("files", why, f"tables that can be read within {MEMORY_MB} MB", "Write them in smaller files.")
    reply = msgspec.msgpack.decode(ended.stdout, type=Reply)
    if reply.error:
        raise getattr(errors, reply.error)(*reply.data)
    return msgspec.msgpack.decode(reply.content, type=answer_type)


def answer(question_type: type[Question], find: Callable[[Any, Question], Any]) -> None:
    """Answer the question on standard input by `find(session, question)`: the whole life of such a process."""
    parent_process.end_with(os.getppid())
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=question_type)
    sys.stdout.buffer.write(msgspec.msgpack.encode(_reply_to(question, find)))


def _reply_to(question: Question, find: Callable[[Any, Question], Any]) -> Reply:
    import duckdb

    with TemporaryDirectory(prefix="helicline-look-") as folder:
        try:
            answered = find(limited_session(folder), question)
            return Reply(content=msgspec.Raw(msgspec.msgpack.encode(answered)))
        except duckdb.OutOfMemoryException:
            allowed = f"tables that can be read within {MEMORY_MB} MB"
            refusal: HeliclineError = Invalid("files", "more than fits", allowed, "Write them in smaller files.")
        except (Invalid, Unavailable) as error:
            refusal = error
    return Reply(error=type(refusal).__name__, data=list(refusal.args))


def limited_session(folder: str, *, memory_mb: int = MEMORY_MB) -> Any:
    """Return a DuckDB session that keeps to its memory, and writes what is over it to `folder`."""
    import duckdb

    session = duckdb.connect(":memory:")
    session.execute(f"SET memory_limit = '{memory_mb}MB'")
    session.execute("SET threads = 2")
    session.execute("SET temp_directory = ?", [folder])
    session.execute("SET autoinstall_known_extensions = false")
    return session
