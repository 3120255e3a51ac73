"""Two versions of a table beside each other: their columns, what is in these, and their rows.

The functions take a DuckDB session with the views `before` and `after`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from helicline.errors import Invalid
from helicline.tables.checks import sampled
from helicline.tables.sql_text import identifier
from helicline.tables.union import family_of

SAMPLE = 10  # rows that are shown of a kind


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """A column whose type differs; "" where a version has not got it."""

    column: str
    before: str
    after: str


class ColumnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a column: the share of missing values, the number of different ones (about), and their range."""

    missing: float
    distinct: int
    low: str
    high: str
    mean: float | None = None


class ColumnChange(msgspec.Struct, frozen=True, kw_only=True):
    """A column that both versions have, with what is in it."""

    column: str
    before: ColumnFacts
    after: ColumnFacts


class CellChange(msgspec.Struct, frozen=True, kw_only=True):
    """A value that changed, with the key of its row."""

    key: dict[str, str]
    column: str
    before: str | None
    after: str | None


class RowChanges(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows differ, and examples. Without a key a row that changed counts as removed and added."""

    row_count: tuple[int, int]
    added: int
    removed: int
    changed: int = 0
    added_rows: tuple[dict[str, str], ...] = ()
    removed_rows: tuple[dict[str, str], ...] = ()
    cells: tuple[CellChange, ...] = ()
    not_compared: tuple[str, ...] = ()


def columns_of(session: Any, view: str) -> dict[str, str]:
    """Return the types of a view's columns by name."""
    return {name: kind for name, kind, *_ in session.execute(f"DESCRIBE SELECT * FROM {view}").fetchall()}


def schema(session: Any) -> list[SchemaChange]:
    """Return the columns whose types differ, in their order."""
    before, after = columns_of(session, "before"), columns_of(session, "after")
    return [
        SchemaChange(column=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


def stats(session: Any) -> list[ColumnChange]:
    """Return what is in each column that both versions have."""
    before, after = columns_of(session, "before"), columns_of(session, "after")
    return [
        ColumnChange(
            column=name,
            before=_facts(session, "before", name, kind=before[name]),
            after=_facts(session, "after", name, kind=kind),
        )
        for name, kind in after.items()
        if name in before
    ]


def _facts(session: Any, view: str, name: str, *, kind: str) -> ColumnFacts:
    source = identifier(name)
    mean = f"avg({source})::DOUBLE" if family_of(kind) == "numbers" else "NULL"
    query = (
        f"SELECT count(*), count({source}), approx_count_distinct({source}), min({source})::VARCHAR,"
        f" max({source})::VARCHAR, {mean} FROM {view}"
    )
    ((count, present, distinct, low, high, average),) = session.execute(query).fetchall()
    missing = 1 - present / count if count else 0.0
    return ColumnFacts(missing=missing, distinct=distinct, low=low or "", high=high or "", mean=average)


def rows(session: Any, key: Sequence[str] = ()) -> RowChanges:
    """Return which rows differ in the columns that both versions have; by a key also which values.

    Raises:
        Invalid: a column of the key is not in both versions, or rows of a version share a key.
    """
    before, after = columns_of(session, "before"), columns_of(session, "after")
    both = [name for name in before if name in after]
    only_one = tuple(name for name in (*before, *after) if name not in both)
    counts = tuple(session.execute(f"SELECT count(*) FROM {view}").fetchall()[0][0] for view in ("before", "after"))
    session.execute("SET preserve_insertion_order = false")
    if not key:
        listed = ", ".join(identifier(name) for name in both)
        added = f"(SELECT {listed} FROM after EXCEPT ALL SELECT {listed} FROM before)"
        removed = f"(SELECT {listed} FROM before EXCEPT ALL SELECT {listed} FROM after)"
        return RowChanges(
            row_count=counts, added=_count(session, added), removed=_count(session, removed),
            added_rows=_sample(session, added), removed_rows=_sample(session, removed), not_compared=only_one,
        )  # fmt: skip
    _check_key(session, key, both)
    return _by_key(session, key, both, counts=counts, not_compared=only_one)


def _check_key(session: Any, key: Sequence[str], both: Sequence[str]) -> None:
    absent = [name for name in key if name not in both]
    if absent:
        raise Invalid("key", absent[0], f"columns of both versions: {', '.join(both)}")
    listed = ", ".join(identifier(name) for name in key)
    for view in ("before", "after"):
        shared = f"(SELECT {listed} FROM {view} GROUP BY {listed} HAVING count(*) > 1)"
        if count := _count(session, shared):
            example = _sample(session, shared)[0]
            which = "older" if view == "before" else "newer"
            shown = ", ".join(f"{name}={value}" for name, value in example.items())
            raise Invalid("key", f"{count} keys of several rows in the {which} version, like {shown}", "one row a key")


def _by_key(
    session: Any, key: Sequence[str], both: Sequence[str], *, counts: tuple[int, ...], not_compared: tuple[str, ...]
) -> RowChanges:
    values = [name for name in both if name not in key]
    same_key = " AND ".join(f"b.{identifier(name)} IS NOT DISTINCT FROM a.{identifier(name)}" for name in key)
    listed = ", ".join(identifier(name) for name in both)
    added = f"(SELECT {listed} FROM after a WHERE NOT EXISTS (SELECT 1 FROM before b WHERE {same_key}))"
    removed = f"(SELECT {listed} FROM before b WHERE NOT EXISTS (SELECT 1 FROM after a WHERE {same_key}))"
    joined = f"before b JOIN after a ON {same_key}"
    differs = [f"b.{identifier(name)} IS DISTINCT FROM a.{identifier(name)}" for name in values]
    changed = _count(session, f"(SELECT 1 FROM {joined} WHERE {' OR '.join(differs)})") if values else 0
    cells: list[CellChange] = []
    keys = ", ".join(f"b.{identifier(name)}::VARCHAR" for name in key)
    for name, differ in zip(values, differs, strict=True) if changed else ():
        pair = f"b.{identifier(name)}::VARCHAR, a.{identifier(name)}::VARCHAR"
        query = f"SELECT {keys}, {pair} FROM {joined} WHERE {differ} ORDER BY {keys} LIMIT {SAMPLE - len(cells)}"
        for *of, old, new in session.execute(query).fetchall():
            cells.append(CellChange(key=dict(zip(key, map(str, of), strict=True)), column=name, before=old, after=new))
        if len(cells) >= SAMPLE:
            break
    return RowChanges(
        row_count=(counts[0], counts[1]), added=_count(session, added), removed=_count(session, removed),
        changed=changed, added_rows=_sample(session, added), removed_rows=_sample(session, removed),
        cells=tuple(cells), not_compared=not_compared,
    )  # fmt: skip


def _count(session: Any, relation: str) -> int:
    return int(session.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _sample(session: Any, relation: str) -> tuple[dict[str, str], ...]:
    return sampled(session, f"SELECT * FROM {relation} ORDER BY ALL")
