"""What is in the files of a table: each is read whole once, and all have to have the same columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from helicline.records.table import FileKind, TableColumn, TableFacts, TableFile
from helicline.tables import csv_columns, csv_text
from helicline.tables.names import WORDS, kind_of
from helicline.tables.read import arrow_scan, csv_scan, json_scan, scan_of
from helicline.tables.sql_text import identifier
from helicline.tables.union import united

MOST_NOTES = 12
FORM_WORDS = {"offset": "as UTC by its offset", "decimal comma": "with a decimal comma"}


Memory = dict[tuple[str, FileKind, str], TableFile]  # by hash, format and compression


class LocalFile(msgspec.Struct, frozen=True):
    """A file of a dataset: its path there, its hash, and where its bytes are."""

    path: str
    hash: str
    at: str


def inspect(session: Any, files: Iterable[LocalFile], read_before: Sequence[TableFile] = ()) -> TableFacts | None:
    """Return what is known of a table, None where no file is one; files among `read_before` are not read again.

    Raises:
        Invalid: a file cannot be read, or has other columns than the others.
        Unavailable: a library that reads such files is not installed.
    """
    ordered = sorted(files, key=lambda file: file.path)
    tables = [file for file in ordered if kind_of(file.path)]
    if not tables:
        return None
    memory: Memory = {(file.hash, file.kind, file.compression): file for file in read_before}
    facts = [_facts(session, file, memory) for file in tables]
    paths = {file.path: Path(file.at) for file in tables}
    columns, notes = united(session, facts, paths)
    other_files = len(ordered) - len(tables)
    left_out = [file.path for file in ordered if not kind_of(file.path)][:3]
    if other_files:
        is_part = "1 file is" if other_files == 1 else f"{other_files:,} files are"
        notes.append(f"{is_part} no part of the table: {', '.join(left_out)}")
    return TableFacts(
        columns=columns,
        row_count=sum(file.row_count for file in facts),
        files=tuple(facts),
        other_files=other_files,
        notes=tuple([*_forms(facts), *notes][:MOST_NOTES]),
    )


def _facts(session: Any, file: LocalFile, memory: Memory) -> TableFile:
    kind, compression = kind_of(file.path) or ("parquet", "none")
    read_before = memory.get((file.hash, kind, compression))
    if read_before is not None:
        return msgspec.structs.replace(read_before, path=file.path)
    bare = TableFile(path=file.path, hash=file.hash, kind=kind, row_count=0, columns=(), compression=compression)
    path = Path(file.at)
    return _of_csv(session, bare, path) if kind == "csv" else _of_typed(session, bare, path)


def _of_typed(session: Any, bare: TableFile, path: Path) -> TableFile:
    """Return the facts of a file that has types of its own."""
    import duckdb

    try:
        if bare.kind == "jsonl":
            scan = json_scan([path], bare.compression)
        elif bare.kind == "arrow":
            scan = arrow_scan(session, path)
        else:
            scan = scan_of(session, bare, [path])
        described = session.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        ((row_count,),) = session.execute(f"SELECT count(*) FROM {scan}").fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, OSError, ValueError) as error:
        raise csv_text.unreadable(bare.path, f"no {WORDS[bare.kind]} file: {_reason(error, path)}") from None
    types = {name: "" if kind.strip('"') == "NULL" else kind for name, kind, *_ in described}
    columns = tuple(TableColumn(name=name, type=kind) for name, kind in types.items())
    if bare.kind == "jsonl" and not row_count:
        raise csv_text.unreadable(bare.path, "no lines of JSON", "Leave the file out: it has neither rows nor columns.")
    mixed = next((column.name for column in columns if bare.kind == "jsonl" and column.type == "JSON"), None)
    if mixed is not None and _has_values(session, scan, mixed):
        raise csv_text.unreadable(bare.path, f"values of different types in {mixed!r}", "Write them in one type.")
    columns = tuple(
        msgspec.structs.replace(column, type="") if bare.kind == "jsonl" and column.type == "JSON" else column
        for column in columns
    )
    return msgspec.structs.replace(bare, row_count=int(row_count), columns=columns)


def _has_values(session: Any, scan: str, column: str) -> bool:
    return bool(session.execute(f"SELECT count({identifier(column)}) > 0 FROM {scan}").fetchall()[0][0])


def _of_csv(session: Any, bare: TableFile, path: Path) -> TableFile:
    import duckdb

    text = csv_text.read_text(path, bare.path, bare.compression)
    unnamed = tuple(TableColumn(name=name, type="VARCHAR") for name in text.names)
    file = msgspec.structs.replace(bare, delimiter=text.delimiter, encoding=text.encoding, columns=unnamed)
    try:
        row_count, columns, notes = csv_columns.columns_of(session, csv_scan(file, [path]), text.names)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise csv_text.unreadable(bare.path, _reason(error, path)) from None
    return msgspec.structs.replace(file, row_count=row_count, columns=tuple(columns), notes=(*text.notes, *notes))


def _reason(error: Exception, path: Path) -> str:
    """Return the first lines of a message of DuckDB, without the place of the file."""
    lines = [line.strip() for line in str(error).replace(f"{path}", "it").splitlines() if line.strip()]
    head = [line for line in lines if not line.startswith(("Possible fixes", "*", "LINE", "^"))][:3]
    return "; ".join(head).replace("Invalid Input Error: ", "").replace("CSV Error on ", "")[:300]


def _forms(files: Sequence[TableFile]) -> list[str]:
    """Return how the CSV files are read, one sentence for all that are read alike, then what is odd in a file."""
    alike: dict[str, list[TableFile]] = {}
    for file in files:
        if file.kind == "csv":
            alike.setdefault(_form(file), []).append(file)
    sentences = []
    for form, members in alike.items():
        name = members[0].path if len(members) == 1 else f"{len(members)} CSV files ({members[0].path}, ...)"
        sentences.append(f"{name}: {form}")
    return [*sentences, *(f"{file.path}: {note}" for file in files for note in file.notes)]


def _form(file: TableFile) -> str:
    between = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}.get(file.delimiter, file.delimiter)
    encoding = "" if file.encoding.startswith("utf-8") else f", encoding {file.encoding}"
    forms = {column.name: column.form for column in file.columns if column.form}
    odd = [f"{name} {FORM_WORDS.get(form, f'as {form}')}" for name, form in forms.items()]
    return f"{between} between columns{encoding}{', ' if odd else ''}{', '.join(odd)}"
