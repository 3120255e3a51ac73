"""Metrics of a loop file: functions of the hold-out and the predictions, and cost matrices."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helicline.errors import Invalid
from helicline.ids import checked_metric_name
from helicline.records.metric import (
    BUILT_IN,
    DIRECTIONS,
    FAMILIES,
    RESERVED,
    Better,
    Cost,
    MetricSpec,
    class_text,
    formula_of,
)
from helicline.sdk import code
from helicline.sdk.steps.place import definition_of, placed

DECLARED: dict[str, Metric | MetricSpec] = {}  # by name: gates and monitors may say the name alone
TAKES = "(frame, predictions)"


class Metric:
    """A function that measures a model's predictions on the hold-out; called, it is the ordinary function."""

    def __init__(self, function: Callable[[Any, Any], Any], *, better: Better, group: str) -> None:
        self.function, self.better, self.group = function, better, group
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__

    def __repr__(self) -> str:
        return f"<metric {self.__module__}.{self.__name__}, {self.better} is better>"

    def __call__(self, frame: Any, predictions: Any) -> Any:
        return self.function(frame, predictions)

    def spec(self) -> MetricSpec:
        """Return the metric as a record. Raises Invalid where no worker could import the function."""
        try:
            code_hash = code.closure_hash(self.function)
        except Invalid as error:
            raise Invalid(f"metric {self.__name__}", error.got, error.allowed) from None
        function = f"{self.__module__}:{self.function.__qualname__}"
        return MetricSpec(
            base=self.__name__, better=self.better, function=function, code_hash=code_hash, group=self.group
        )


def metric(*, better: str, group: str = "") -> Callable[[Callable[[Any, Any], Any]], Metric]:
    """Make a function of (frame, predictions) a metric, for gates by its name or by itself.

    It is called in the judge, a process of a worker, with the hold-out as a pandas frame (its label included) and with
    what the model answers for these rows: an array, or a frame where the model names several outputs. It returns a
    number, one number a row, or a mapping of groups (users, say) to numbers. Of rows and groups the mean counts.
    `hl.not_worse` compares rows by a paired test, groups by a paired bootstrap of the groups, and one number by calling
    the function again on resamples, within a minute of the processor for all metrics.

    Args:
        better: "higher" or "lower".
        group: a column of the hold-out whose rows belong together: they are resampled together.

    Raises:
        Invalid: the direction is another, the function cannot be sent to a worker or takes other arguments, or its
            name is that of a built-in metric.

    Example:
        >>> import helicline as hl
        >>> @hl.metric(better="lower")
        ... def overshoot(frame, predictions):
        ...     return (predictions - frame["label"]).clip(lower=0)
        >>> hl.at_most(overshoot, 0.2).name
        'at_most:overshoot'
    """
    if better not in DIRECTIONS:
        raise Invalid("metric better", better, " or ".join(DIRECTIONS))

    def declared(function: Callable[[Any, Any], Any]) -> Metric:
        _check(function)
        made_metric = Metric(function, better="higher" if better == "higher" else "lower", group=group)
        DECLARED[function.__name__] = made_metric
        return made_metric

    return declared


def _check(function: Callable[[Any, Any], Any]) -> None:
    """Raise Invalid, with the function's place, where it cannot be a metric."""
    if not inspect.isfunction(function):
        raise Invalid("metric", type(function).__name__, "a function that is defined with def")
    field, place = f"metric {function.__name__}", definition_of(function, Path.cwd())
    if "<lambda>" in function.__qualname__ or "<locals>" in function.__qualname__:
        allowed = "a function at the top level of its module, named with def"
        wrong = Invalid(field, function.__qualname__, allowed, "A process of its own imports it by its name.")
        raise placed(wrong, place)
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        arguments = f"{function.__name__}{inspect.signature(function)}"
        raise placed(Invalid(field, arguments, f"{function.__name__}{TAKES}"), place) from None
    _check_name(function.__name__, place)


def _check_name(name: str, place: str = "") -> None:
    checked_metric_name("metric", name)
    if name in RESERVED or formula_of(name) is not None:
        wrong = Invalid(f"metric {name}", "the name of a built-in metric", "a name of its own")
        raise placed(wrong, place) if place else wrong


def cost_matrix(costs: Mapping[Any, Mapping[Any, float]], *, name: str = "cost") -> MetricSpec:
    """Return a metric: the mean cost of a row, by its true class and the class that the model answers; lower is better.

    Args:
        costs: for each true class the cost of each answer. An answer that is right costs 0 where it is left out.
        name: how gates and pages call it.

    Raises:
        Invalid: a cost is missing or is no number, or the name is that of a built-in metric.

    Example:
        >>> import helicline as hl
        >>> cost = hl.cost_matrix({"fraud": {"ok": 100.0}, "ok": {"fraud": 5.0}})
        >>> hl.at_most(cost, 0.5).name
        'at_most:cost'
    """
    _check_name(name)
    table = {
        (class_text(truth), class_text(answer)): cost for truth, row in costs.items() for answer, cost in row.items()
    }
    classes = sorted({text for pair in table for text in pair})
    if len(classes) < 2:
        raise Invalid("cost_matrix", str(costs), 'costs of two classes or more, like {"fraud": {"ok": 100}, ...}')
    for truth in classes:
        for answer in classes:
            cost = table.setdefault((truth, answer), 0.0 if truth == answer else float("nan"))
            if not isinstance(cost, int | float) or cost != cost or abs(cost) == float("inf"):
                where = f"cost_matrix, truth {truth}, answer {answer}"
                raise Invalid(where, "none" if cost != cost else cost, "a number")
    rows = tuple(
        Cost(truth=truth, predicted=answer, cost=float(cost)) for (truth, answer), cost in sorted(table.items())
    )
    spec = MetricSpec(base=name, better="lower", costs=rows)
    DECLARED[name] = spec
    return spec


AnyMetric = str | Metric | MetricSpec


def measured(metric: AnyMetric, *, group: str = "", output: str = "") -> tuple[str, MetricSpec | None]:
    """Return the name that a check has of a metric, and its definition where the name alone does not say all.

    Raises:
        Invalid: it is no metric, or takes no such option.
    """
    if isinstance(metric, str):
        formula = formula_of(metric)
        if not group and not output:
            return metric, None
        if formula is None:
            allowed = f"a built-in metric: {', '.join((*BUILT_IN, *FAMILIES))}"
            raise Invalid("metric", metric, f"{allowed}; only these take group= and output=")
        spec = MetricSpec(base=metric, better=formula.better, group=group, output=output)
    elif isinstance(metric, MetricSpec):
        spec = MetricSpec(base=metric.base, better=metric.better, costs=metric.costs, group=group, output=output)
    elif isinstance(metric, Metric):
        spec = metric.spec()
        if group or output:
            raise Invalid(
                f"metric {spec.name}", f"group={group!r}, output={output!r}", "@hl.metric(better=..., group=...)"
            )
    else:
        allowed = "the name of a metric, a function with @hl.metric(better=...), or hl.cost_matrix(...)"
        raise Invalid("metric", f"{type(metric).__name__} {getattr(metric, '__name__', metric)}", allowed)
    return spec.name, spec


def resolved(name: str, names: Mapping[str, object]) -> MetricSpec | None:
    """Return the definition of the metric that is declared under that name, None for every other name.

    One among the `names` of a file goes before those of other files.
    """
    metrics = [value for value in names.values() if isinstance(value, Metric | MetricSpec)]
    own = (metric for metric in metrics if getattr(metric, "__name__", getattr(metric, "base", "")) == name)
    declared = next(own, None) or DECLARED.get(name)
    return declared.spec() if isinstance(declared, Metric) else declared
