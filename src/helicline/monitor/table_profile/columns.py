"""What is in each column of a table, in a DuckDB session where the table is the view `data`."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import msgspec
import numpy as np

from helicline.monitor import profile
from helicline.monitor.profile import MAX_CATEGORIES, OTHER, Column
from helicline.monitor.testable import Role, role_of
from helicline.tables.sql_text import identifier
from helicline.tables.union import family_of

MOST_ROWS = 5_000_000  # of a table with more, about so many are read, chosen by chance but the same each time
EXACT_ROWS = 1_000_000  # of more rows the number of different values is estimated
ROLE_ROWS = 5_000  # that tell whether a column is an identifier
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_CHARACTERS = 20, 100, 120
Family = Literal["numbers", "times", "text"]


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a column of the rows that were read.

    `type` is DuckDB's; `missing` a share, in which a number that is none (NaN, infinite) counts as missing. `low` and
    `high` are texts; `quantiles` are those of `QUANTILES`, of numbers. `counts` holds times as seconds since 1970.
    """

    name: str
    type: str
    family: Family
    role: Role
    missing: float
    distinct: int
    low: str
    high: str
    mean: float | None
    quantiles: tuple[float, ...]
    counts: Column


class TableProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The profile of a table: its columns, and its first rows as text.

    `read_count` of its rows were read. Where `is_estimated`, the numbers of different values are estimates.
    """

    row_count: int
    read_count: int
    is_estimated: bool
    columns: tuple[ColumnProfile, ...]
    shown_columns: tuple[str, ...]
    shown_rows: tuple[tuple[str | None, ...], ...]


def profile_of(session: Any, row_count: int) -> TableProfile:
    """Return the profile of the table `data`, which has so many rows; of a large one that of a sample."""
    types = [(name, kind) for name, kind, *_ in session.execute("DESCRIBE SELECT * FROM data").fetchall()]
    share = f" USING SAMPLE {100 * MOST_ROWS / row_count:.6f} PERCENT (bernoulli, 1)" if row_count > MOST_ROWS else ""
    session.execute(f"CREATE TEMP TABLE read_rows AS SELECT * FROM data{share}")
    ((read_count,),) = session.execute("SELECT count(*) FROM read_rows").fetchall()
    shown = [name for name, _ in types[:SHOWN_COLUMNS]]
    return TableProfile(
        row_count=row_count,
        read_count=read_count,
        is_estimated=read_count > EXACT_ROWS,
        columns=tuple(_column(session, name, kind, row_count=read_count) for name, kind in types),
        shown_columns=tuple(shown),
        shown_rows=_shown_rows(session, shown),
    )


def _shown_rows(session: Any, names: list[str]) -> tuple[tuple[str | None, ...], ...]:
    cells = ", ".join(f"left(CAST({identifier(name)} AS VARCHAR), {SHOWN_CHARACTERS})" for name in names)
    return tuple(session.execute(f"SELECT {cells} FROM data LIMIT {SHOWN_ROWS}").fetchall())


def _column(session: Any, name: str, kind: str, *, row_count: int) -> ColumnProfile:
    family, value = _read_as(name, kind)
    different = (
        "least(approx_count_distinct(value), count(value))" if row_count > EXACT_ROWS else "count(DISTINCT value)"
    )
    distinct, low, high = session.execute(
        f"SELECT {different}, CAST(min(value) AS VARCHAR), CAST(max(value) AS VARCHAR)"
        f" FROM (SELECT {value} AS value FROM read_rows)"
    ).fetchall()[0]
    counts, mean, quantiles = (
        _categories(session, value, row_count) if family == "text" else _numbers(session, value, family)
    )
    return ColumnProfile(
        name=name,
        type=kind,
        family=family,
        role="time" if family == "times" else _role(session, name, value),
        missing=counts.missing / row_count if row_count else 0.0,
        distinct=distinct,
        low=(low or "")[:SHOWN_CHARACTERS],
        high=(high or "")[:SHOWN_CHARACTERS],
        mean=mean,
        quantiles=quantiles,
        counts=counts,
    )


def _read_as(name: str, kind: str) -> tuple[Family, str]:
    """Return what the values of a column are, and the SQL that reads them."""
    source, family = identifier(name), family_of(kind)
    if family == "numbers":
        return "numbers", f"CASE WHEN isfinite({source}) THEN {source} END" if kind in ("FLOAT", "DOUBLE") else source
    if family == "times" or kind == "TIMESTAMP WITH TIME ZONE":
        return "times", f"CASE WHEN isfinite({source}) THEN {source} END"
    return "text", source if kind in ("VARCHAR", "BOOLEAN") else f"CAST({source} AS VARCHAR)"


def _numbers(session: Any, value: str, family: Family) -> tuple[Column, float | None, tuple[float, ...]]:
    """Return the kernel's counts of numbers, or of times as seconds, with mean and quantiles of numbers."""
    number = f"epoch({value})" if family == "times" else f"CAST({value} AS DOUBLE)"
    values = session.execute(f"SELECT {number} AS value FROM read_rows").fetchnumpy()["value"]
    counts = profile.build({"value": values}).columns["value"]
    if counts.kind != "number":  # there is no value at all
        counts = Column(kind="number", missing=len(values))
    if family == "times" or not counts.count:
        return counts, None, ()
    present = np.ma.asarray(values).compressed()
    return counts, float(present.mean()), tuple(np.quantile(present, QUANTILES).tolist())


def _categories(session: Any, value: str, row_count: int) -> tuple[Column, None, tuple[float, ...]]:
    """Return the kernel's counts of the commonest texts; the database counts them, in little memory."""
    text = f"left(CAST({value} AS VARCHAR), {SHOWN_CHARACTERS})"
    counted = session.execute(
        f"SELECT {text} AS text, count(*) FROM read_rows WHERE {value} IS NOT NULL"
        f" GROUP BY text ORDER BY 2 DESC, text LIMIT {MAX_CATEGORIES}"
    ).fetchall()
    ((present,),) = session.execute(f"SELECT count({value}) FROM read_rows").fetchall()
    counts = Counter(dict(counted))
    if rest := present - counts.total():
        counts[OTHER] += rest
    return profile.categories(counts, row_count), None, ()


def _role(session: Any, name: str, value: str) -> Role:
    values = session.execute(f"SELECT {value} AS value FROM read_rows LIMIT {ROLE_ROWS}").fetchnumpy()["value"]
    return role_of(name, values)
