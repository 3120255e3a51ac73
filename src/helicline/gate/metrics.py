"""Metrics of predictions against labels, as plain functions of two arrays of numbers.

Predictions are what the model answered: a number, the probability of class 1, or a class (1 and 0). The formulas are
the usual ones (scikit-learn's, where it has the metric); Gini is 2 AUC - 1, KS the greatest distance between the
distributions of the scores of both classes, the calibration error that of ten bins of equal width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
CALIBRATION_BINS = 10


class Metric(NamedTuple):
    """A metric of truth and prediction; whether it is of classes 0 and 1, takes probabilities only, and is a loss."""

    of: Callable[[Array, Array], float]
    of_classes: bool = False
    of_probabilities: bool = False
    is_loss: bool = False


def auc(truth: Array, score: Array) -> float:
    """Return the area under the ROC curve by ranks; ties count half."""
    _, positions, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[positions]
    positive = truth == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def ks(truth: Array, score: Array) -> float:
    """Return the Kolmogorov-Smirnov distance of the scores of both classes."""
    order = np.argsort(score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.inf))
    ones = np.cumsum(truth[order] == 1)[ends] / (truth == 1).sum()
    zeros = np.cumsum(truth[order] != 1)[ends] / (truth != 1).sum()
    return float(np.abs(ones - zeros).max())


def log_loss(truth: Array, score: Array) -> float:
    chance = np.clip(score, 1e-15, 1 - 1e-15)
    return float(-np.mean(truth * np.log(chance) + (1 - truth) * np.log(1 - chance)))


def calibration_error(truth: Array, score: Array) -> float:
    """Return the mean distance of score and share of class 1, over bins weighted by their rows."""
    bins = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    sums = np.bincount(bins, weights=truth - score, minlength=CALIBRATION_BINS)
    return float(np.abs(sums).sum() / len(truth))


def r2(truth: Array, predicted: Array) -> float:
    total = float(((truth - truth.mean()) ** 2).mean()) or 1e-12
    return 1 - float(((truth - predicted) ** 2).mean()) / total


def precision(truth: Array, predicted: Array) -> float:
    positive = predicted >= 0.5
    return float((truth[positive] == 1).mean()) if positive.any() else 0.0


def recall(truth: Array, predicted: Array) -> float:
    return float((predicted[truth == 1] >= 0.5).mean())


def f1(truth: Array, predicted: Array) -> float:
    both = precision(truth, predicted) + recall(truth, predicted)
    return 2 * precision(truth, predicted) * recall(truth, predicted) / both if both else 0.0


METRICS = {
    "auc": Metric(auc, of_classes=True),
    "gini": Metric(lambda truth, score: 2 * auc(truth, score) - 1, of_classes=True),
    "ks": Metric(ks, of_classes=True),
    "log_loss": Metric(log_loss, of_classes=True, of_probabilities=True, is_loss=True),
    "brier": Metric(
        lambda truth, score: float(np.mean((truth - score) ** 2)), of_classes=True, of_probabilities=True, is_loss=True
    ),
    "calibration_error": Metric(calibration_error, of_classes=True, of_probabilities=True, is_loss=True),
    "precision": Metric(precision, of_classes=True, of_probabilities=True),
    "recall": Metric(recall, of_classes=True, of_probabilities=True),
    "f1": Metric(f1, of_classes=True, of_probabilities=True),
    "r2": Metric(r2),
    "mae": Metric(lambda truth, predicted: float(np.abs(truth - predicted).mean()), is_loss=True),
    "mse": Metric(lambda truth, predicted: float(((truth - predicted) ** 2).mean()), is_loss=True),
    "rmse": Metric(lambda truth, predicted: float(np.sqrt(((truth - predicted) ** 2).mean())), is_loss=True),
    "mean": Metric(lambda truth, _predicted: float(truth.mean())),
}


def why_not(metric: Metric, truth: Array, predicted: Array) -> str:
    """Return why a metric cannot be computed of these rows, "" where it can."""
    if len(truth) < 2:
        return "predictions and labels are no numbers"
    if not metric.of_classes:
        return ""
    if not np.isin(truth, (0, 1)).all():
        return "the labels are not 0 and 1"
    if metric.of_probabilities and not ((predicted >= 0) & (predicted <= 1)).all():
        return "the predictions are no probabilities"
    # with one row of a class, a group of the jackknife that holds it leaves none
    return "" if min((truth == 1).sum(), (truth == 0).sum()) >= 2 else "nearly all labels are of one class"


GROUPS = 20


def spread_of(metric: Metric, truth: Array, predicted: Array) -> float:
    """Return the standard error of a metric: the jackknife over groups of rows, each left out in turn.

    Each group has its share of both classes, so that none leaves a class without a row.
    """
    groups = min(GROUPS, len(truth))
    order = np.argsort(truth, kind="stable") if metric.of_classes else np.arange(len(truth))
    number = np.empty(len(truth), dtype=int)
    number[order] = np.arange(len(truth)) % groups
    values = np.array([metric.of(truth[number != group], predicted[number != group]) for group in range(groups)])
    return float(np.sqrt((groups - 1) / groups * ((values - values.mean()) ** 2).sum()))
