"""Reads files as one table: a scan for each file, and the union of all, in the order of their paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helicline.errors import Unavailable
from helicline.records.table import TableFacts, TableFile
from helicline.tables.csv_columns import value_of
from helicline.tables.csv_text import in_utf8
from helicline.tables.sql_text import identifier, literal

MAX_LINE_BYTES, BUFFER_BYTES = 8 << 20, 16 << 20


def relation(session: Any, facts: TableFacts, paths: Sequence[Path]) -> Any:
    """Return the table as a relation of the DuckDB session; `paths` are where the files of `facts` are."""
    return session.sql(select(session, facts, paths))


def select(session: Any, facts: TableFacts, paths: Sequence[Path]) -> str:
    """Return the SQL that reads the table. Files that are read alike are read together."""
    groups: list[tuple[TableFile, list[Path]]] = []
    for file, path in zip(facts.files, paths, strict=True):
        if groups and _is_alike(groups[-1][0], file):
            groups[-1][1].append(path)
        else:
            groups.append((file, [path]))
    return " UNION ALL ".join(_select(session, file, facts.columns, paths=group) for file, group in groups)


def _is_alike(file: TableFile, other: TableFile) -> bool:
    def form(file: TableFile) -> tuple[Any, ...]:
        return file.kind, file.columns, file.compression, file.delimiter, file.encoding

    return file.kind != "arrow" and form(file) == form(other)


def _select(session: Any, file: TableFile, columns: Sequence[tuple[str, str]], *, paths: list[Path]) -> str:
    """Return the SQL that reads files which are alike, with the table's columns in their order and types."""
    at = {column.name: (position, column) for position, column in enumerate(file.columns)}
    values = []
    for name, kind in columns:
        position, column = at[name]
        if file.kind == "csv":
            value = value_of(column, f"c{position}", kind)
        else:
            value = identifier(name) if column.type == kind else f"CAST({identifier(name)} AS {kind})"
        values.append(f"{value} AS {identifier(name)}")
    return f"SELECT {', '.join(values)} FROM {scan_of(session, file, paths)}"


def scan_of(session: Any, file: TableFile, paths: Sequence[Path]) -> str:
    """Return the scan of files which are alike, as it stands after FROM."""
    if file.kind == "parquet":
        return f"read_parquet({_listed(paths)}, hive_partitioning = false)"
    if file.kind == "csv":
        return csv_scan(file, paths)
    if file.kind == "jsonl":
        return json_scan(paths, file.compression, [(column.name, column.type) for column in file.columns])
    return arrow_scan(session, paths[0])


def csv_scan(file: TableFile, paths: Iterable[Path]) -> str:
    """Return the scan of CSV files, every column as text, named c0, c1, ..."""
    folder = copies_folder()
    in_text = [in_utf8(path, compression=file.compression, encoding=file.encoding, folder=folder) for path in paths]
    compression = file.compression if file.encoding in ("utf-8", "utf-8-sig") else "none"
    columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(file.columns)))
    return (
        f"read_csv({_listed(in_text)}, auto_detect = false, header = true, delim = {literal(file.delimiter)},"
        f" quote = '\"', escape = '\"', nullstr = '', columns = {{{columns}}}, compression = '{compression}',"
        f" max_line_size = {MAX_LINE_BYTES}, buffer_size = {BUFFER_BYTES}, hive_partitioning = false)"
    )


def json_scan(paths: Sequence[Path], compression: str, columns: Sequence[tuple[str, str]] = ()) -> str:
    """Return the scan of files of JSON lines; without `columns` their types are read from all rows."""
    typed = ", ".join(f"{literal(name)}: {literal(kind or 'VARCHAR')}" for name, kind in columns)
    how = f"columns = {{{typed}}}" if typed else "sample_size = -1"
    method = {"none": "uncompressed"}.get(compression, compression)
    return (
        f"read_json({_listed(paths)}, format = 'newline_delimited', compression = '{method}', {how},"
        f" maximum_object_size = {MAX_LINE_BYTES}, hive_partitioning = false)"
    )


def arrow_scan(session: Any, path: Path) -> str:
    """Return the scan of an Arrow or Feather file, which is mapped into memory.

    Raises:
        Unavailable: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.feather
    except ImportError:
        hint = "pip install pyarrow where the program runs, or write Parquet instead"
        raise Unavailable("Arrow files", "pyarrow is not installed", hint) from None
    try:
        table = pyarrow.feather.read_table(path, memory_map=True)
    except pyarrow.ArrowInvalid:  # a stream has no footer
        with pyarrow.memory_map(str(path)) as source:
            table = pyarrow.ipc.open_stream(source).read_all()
    name = f"arrow_{path.stem}_{abs(hash(str(path)))}"
    session.register(name, table)
    return identifier(name)


def copies_folder() -> Path:
    """Return the folder of this process for copies in UTF-8."""
    return Path(_copies().name)


@cache
def _copies() -> TemporaryDirectory[str]:
    """Return the process's folder for copies in UTF-8; it is removed when the process ends."""
    return TemporaryDirectory(prefix="helicline-text-")


def _listed(paths: Iterable[Path]) -> str:
    return f"[{', '.join(literal(str(path)) for path in paths)}]"
