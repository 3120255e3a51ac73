"""Model performance over predictions with labels."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from helicline.errors import Invalid
from helicline.gate import metrics, paired, ranking
from helicline.records.metric import Formula, class_text, formula_of
from helicline.records.monitor import NOT_TESTED, Finding, MonitorSpec, Severity

Columns = dict[str, np.ndarray[Any, Any]]
MAX_Z = 3.0
CRITICAL_LOSS = 0.05
METRICS = ("accuracy", *metrics.METRICS)
ALL = (*METRICS, "ndcg@K", "map@K", "recall@K", "precision@K", "mrr", "pinball@LEVEL")


def chosen(rows: Columns, *, revision: int, since: datetime) -> Columns:
    """Return the rows of one revision since a time."""
    start = np.datetime64(since.replace(tzinfo=None), "us")
    if not len(rows["label"]):
        return rows
    selected = (rows["revision"] == revision) & (rows["ts"].astype("datetime64[us]") >= start)
    return {name: values[selected] for name, values in rows.items()}


def is_measured(metric: str) -> bool:
    """Return whether there is a metric of that name for predictions with labels."""
    formula = formula_of(metric)
    return metric in METRICS or (formula is not None and (formula.is_ranking or formula.kind == "pinball@"))


def _metric(name: str) -> metrics.Metric:
    """Return a metric of numbers by its name."""
    formula = formula_of(name)
    if formula is None or formula.kind != "pinball@":
        return metrics.METRICS[name]
    (level,) = formula.at
    return metrics.Metric(
        lambda truth, predicted: float(paired.pinball(truth, predicted, level=level).mean()), is_loss=True
    )


def correct(predictions: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return 1.0 where prediction and label are the same text or the same number, else 0.0."""
    return np.array(
        [_same(str(prediction), str(label)) for prediction, label in zip(predictions, labels, strict=True)], dtype=float
    )


def _same(prediction: str, label: str) -> bool:
    if prediction == label:
        return True
    try:
        return float(prediction) == float(label)
    except ValueError:
        return prediction.lower() == label.lower()


class Limit(NamedTuple):
    """What a metric is compared with: a number, which may have a standard error, and whether less is worse."""

    value: float
    spread: float
    is_least: bool
    words: str


def findings(spec: MonitorSpec, rows: Columns, before: Finding | None = None) -> list[Finding]:
    """Return a finding for the metric: bad only where it is significantly and materially beyond its limit.

    `before` is the last finding of the version before, which a `drop` is compared with. Rows whose prediction or label
    is no number are left out of metrics of numbers, which the finding says.
    """
    if not is_measured(spec.metric):
        raise Invalid("performance metric", spec.metric, ", ".join(ALL))
    if len(rows["label"]) < 2:
        return []
    limit = _limit(spec, before)
    if limit is None:
        why = "no version before this one has a judged window to compare with"
        return [_not_tested(spec, f"not tested: {why}", row_count=len(rows["label"]))]
    if spec.metric == "accuracy":
        return [_finding(spec, limit, _accuracy(rows), row_count=len(rows["label"]))]
    formula = formula_of(spec.metric)
    if formula is not None and formula.is_ranking:
        return [_of_rankings(spec, limit, rows, formula=formula)]
    truth, predicted = _numbers(rows["label"]), _numbers(rows["prediction"])
    usable = np.isfinite(truth) if spec.metric == "mean" else np.isfinite(truth) & np.isfinite(predicted)
    metric = _metric(spec.metric)
    if why := metrics.why_not(metric, truth[usable], predicted[usable]):
        return [_not_tested(spec, f"not tested: {why}", row_count=len(truth))]
    value = metric.of(truth[usable], predicted[usable])
    spread = metrics.spread_of(metric, truth[usable], predicted[usable])
    return [_finding(spec, limit, (value, spread), row_count=int(usable.sum()), left_out=int((~usable).sum()))]


def _limit(spec: MonitorSpec, before: Finding | None) -> Limit | None:
    """Return the limit of a spec, None for a drop where nothing came before."""
    if spec.at_least is not None:
        return Limit(spec.at_least, 0.0, True, f"asked for at least {spec.at_least:g}")
    if spec.at_most is not None:
        return Limit(spec.at_most, 0.0, False, f"asked for at most {spec.at_most:g}")
    if spec.drop is None or before is None:
        return None
    formula = formula_of(spec.metric)
    is_loss = formula is not None and formula.better == "lower"
    allowed = abs(before.value) * spec.drop
    words = f"the version before had {before.value:.3f}, allowed is {spec.drop:.0%} worse"
    value = before.value + allowed if is_loss else before.value - allowed
    return Limit(value, before.spread or 0.0, not is_loss, words)


def _numbers(texts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return texts as numbers: true and false are 1 and 0, and NaN is what is none."""
    return np.array([_number(str(text)) for text in texts], dtype=float)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.lower(), math.nan)


def _finding(
    spec: MonitorSpec, limit: Limit, measured: tuple[float, float], *, row_count: int, left_out: int = 0
) -> Finding:
    value, spread = measured
    excess = limit.value - value if limit.is_least else value - limit.value
    z_score = excess / max(math.hypot(spread, limit.spread), 1e-9)
    loss = excess / abs(limit.value) if limit.value else 0.0
    severity: Severity = "ok"
    if z_score > 0:
        severity = "info" if z_score <= MAX_Z else "critical" if loss >= CRITICAL_LOSS else "warning"
    without = f"; {left_out} rows that are no numbers are left out" if left_out else ""
    return Finding(
        column=spec.metric,
        statistic="value",
        value=value,
        threshold=limit.value,
        p_value=0.5 * math.erfc(z_score / math.sqrt(2)),
        severity=severity,
        window_count=row_count,
        reference_count=0,
        detail=f"{value:.3f} ± {1.96 * spread:.3f}, {limit.words}{without}",
        spread=spread,
    )


def _of_rankings(spec: MonitorSpec, limit: Limit, rows: Columns, *, formula: Formula) -> Finding:
    """Return the finding of a metric of lists: the model answers items, a label is an item or a JSON list of them."""
    pairs = zip(rows["prediction"], rows["label"], strict=True)
    lists = [ranking.of_items(_items(str(prediction)), _items(str(label))) for prediction, label in pairs]
    values = ranking.values(formula.kind, int(formula.at[0]), lists)
    usable = values[np.isfinite(values)]
    if len(usable) < 2:
        return _not_tested(spec, "not tested: nothing is relevant to nearly all rows", row_count=len(values))
    spread = float(usable.std(ddof=1)) / math.sqrt(len(usable))
    return _finding(spec, limit, (float(usable.mean()), spread), row_count=len(usable))


def _items(text: str) -> list[str]:
    """Return the items of a JSON list as texts; other text is one item, as the log has a list of one."""
    try:
        items = json.loads(text) if text.startswith("[") else [text]
    except ValueError:
        items = [text]
    return [class_text(item) for item in items]


def _not_tested(spec: MonitorSpec, detail: str, *, row_count: int) -> Finding:
    return Finding(
        column=spec.metric,
        statistic=NOT_TESTED,
        value=0.0,
        threshold=0.0,
        p_value=None,
        severity="insufficient_data",
        window_count=row_count,
        reference_count=0,
        detail=detail,
    )


def _accuracy(rows: Columns) -> tuple[float, float]:
    hits = correct(rows["prediction"], rows["label"])
    rate, count = float(hits.mean()), len(hits)
    smoothed = (hits.sum() + 1) / (count + 2)  # keeps the spread above 0 where all predictions are right, or all wrong
    return rate, math.sqrt(smoothed * (1 - smoothed) / count)
