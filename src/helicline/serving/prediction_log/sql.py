"""SQL over the files of the prediction log, by DuckDB."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from helicline.serving.prediction_log.names import TIMED, TIMED_BEFORE
from helicline.tables.sql_text import column_name as column_name
from helicline.tables.sql_text import identifier as identifier
from helicline.tables.sql_text import literal as literal

Columns = dict[str, np.ndarray[Any, Any]]


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
