"""Built-in metrics of a judged model."""

from __future__ import annotations

from typing import Any

import numpy as np

from helicline.engine.measuring import answers
from helicline.engine.measuring.measured import Judged, Measured, of_all, of_groups, of_rows
from helicline.errors import Invalid
from helicline.gate import metrics, paired, ranking
from helicline.records.metric import Formula, MetricSpec, formula_of

Array = np.ndarray[Any, Any]


def measured(spec: MetricSpec, judged: Judged) -> Measured:
    """Return the metric of the model's answers to the hold-out.

    Raises:
        Invalid: it is not defined for these labels and answers, or needs an option, which the error names.
    """
    if judged.truth is None:
        allowed = "a column with the truth, whose name hl.candidate(..., label='NAME') says"
        raise Invalid("hold-out", "no labels", allowed)
    formula = formula_of(spec.base)
    if formula is not None and formula.is_ranking:
        return _ranking(spec, formula, judged, truth=judged.truth)
    groups = judged.groups(spec.group)[0] if spec.group else None
    if spec.costs:
        table = {(cost.truth, cost.predicted): cost.cost for cost in spec.costs}
        return of_rows(paired.costs(judged.truth, _classes(spec, judged), table), groups)
    assert formula is not None
    if formula.at:
        return of_rows(_of_quantiles(spec, formula, judged), groups)
    if formula.kind == "accuracy":
        return of_rows(paired.row_values("accuracy", judged.truth, _classes(spec, judged)), groups)
    truth, predicted = _pair(spec, metrics.METRICS[formula.kind], judged)
    if formula.kind in paired.LOSSES:
        return of_rows(paired.row_values(formula.kind, truth, predicted), groups)
    of = metrics.METRICS[formula.kind].of

    def again(rows: Array) -> float:
        if why := metrics.why_not(metrics.METRICS[formula.kind], truth[rows], predicted[rows]):
            raise ValueError(why)
        return of(truth[rows], predicted[rows])

    return of_all(of(truth, predicted), again, groups)


def _classes(spec: MetricSpec, judged: Judged) -> Array:
    """Return the class that the model answers for each row."""
    if spec.output:
        return np.asarray(answers.output_of(judged.model.answer(judged.rows), spec.output))
    return np.asarray(judged.model.predict(judged.rows))


def _pair(spec: MetricSpec, metric: metrics.Metric, judged: Judged) -> tuple[Array, Array]:
    """Return truth and answers as numbers; of a classifier, whether it is the second class, and its probability."""
    assert judged.truth is not None
    scores = judged.model.scores(judged.rows) if metric.of_classes and not spec.output else None
    if scores is not None:
        truth = (judged.truth == judged.model.classes[1]).astype(float)
    else:
        truth = answers.numbers("label", judged.truth)
        values = answers.output_of(judged.model.answer(judged.rows), spec.output)
        scores = answers.numbers(f"output {spec.output}".strip(), _only_column(values))
    if why := metrics.why_not(metric, truth, scores):
        raise Invalid(f"metric {spec.name}", why, "labels and predictions that it is defined for")
    return truth, scores


def _only_column(values: Array) -> Array:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _of_quantiles(spec: MetricSpec, formula: Formula, judged: Judged) -> Array:
    assert judged.truth is not None
    truth, answer = answers.numbers("label", judged.truth), judged.model.answer(judged.rows)
    if formula.kind == "coverage@":
        low, high = (answers.quantile_of(answer, level) for level in formula.at)
        return paired.coverage(truth, low, high)
    is_single = not answers.names_of(answer) or spec.output
    predicted = (
        answers.numbers("output", _only_column(answers.output_of(answer, spec.output)))
        if is_single
        else answers.quantile_of(answer, formula.at[0])
    )
    return paired.pinball(truth, predicted, level=formula.at[0])


def _ranking(spec: MetricSpec, formula: Formula, judged: Judged, *, truth: Array) -> Measured:
    """Return a metric of lists: one a row where the model answers lists, one a group where it scores rows."""
    k, values = int(formula.at[0]), _list_or_score(spec, judged, truth)
    if answers.are_lists(values) and (answers.are_lists(truth) or not spec.group):
        relevant = truth if answers.are_lists(truth) else [[item] for item in truth]
        lists = [ranking.of_items(items, of_row) for items, of_row in zip(values, relevant, strict=True)]
        groups = judged.groups(spec.group)[0] if spec.group else None
        return of_rows(ranking.values(formula.kind, k, lists), groups)
    if not spec.group:
        call = f'hl.at_least("{spec.base}", ..., group="user")'
        raise Invalid("group", "none", f"the column whose rows are ranked against each other: {call}")
    numbers, keys = judged.groups(spec.group)
    rows_of = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    if answers.are_lists(values):  # each row of a group has the same list, and one item that is relevant
        lists = [ranking.of_items(values[rows[0]], truth[rows]) for rows in rows_of]
    else:
        scores, relevance = answers.numbers("output", values), answers.numbers("label", truth)
        lists = [ranking.of_scores(scores[rows], relevance[rows]) for rows in rows_of]
    return of_groups(ranking.values(formula.kind, k, lists), keys)


def _list_or_score(spec: MetricSpec, judged: Judged, truth: Array) -> Array:
    """Return the answers as a list or a score a row: of several columns without a name, each row is a list."""
    answer = answers.from_json(judged.model.answer(judged.rows))
    names = answers.names_of(answer)
    if hasattr(answer, "columns") and len(names) > 1 and not spec.output:
        return np.asarray(answer)
    values = np.asarray(answers.from_json(answers.output_of(answer, spec.output)))
    are_scores = spec.group and not answers.are_lists(truth) and values.dtype.kind in "fiub"
    return _only_column(values) if are_scores else values
