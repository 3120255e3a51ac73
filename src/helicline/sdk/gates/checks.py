"""The checks of gates: what a candidate has to keep before it serves."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from helicline.errors import Invalid
from helicline.records.gate import MEASURED, Check
from helicline.records.metric import formula_of
from helicline.sdk.gates.metrics import AnyMetric, measured, resolved


def at_least(metric: AnyMetric, limit: float, *, group: str = "", output: str = "") -> Check:
    """Gate: the candidate's `metric` on the hold-out is at least `limit`.

    Args:
        metric: the name of a built-in metric, of one that the pipeline reports or the loop file declares, or a function
            with `@hl.metric`.
        limit: the least value that passes.
        group: for rankings of scored rows the column whose rows are ranked against each other, like "user"; for other
            metrics that of rows which belong together.
        output: the output that is measured, of a model that answers several.

    Example:
        >>> import helicline as hl
        >>> hl.at_least("accuracy", 0.9).name
        'at_least:accuracy'
        >>> hl.at_least("ndcg@10", 0.3, group="user").name
        'at_least:ndcg@10/user'
    """
    name, definition = measured(metric, group=group, output=output)
    return Check(kind="at_least", metric=name, limit=limit, definition=definition)


def at_most(metric: AnyMetric, limit: float, *, group: str = "", output: str = "") -> Check:
    """Gate: the candidate's `metric` on the hold-out is at most `limit` (for losses); options as for `hl.at_least`."""
    name, definition = measured(metric, group=group, output=output)
    return Check(kind="at_most", metric=name, limit=limit, definition=definition)


def not_worse(
    metric: AnyMetric,
    than: str = "champion",
    *,
    margin: float = 0.0,
    alpha: float = 0.05,
    group: str = "",
    output: str = "",
) -> Check:
    """Gate: on the same hold-out rows the candidate is not worse than the alias `than` by more than `margin`.

    Args:
        metric: as for `hl.at_least`, but one that the judge measures: a built-in one or one of the loop file.
        margin: acceptable loss in the metric's unit.
        alpha: significance level of the paired test.
        group: as for `hl.at_least`.
        output: as for `hl.at_least`.

    Raises:
        Invalid: margin is negative or alpha is not between 0 and 1.
    """
    if margin < 0:
        raise Invalid("margin", margin, "0 or more")
    name, definition = measured(metric, group=group, output=output)
    return Check(
        kind="not_worse", metric=name, than=than, margin=margin, alpha=share("alpha", alpha), definition=definition
    )


def compatible(than: str = "champion") -> Check:
    """Gate: callers of the alias `than` can call the candidate with the same columns."""
    return Check(kind="signature", than=than)


def latency(*, p99_ms: float) -> Check:
    """Gate: 99 of 100 single-row predictions take at most `p99_ms` milliseconds."""
    return Check(kind="latency", limit=p99_ms)


def with_definition(check: Check, names: Mapping[str, object]) -> Check:
    """Return the check with the definition of its metric, where it names one that the loop file declares.

    `names` are those of the file: another file of the same process may have a metric of the same name.
    """
    if check.kind not in MEASURED or check.definition is not None or formula_of(check.metric) is not None:
        return check
    return msgspec.structs.replace(check, definition=resolved(check.metric, names))


def share(field: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise Invalid(field, value, "a number from 0 to 1")
    return value
