"""The contract that a table keeps now, as a beginning for people."""

from __future__ import annotations

from typing import Any

from helicline.records.contract import ColumnRule, ContractSpec
from helicline.tables.sql_text import identifier
from helicline.tables.union import family_of

MOST_VALUES = 12  # of a column of text that is taken as a set
LEAST_ROWS = 100  # of fewer rows nothing is said of sets and keys
RANGE_MARGIN, NULL_MARGIN = 0.5, 0.02


def infer(session: Any, dataset: str) -> ContractSpec:
    """Return a contract that the view `data` keeps: columns, types, missing shares, ranges, sets and keys.

    Ranges are wider than what was seen by half of their width, and shares of missing values a little greater.
    """
    described = session.execute("DESCRIBE SELECT * FROM data").fetchall()
    ((row_count,),) = session.execute("SELECT count(*) FROM data").fetchall()
    columns, unique = [], []
    for name, kind, *_ in described:
        column, is_key = _column(session, name, kind, row_count=row_count)
        columns.append(column)
        unique += [(name,)] if is_key else []
    return ContractSpec(
        dataset=dataset, schema="exact", columns=tuple(columns), unique=tuple(unique[:1]), min_rows=1, rows_change=0.5
    )


def _column(session: Any, name: str, kind: str, *, row_count: int) -> tuple[ColumnRule, bool]:
    source, family = identifier(name), family_of(kind)
    ((present, distinct),) = session.execute(f"SELECT count({source}), count(DISTINCT {source}) FROM data").fetchall()
    missing = 1 - present / row_count if row_count else 0.0
    nulls = round(min(1.0, missing + NULL_MARGIN), 2) if missing else 0.0
    low = high = None
    allowed: tuple[Any, ...] = ()
    if family == "numbers" and present and distinct > MOST_VALUES:
        ((first, last),) = session.execute(f"SELECT min({source}), max({source}) FROM data").fetchall()
        margin = (float(last) - float(first)) * RANGE_MARGIN
        low = 0.0 if first >= 0 else _rounded(float(first) - margin)
        high = _rounded(float(last) + margin)
    if family == "text" and row_count >= LEAST_ROWS and 0 < distinct <= MOST_VALUES:
        values = session.execute(f"SELECT DISTINCT {source} FROM data WHERE {source} IS NOT NULL ORDER BY 1").fetchall()
        allowed = tuple(value for (value,) in values)
    is_key = row_count >= LEAST_ROWS and distinct == row_count and family_of(kind) != "times" and kind != "DOUBLE"
    named = family if family in ("numbers", "text", "times", "truth values") else kind
    return ColumnRule(name=name, type=named, nulls=nulls, low=low, high=high, allowed=allowed), is_key


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
