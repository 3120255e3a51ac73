"""Sort orders (note 0011): the sort keys of runs, and the ranges of an order that an index can scan.

Values come first, then NaN, then missing values. Each of these is a range. The ranges are read one after the other,
each in the order of an index, so that a page costs what it holds and no sort of all runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from helicline.records.run import Sort
from helicline.store.rows.run import RUN
from helicline.store.rows.search.query import ATTRIBUTES, TABLES

NEVER_MISSING = {
    "start_time",
    "run_id",
    "run_name",
    "user_id",
    "status",
    "artifact_uri",
}  # need no rank for missing values
Key = tuple[sa.ColumnElement[Any], bool]


class OrderRange(NamedTuple):
    """A range of an order: runs joined to the sorted values, of one rank of the first key. `keys` are equal in all."""

    rank: int | None
    source: sa.FromClause
    conditions: list[sa.ColumnElement[bool]]
    keys: list[Key]
    run_id: sa.ColumnElement[Any] = RUN.c.id  # of the scanned table

    @property
    def position_keys(self) -> list[Key]:
        """The keys that differ within the range, which has one rank."""
        return self.keys if self.rank is None else self.keys[1:]

    @property
    def is_indexed(self) -> bool:
        """Whether the scan uses an index of a joined table, not one of the runs."""
        return self.run_id is not RUN.c.id


@lru_cache(256)
def whole_order(order: tuple[Sort, ...]) -> OrderRange:
    """Return the whole order as one range, for statements that read every run anyway."""
    source, keys = _join(RUN, order)
    return OrderRange(None, source, [], keys)


@lru_cache(256)
def ranges(order: tuple[Sort, ...]) -> tuple[OrderRange, ...]:
    """Return the ranges of the order, in their order."""
    return tuple(_ranges(order))


def _ranges(order: Sequence[Sort]) -> Iterator[OrderRange]:
    first = order[0] if order else None
    if first is None or (first.entity == "attribute" and first.key in NEVER_MISSING):
        yield whole_order(order)
        return
    rest = order[1:]
    if first.entity == "attribute":
        value = ATTRIBUTES[first.key]
        for rank, condition in enumerate((value.is_not(None), value.is_(None))):
            source, keys = _join(RUN, rest)
            yield OrderRange(rank, source, [condition], _rank_keys(rank, value, first) + keys)
        return
    yield from _of_values(first, rest)


def _of_values(first: Sort, rest: Sequence[Sort]) -> Iterator[OrderRange]:
    table = TABLES[first.entity].alias()
    value = table.c.value
    source, keys = _join(table.join(RUN, RUN.c.id == table.c.run), rest)
    named = table.c.key == first.key
    if first.entity == "metric":
        for rank, is_nan in enumerate((sa.false(), sa.true())):
            conditions = [named, table.c.is_nan == is_nan]
            yield OrderRange(rank, source, conditions, _rank_keys(rank, value, first) + keys, run_id=table.c.run)
    else:
        # the head precedes the value, as in the index; the order stays the same
        yield OrderRange(0, source, [named], _rank_keys(0, value, first, table.c.head) + keys, run_id=table.c.run)
    other = TABLES[first.entity]
    has = sa.select(sa.literal(1)).where(other.c.run == RUN.c.id, other.c.key == first.key).correlate(RUN)
    source, keys = _join(RUN, rest)
    missing = sa.null().cast(value.type)
    heads = () if first.entity == "metric" else (missing,)
    last = 2 if first.entity == "metric" else 1
    yield OrderRange(last, source, [sa.not_(has.exists())], _rank_keys(last, missing, first, *heads) + keys)


def _rank_keys(rank: int, value: sa.ColumnElement[Any], sort: Sort, *before: sa.ColumnElement[Any]) -> list[Key]:
    return [(sa.literal(rank), True), *((expression, sort.ascending) for expression in (*before, value))]


def _join(source: sa.FromClause, order: Sequence[Sort]) -> tuple[sa.FromClause, list[Key]]:
    """Return the source joined to the sorted values, and the sort keys; the last keys make each position unique."""
    keys: list[Key] = []
    for sort in order:
        if sort.entity == "attribute":
            value = ATTRIBUTES[sort.key]
            if sort.key not in NEVER_MISSING:
                keys.append((sa.case((value.is_(None), 1), else_=0), True))
            keys.append((value, sort.ascending))
            continue
        table = TABLES[sort.entity].alias()
        source = source.outerjoin(table, sa.and_(table.c.run == RUN.c.id, table.c.key == sort.key))
        value = table.c.value
        if sort.entity == "metric":
            keys.append((sa.case((value.is_(None), 2), (table.c.is_nan, 1), else_=0), True))
        else:
            keys.append((sa.case((value.is_(None), 1), else_=0), True))
            keys.append((table.c.head, sort.ascending))
        keys.append((value, sort.ascending))
    named = {id(key) for key, _ in keys}
    return source, keys + [key for key in ((RUN.c.start_ms, False), (RUN.c.id, True)) if id(key[0]) not in named]


def in_order(keys: Sequence[Key]) -> list[Any]:
    return [key.asc() if ascending else key.desc() for key, ascending in keys]


def from_position(keys: Sequence[Key], are_missing: Sequence[bool]) -> sa.ColumnElement[bool]:
    """Return the condition for a position and all later ones; its values are bound as `start_0`, `start_1` and so on.

    Which of them are missing must be known when the condition is built.
    """
    later: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    values = [sa.bindparam(f"start_{index}", type_=key.type) for index, (key, _) in enumerate(keys)]
    for (key, ascending), value, is_missing in zip(keys, values, are_missing, strict=True):
        if not is_missing:
            later.append(sa.and_(*same, key > value if ascending else key < value))
        same.append(key.is_(None) if is_missing else key == value)
    (first, ascending), value = keys[0], values[0]
    # redundant, but databases use an index for a plain comparison and not for an OR
    bound = sa.true() if are_missing[0] else (first >= value if ascending else first <= value)
    return sa.and_(bound, sa.or_(*later, sa.and_(*same)))


def types_of(order: tuple[Sort, ...]) -> list[type]:
    """Return the Python type of each value of a position, where it is not missing."""
    python = {sa.BigInteger: int, sa.Integer: int, sa.Double: float}
    return [
        next((python[kind] for kind in python if isinstance(key.type, kind)), str) for key, _ in whole_order(order).keys
    ]
