"""Contracts of datasets as code: `hl.contract("customers", unique=["id"], nulls={"age": 0.05})`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from helicline.errors import Invalid
from helicline.ids import checked_name
from helicline.records.contract import ColumnRule, ContractSpec, Scalar
from helicline.sdk.steps.options import seconds

Limit = float | str | None


def contract(
    dataset: str,
    *,
    schema: Literal["", "inferred", "exact"] = "",
    columns: Mapping[str, str] | Sequence[str] = (),
    nulls: Mapping[str, float] | None = None,
    ranges: Mapping[str, tuple[Limit, Limit]] | None = None,
    allowed: Mapping[str, Sequence[Scalar]] | None = None,
    unique: Sequence[str | Sequence[str]] = (),
    rows: tuple[int | None, int | None] = (None, None),
    rows_change: float | None = None,
    drift: float | None = None,
    fresh: Mapping[str, str | float] | None = None,
    sql: Mapping[str, str] | None = None,
) -> ContractSpec:
    """What every version of a dataset has to be like before `main` moves to it.

    Args:
        schema: "inferred": the columns and types of the version before; "exact": those of `columns` and no other.
        columns: columns that must be there, each with its type: one of DuckDB, or numbers, text, times, truth values.
        nulls: the largest share of missing values by column; 0 for none.
        ranges: lowest and highest value by column; None for no limit.
        allowed: the values that a column may have; a missing value is none.
        unique: columns, or groups of columns, that no two rows have alike.
        rows: the lowest and the highest number of rows.
        rows_change: the largest relative change of the number of rows against the version before.
        drift: the largest PSI of a column against the version before.
        fresh: how old the newest value of a column of dates may be, like {"day": "2d"}.
        sql: queries by name that must return no row; the version is `data` in them, the one before it `before`.

    Example:
        >>> import helicline as hl
        >>> hl.contract("customers", unique=["id"], nulls={"age": 0.05}).unique
        (('id',),)
    """
    typed = dict(columns) if isinstance(columns, Mapping) else dict.fromkeys(_names("columns", columns), "")
    names = list(dict.fromkeys([*typed, *(nulls or {}), *(ranges or {}), *(allowed or {})]))
    rules = tuple(
        ColumnRule(
            name=name,
            type=typed.get(name, ""),
            nulls=(nulls or {}).get(name),
            low=(ranges or {}).get(name, (None, None))[0],
            high=(ranges or {}).get(name, (None, None))[1],
            allowed=tuple((allowed or {}).get(name, ())),
        )
        for name in names
    )
    return ContractSpec(
        dataset=checked_name("dataset", dataset),
        schema=schema,
        columns=rules,
        unique=tuple((key,) if isinstance(key, str) else tuple(key) for key in _names("unique", unique)),
        min_rows=rows[0],
        max_rows=rows[1],
        rows_change=rows_change,
        drift=drift,
        fresh={name: seconds(f"fresh {name}", age) for name, age in (fresh or {}).items()},
        sql=dict(sql or {}),
    )


def _names(field: str, values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(values, str):
        raise Invalid(field, values, f"a list of columns, like [{values!r}]")
    return values
