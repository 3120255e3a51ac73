"""What is recorded of a dataset version that is a table: its columns, and how each of its files is read."""

from __future__ import annotations

from typing import Literal

import msgspec

FileKind = Literal["parquet", "csv", "jsonl", "arrow"]


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of one file. `type` is DuckDB's, "" where every cell is missing.

    `form` says how text became the value: a date format, `decimal comma` or `offset` (a time with its offset from UTC).
    """

    name: str
    type: str
    form: str = ""


class TableFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a table, as it was read at the commit."""

    path: str
    hash: str
    kind: FileKind
    row_count: int
    columns: tuple[TableColumn, ...]
    compression: str = "none"
    delimiter: str = ""
    encoding: str = ""
    notes: tuple[str, ...] = ()


class TableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A table: the union of its files. `other_files` counts files that are no part of it; `notes` are for people."""

    columns: tuple[tuple[str, str], ...]
    row_count: int
    files: tuple[TableFile, ...]
    other_files: int = 0
    notes: tuple[str, ...] = ()
