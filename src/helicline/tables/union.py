"""The columns of a table whose files agree; what differs is refused, by the file's name (note 0040)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helicline.errors import Invalid
from helicline.records.table import TableColumn, TableFile
from helicline.tables.csv_columns import BY_NAME, MISSING
from helicline.tables.read import csv_scan
from helicline.tables.sql_text import literal

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FAMILIES = {
    **dict.fromkeys((*INTEGERS, "UBIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL"), "numbers"),
    **dict.fromkeys(("VARCHAR", "ENUM"), "text"),
    **dict.fromkeys(("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "times"),
    "BOOLEAN": "truth values",
}
NAMED = 4  # differences that a refusal names

Schema = tuple[TableColumn, ...]


def united(
    session: Any, files: Sequence[TableFile], paths: Mapping[str, Path]
) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Return the columns of the table, with their types, and what is to be said of them.

    Numbers of several widths become the widest, dates beside times become times; nothing else is coerced.

    Raises:
        Invalid: a file lacks a column that most have, has one that they have not, or holds other values in it.
    """
    counts = Counter(file.columns for file in files)
    usual = _usual(counts)
    for schema in counts:
        file = next(file for file in files if file.columns == schema)
        if differences := _differences(session, file, usual, path=paths[file.path]):
            raise _refusal(file, differences, files)
    types = {name: list(dict.fromkeys(kind for schema in counts if (kind := _type(schema, name)))) for name in usual}
    columns = tuple((name, _widest(kinds)) for name, kinds in types.items())
    notes = [
        f"{name} is {' and '.join(types[name])} in different files and is read as {kind}"
        for name, kind in columns
        if len(types[name]) > 1
    ]
    return columns, notes


def family_of(kind: str) -> str:
    """Return what values of a type are: numbers, text, times, truth values, or the type itself."""
    return FAMILIES.get(re.sub(r"\(.*\)$", "", kind), kind)


def _usual(counts: Counter[Schema]) -> dict[str, str]:
    """Return the columns that most files have, each with what most of them hold in it ("": all is missing)."""
    names_of = Counter[frozenset[str]]()
    for schema, count in counts.items():
        names_of[frozenset(column.name for column in schema)] += count
    most = max(names_of, key=lambda names: names_of[names])
    first = next(schema for schema in counts if {column.name for column in schema} == most)
    return {column.name: _usual_family(counts, column.name) for column in first}


def _usual_family(counts: Counter[Schema], name: str) -> str:
    families = Counter[str]()
    for schema, count in counts.items():
        if kind := _type(schema, name):
            families[family_of(kind)] += count
    return max(families, key=lambda family: families[family]) if families else ""


def _type(schema: Schema, name: str) -> str:
    return next((column.type for column in schema if column.name == name), "")


def _differences(session: Any, file: TableFile, usual: Mapping[str, str], *, path: Path) -> list[str]:
    own = {column.name: column for column in file.columns}
    missing = [f"it has no column {name}" for name in usual if name not in own]
    more = [f"it has a column {name}" for name in own if name not in usual]
    other = [
        f"{name} holds {family_of(own[name].type)}{_example(session, file, own[name], path=path)}, not {family}"
        for name, family in usual.items()
        if name in own and own[name].type and family_of(own[name].type) != family
    ]
    return [*missing, *more, *other]


def _example(session: Any, file: TableFile, column: TableColumn, *, path: Path) -> str:
    """Return a text of a CSV file's column that is no number, with its row."""
    if file.kind != "csv" or column.type != "VARCHAR":
        return ""
    source, test = f"c{file.columns.index(column)}", BY_NAME["DOUBLE", ""].test_of("value")
    numbered = f"(SELECT {source} AS value, row_number() OVER () AS row FROM {csv_scan(file, [path])})"
    words = ", ".join(map(literal, MISSING))
    query = f"SELECT value, row FROM {numbered} WHERE value NOT IN ({words}) AND NOT ({test}) LIMIT 1"
    rows = session.execute(query).fetchall()
    return f" ({rows[0][0][:40]!r} in row {rows[0][1]})" if rows else ""


def _refusal(file: TableFile, differences: list[str], files: Sequence[TableFile]) -> Invalid:
    more = f" and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
    other = next(other for other in files if other.columns != file.columns)
    rest = other.path if len(files) == 2 else f"the other {len(files) - 1} files (like {other.path})"
    hint = (
        f"Compared with {rest}: {'; '.join(differences[:NAMED])}{more}. Mend {file.path}; or, if these are"
        " different tables, commit each as a dataset of its own; or commit all with --as-files, as no table."
    )
    return Invalid(file.path, "other columns", f"the columns of {rest}", hint)


def _widest(types: Sequence[str]) -> str:
    """Return the type that holds the values of all, which are of one family."""
    if not types:
        return "VARCHAR"
    family = family_of(types[0])
    if family == "text":
        return "VARCHAR"
    if len(types) == 1:
        return types[0]
    if family == "times":
        return "TIMESTAMP_NS" if "TIMESTAMP_NS" in types else "TIMESTAMP"
    return "BIGINT" if set(types) <= set(INTEGERS) else "DOUBLE"
