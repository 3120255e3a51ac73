"""What a metric gave for one model, and the comparison of two of them on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np

from helicline.engine.judged_model import JudgedModel
from helicline.errors import Invalid
from helicline.gate import bootstrap, paired
from helicline.records.gate import Comparison
from helicline.records.metric import MetricSpec

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]


class Judged(NamedTuple):
    """One model and the hold-out: `rows` is what it is called with, `frame` has the label too, where there is one."""

    model: JudgedModel
    rows: pd.DataFrame
    frame: pd.DataFrame
    truth: Array | None

    def groups(self, column: str) -> tuple[Array, Array]:
        """Return the number of each row's group, and the keys of the groups.

        Raises:
            Invalid: the hold-out has no such column.
        """
        import pandas as pd

        if column not in self.frame.columns:
            columns = ", ".join(map(str, self.frame.columns[:8]))
            raise Invalid("group", column, f"a column of the hold-out: {columns}")
        numbers, keys = pd.factorize(self.frame[column], use_na_sentinel=False)
        return np.asarray(numbers), np.asarray(keys)


class Measured(NamedTuple):
    """The value of a metric, and the parts that it is the mean of: one a row, one a group (by its key), or none.

    A metric without parts can be computed `again` of rows by their numbers. Rows with the same number in `groups` are
    drawn together. Parts are NaN where a row or group says nothing.
    """

    value: float
    unit: Literal["row", "group", "all"]
    parts: Array
    keys: Array
    groups: Array | None = None
    again: Callable[[Array], float] | None = None


NONE = np.empty(0)


def of_rows(values: Array, groups: Array | None = None) -> Measured:
    """Return what is the mean of one value a row."""
    return Measured(_mean(values), "row", values, NONE, groups)


def of_groups(values: Array, keys: Array) -> Measured:
    """Return what is the mean of one value a group."""
    return Measured(_mean(values), "group", values, keys)


def of_all(value: float, again: Callable[[Array], float], groups: Array | None) -> Measured:
    """Return what is one number for all rows."""
    return Measured(value, "all", NONE, NONE, groups, again)


def _mean(values: Array) -> float:
    usable = values[np.isfinite(values)]
    if not len(usable):
        raise Invalid("hold-out", "nothing that is relevant to any row or group", "rows with relevant items")
    return float(usable.mean())


def compare(spec: MetricSpec, candidate: Measured, champion: Measured, *, row_count: int, seconds: float) -> Comparison:
    """Return the comparison by the test that fits: paired by row, by group, or by resampling.

    Raises:
        Invalid: the metric has other groups for one model than for the other.
    """
    if candidate.unit != champion.unit:
        raise Invalid(f"metric {spec.name}", "one number for one model, several for the other", "the same for both")
    is_loss = spec.better == "lower"
    if candidate.unit == "group":
        comparison = bootstrap.compare_groups(spec.name, *_by_key(spec, candidate, champion), is_loss=is_loss)
    elif candidate.unit == "row" and candidate.groups is None:
        usable = np.isfinite(candidate.parts) & np.isfinite(champion.parts)
        values = candidate.parts[usable], champion.parts[usable]
        comparison = paired.compare_rows(spec.name, *values, is_loss=is_loss)
    else:
        comparison = _by_resampling(spec, candidate, champion, row_count=row_count, seconds=seconds)
    return msgspec.structs.replace(comparison, row_count=row_count, better=spec.better)


def _by_key(spec: MetricSpec, candidate: Measured, champion: Measured) -> tuple[Array, Array]:
    """Return the values of both by group, in the same order; groups that say nothing are left out."""
    keys, champion_parts = candidate.keys.tolist(), dict(zip(champion.keys.tolist(), champion.parts, strict=True))
    if set(keys) != champion_parts.keys():
        counts = f"{len(keys)} groups for the candidate, {len(champion_parts)} for the champion"
        raise Invalid(f"metric {spec.name}", counts, "the same groups for both")
    values = np.array([champion_parts[key] for key in keys])
    usable = np.isfinite(candidate.parts) & np.isfinite(values)
    return candidate.parts[usable], values[usable]


def _by_resampling(
    spec: MetricSpec, candidate: Measured, champion: Measured, *, row_count: int, seconds: float
) -> Comparison:
    sign = -1.0 if spec.better == "lower" else 1.0
    again, again_of_champion = _again(candidate), _again(champion)
    groups = np.arange(row_count) if candidate.groups is None else candidate.groups
    bare = difference_of(spec, candidate, champion, row_count=row_count)
    return bootstrap.compare_again(
        bare, lambda rows: sign * (again(rows) - again_of_champion(rows)), groups, seconds=seconds
    )


def difference_of(spec: MetricSpec, candidate: Measured, champion: Measured, *, row_count: int) -> Comparison:
    """Return by how much the candidate is better, without a test."""
    difference = (candidate.value - champion.value) * (-1.0 if spec.better == "lower" else 1.0)
    return Comparison(
        metric=spec.name,
        row_count=row_count,
        group_count=None if candidate.groups is None else int(candidate.groups.max()) + 1,
        candidate=candidate.value,
        champion=champion.value,
        difference=difference,
        low=difference,
        high=difference,
        p_worse=1.0,
        method="bootstrap by row" if candidate.groups is None else f"bootstrap by {spec.group}",
        better=spec.better,
    )


def _again(measured: Measured) -> Callable[[Array], float]:
    if measured.again is not None:
        return measured.again
    return lambda rows: float(np.nanmean(measured.parts[rows]))
