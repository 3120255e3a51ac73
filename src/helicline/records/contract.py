"""Contracts of datasets: what every version on `main` has to be like, and what the checks of a version gave."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Scalar = bool | int | float | str
CheckOutcome = Literal["pass", "fail", "error"]
NAMED_CHECKS = 3  # in a sentence of a list
AuditState = Literal["waiting", "passed", "failed", "error"]


class ColumnRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a column has to be like.

    `type` is a type of DuckDB or one of `numbers`, `text`, `times`, `truth values` ("": any); `nulls` the largest share
    of missing values; `low` and `high` limits that belong to the range.
    """

    name: str
    type: str = ""
    nulls: float | None = None
    low: float | str | None = None
    high: float | str | None = None
    allowed: tuple[Scalar, ...] = ()


class ContractSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The contract of a dataset.

    `schema` is `inferred` (the columns and types of the version before), `exact` (those of `columns` and no other) or
    "". `rows_change` is the largest relative change of the row count against the version before, `drift` the largest
    PSI of a column. `fresh` gives columns of dates the largest age in seconds of their newest value. Each query of
    `sql` must return no row; in it the version is `data`, the one before it `before`.
    """

    dataset: str
    schema: Literal["", "inferred", "exact"] = ""
    columns: tuple[ColumnRule, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    min_rows: int | None = None
    max_rows: int | None = None
    rows_change: float | None = None
    drift: float | None = None
    fresh: dict[str, float] = {}
    sql: dict[str, str] = {}


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded contract of a dataset; `number` counts its changes. `loop` applied it, "" where a person did."""

    dataset: str
    spec: ContractSpec
    number: int
    updated_at: datetime
    updated_by: str
    loop: str = ""
    version: int = 1


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check gave; `sample` are a few of the rows that fail it, as text by column."""

    check: str
    outcome: CheckOutcome
    detail: str = ""
    sample: tuple[dict[str, str], ...] = ()


class DataAudit(msgspec.Struct, frozen=True, kw_only=True):
    """The checks of one version by contract `number`.

    When it passes, `ref` moves to the version, unless it points to something else than `base` by then; "" leaves that
    to the turn that harvested the rows. `why` is what kept it from being checked, or `ref` from moving.
    """

    state: AuditState
    number: int
    ref: str = ""
    base: str = ""
    attempt: str = ""
    tries: int = 1
    results: tuple[CheckResult, ...] = ()
    why: str = ""

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that did not pass."""
        return tuple(result for result in self.results if result.outcome != "pass")

    def reason(self, *, most: int | None = None) -> str:
        """Return why the version was not published, in one sentence with at most so many checks; "" for no reason."""
        if self.why:
            return self.why
        shown = [f"{result.check} ({result.detail})" for result in self.failed[:most]]
        rest = len(self.failed) - len(shown)
        return "; ".join([*shown, f"and {rest} more checks"] if rest else shown)


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The checks of a version as a task: `before` is the version that it is compared with, "" for none."""

    version: str
    before: str
    contract: ContractSpec
    now: datetime
