"""The profile of a version with that of the version before beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from helicline.monitor import histogram
from helicline.monitor.histogram import Histogram
from helicline.monitor.table_profile.columns import ColumnProfile, Family, TableProfile
from helicline.monitor.testable import Role
from helicline.tables.compare import ColumnFacts


class ColumnSide(ColumnFacts, frozen=True, kw_only=True):
    """What is in a column of one version; `quantiles` are those at 5, 25, 50, 75 and 95 %, of numbers."""

    type: str
    quantiles: tuple[float, ...] = ()


class ColumnBeside(msgspec.Struct, frozen=True, kw_only=True):
    """A column now and before; null on the side that has not got it.

    `histogram` has the version before as its reference and this one as its window, in the same bins; the bins of
    `times` are seconds since 1970. `role` is "identifier" where nearly every value is different.
    """

    name: str
    family: Family
    role: Role
    now: ColumnSide | None
    before: ColumnSide | None
    histogram: Histogram


class VersionProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The profile of a version, with that of the version `before` beside it ("" for none).

    While it is `computing`, the rest is empty: ask again. `read_count` of its rows were read, all or a sample;
    `is_estimated` says that the numbers of different values are estimates. `rows` are the first ones, as text.
    """

    version: str
    before: str
    state: Literal["ready", "computing"]
    row_count: int = 0
    read_count: int = 0
    is_estimated: bool = False
    columns: list[ColumnBeside] = []
    shown_columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


def beside(now: TableProfile, before: TableProfile | None) -> list[ColumnBeside]:
    """Return the columns of a version in their order, then those that only the version before has."""
    return list(_columns(now, before))


def _columns(now: TableProfile, before: TableProfile | None) -> Iterator[ColumnBeside]:
    old = {column.name: column for column in before.columns} if before else {}
    for column in now.columns:
        yield _beside(column, column, old.pop(column.name, None))
    for column in old.values():
        yield _beside(column, None, column)


def _beside(column: ColumnProfile, now: ColumnProfile | None, before: ColumnProfile | None) -> ColumnBeside:
    is_alike = now is None or before is None or now.family == before.family
    reference = before.counts if before and is_alike else None
    return ColumnBeside(
        name=column.name,
        family=column.family,
        role=column.role,
        now=_side(now),
        before=_side(before),
        histogram=histogram.of(column.name, reference, now.counts if now else None),
    )


def _side(column: ColumnProfile | None) -> ColumnSide | None:
    if column is None:
        return None
    return ColumnSide(
        type=column.type,
        missing=column.missing,
        distinct=column.distinct,
        low=column.low,
        high=column.high,
        mean=column.mean,
        quantiles=column.quantiles,
    )
