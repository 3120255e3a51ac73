"""Translation of the errors of a database driver to errors of this project."""

from __future__ import annotations

import sqlalchemy as sa

from helicline.errors import HeliclineError, Invalid, StorageFull, Unavailable

# a deadlock, a serialization failure, or a row that another unit inserted first: the next attempt sees that row
RETRIED_STATES = ("40001", "40P01", "23505")
FULL_DISK = ("disk is full", "No space left", "disk I/O error")


def translated(error: BaseException) -> BaseException:
    """Return the error for the caller: storage errors as HeliclineError, others unchanged."""
    if isinstance(error, HeliclineError):
        return error
    text = str(getattr(error, "orig", error))
    if any(words in text for words in FULL_DISK):
        return StorageFull("the database", text, "Free some space; nothing of this write was kept.")
    if isinstance(error, UnicodeEncodeError):
        return Invalid("text", "a lone surrogate", "valid Unicode")
    if isinstance(error, sa.exc.DataError | OverflowError):
        return Invalid("value", text.partition("\n")[0], "text without NUL, and whole numbers of at most 64 bits")
    if isinstance(error, sa.exc.OperationalError):
        return Unavailable("the database", text)
    if isinstance(error, StopIteration):  # a future rejects StopIteration
        return RuntimeError("a unit of work raised StopIteration")
    return error


def is_conflict(error: Exception) -> bool:
    """Return whether a concurrent unit caused the error; SQLite has one writer and so no such errors."""
    if isinstance(error, HeliclineError):
        return error.code == "stale"
    return getattr(getattr(error, "orig", None), "sqlstate", "") in RETRIED_STATES


def root_error(error: Exception) -> Exception:
    """Return the earliest database error in the chain; later ones only say that the savepoint is missing."""
    earlier: BaseException | None = error
    while earlier is not None:
        if isinstance(earlier, sa.exc.DBAPIError):
            error = earlier
        earlier = earlier.__context__
    return error
