"""Rows of many runs in few statements, read on the driver's connection: the hot path of search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from helicline.store.unit import Reader

BATCH_SIZE = 250


def rows_by_ids(tx: Reader, sql: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the rows of `sql`, which has `{ids}` in the place of the list of ids."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        rows += tx.run_text(_with_placeholders(sql, len(batch), tx.placeholder), batch)
    return rows


def by_run(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
    """Yield (run id, rows) for rows that are sorted by run and whose first column is the run id."""
    return groupby(rows, itemgetter(0))


@lru_cache(4096)
def _with_placeholders(sql: str, count: int, placeholder: str) -> str:
    return sql.format(ids=f"({', '.join([placeholder] * count)})")
