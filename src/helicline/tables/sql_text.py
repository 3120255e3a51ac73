"""Names and values of users in the SQL of DuckDB: the one place that quotes them."""

from __future__ import annotations


def column_name(name: str) -> str:
    """Return the name that a column has in DuckDB: NUL, which no SQL text can hold, is written as its symbol U+2400."""
    return name.replace("\0", "\u2400")


def identifier(name: str) -> str:
    """Return the name of a column or table as SQL, whatever characters it holds."""
    return '"' + column_name(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text value as SQL, whatever characters it holds."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "(" + quoted.replace("\0", "' || chr(0) || '") + ")" if "\0" in text else quoted
