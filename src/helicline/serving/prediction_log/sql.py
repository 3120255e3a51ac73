"""SQL over the files of the prediction log: DuckDB, and the one place that quotes names and values of users."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from helicline.serving.prediction_log.names import TIMED, TIMED_BEFORE

Columns = dict[str, np.ndarray[Any, Any]]


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


def timestamp(moment: datetime) -> str:
    """Return an aware moment as an SQL timestamp in UTC."""
    return f"TIMESTAMP '{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def id_bounds() -> str:
    """Return the columns first and last prediction id with a time in it, and whether there are others (`names`)."""
    timed = f"regexp_full_match(prediction_id, '{TIMED}') AND prediction_id < '{TIMED_BEFORE}'"
    first, last = (f"{function}(prediction_id) FILTER ({timed})" for function in ("min", "max"))
    return f"{first}, {last}, coalesce(bool_or(NOT ({timed})), FALSE)"


def parquet(files: Iterable[Path]) -> str:
    """Return the SQL source of Parquet files: the union of their columns by name."""
    paths = ", ".join(literal(str(path)) for path in files)
    return f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"


def fetch(query: str, **tables: Columns) -> Columns:
    """Return the answer of a query, which may name these tables, as NumPy columns by name."""
    with database().cursor() as connection:
        for name, columns in tables.items():
            connection.register(name, columns)
        return dict(connection.execute(query).fetchnumpy())


@cache
def database() -> duckdb.DuckDBPyConnection:
    """Return the process's single database, without data, because creating one takes longer than most queries."""
    connection = duckdb.connect()
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection
