"""Paired comparison of two models on the same rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm, rankdata

from helicline.errors import Invalid
from helicline.records.gate import Comparison
from helicline.records.metric import class_text

Array = np.ndarray[Any, Any]
LOSSES = ("mae", "mse", "log_loss", "brier")
METRICS = ("accuracy", *LOSSES, "auc")
FEW_DISCORDANT = 25


def compare(metric: str, truth: Array, *, candidate: Array, champion: Array, margin: float = 0.0) -> Comparison:
    """Return candidate minus champion on the same rows, with the sign that makes higher better, and a 95 % interval.

    `p_worse` is the p-value of "the candidate is not worse than the champion by more than `margin`". `candidate` and
    `champion` are predicted labels for accuracy, numbers for mae and mse, probabilities of class 1 for auc and
    log_loss and brier.

    Raises:
        Invalid: the metric cannot be compared row by row.
    """
    if metric == "auc":
        return _delong(truth, candidate=candidate, champion=champion, margin=margin)
    of_rows = partial(row_values, metric, truth)
    return compare_rows(metric, of_rows(candidate), of_rows(champion), is_loss=metric in LOSSES, margin=margin)


def compare_rows(metric: str, candidate: Array, champion: Array, *, is_loss: bool, margin: float = 0.0) -> Comparison:
    """Return the comparison of two models by one value a row; what counts is the mean over the rows."""
    difference = (champion - candidate) if is_loss else (candidate - champion)
    mean, count = float(difference.mean()), len(difference)
    spread = float(difference.std(ddof=1)) / math.sqrt(count) if count > 1 else math.inf
    p_worse, method = _p_worse(metric, difference, mean=mean, spread=spread, margin=margin)
    return Comparison(
        metric=metric,
        row_count=count,
        candidate=float(candidate.mean()),
        champion=float(champion.mean()),
        difference=mean,
        low=mean - 1.96 * spread,
        high=mean + 1.96 * spread,
        p_worse=p_worse,
        method=method,
        only_candidate_right=int((difference > 0).sum()) if metric == "accuracy" else None,
        only_champion_right=int((difference < 0).sum()) if metric == "accuracy" else None,
    )


def measure(metric: str, truth: Array, predicted: Array) -> float:
    """Return the metric of one model's predictions."""
    if metric == "auc":
        return float(_auc(truth, predicted))
    return float(row_values(metric, truth, predicted).mean())


def row_values(metric: str, truth: Array, predicted: Array) -> Array:
    """Return the metric of each row."""
    if metric == "accuracy":
        return _equal(np.asarray(truth), np.asarray(predicted)).astype(float)
    if metric not in LOSSES:
        raise Invalid("metric", metric, ", ".join(METRICS))
    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    if metric == "mae":
        return np.array(np.abs(truth - predicted))
    if metric == "log_loss":
        chance = np.clip(predicted, 1e-15, 1 - 1e-15)
        return np.array(-(truth * np.log(chance) + (1 - truth) * np.log(1 - chance)))
    return np.array((truth - predicted) ** 2)


def pinball(truth: Array, predicted: Array, *, level: float) -> Array:
    """Return the pinball loss of each row, of a predicted quantile (Koenker and Bassett 1978)."""
    above = truth - predicted
    return np.maximum(level * above, (level - 1) * above)


def coverage(truth: Array, low: Array, high: Array) -> Array:
    """Return 1 for each row whose truth lies in its predicted interval, ends included, else 0."""
    return ((truth >= low) & (truth <= high)).astype(float)


def costs(truth: Array, predicted: Array, table: Mapping[tuple[str, str], float]) -> Array:
    """Return the cost of each row by its truth and its prediction as texts, as Elkan (2001) has it.

    Raises:
        Invalid: the table has no cost for a row.
    """
    pairs = list(zip(map(class_text, truth), map(class_text, predicted), strict=True))
    strange = next((pair for pair in pairs if pair not in table), None)
    if strange is not None:
        allowed = "a cost for every class of the hold-out and every answer of the model"
        raise Invalid("cost matrix", f"no cost for truth {strange[0]!r}, answer {strange[1]!r}", allowed)
    return np.array([table[pair] for pair in pairs])


def _equal(truth: Array, predicted: Array) -> Array:
    """Return where they are equal: numbers by value (1 is 1.0 and True), everything else by its text."""
    if truth.dtype.kind in "fiub" and predicted.dtype.kind in "fiub":
        return np.array(truth == predicted)
    return np.array(truth.astype(str) == predicted.astype(str))


def _p_worse(metric: str, difference: Array, *, mean: float, spread: float, margin: float) -> tuple[float, str]:
    lost, won = int((difference < 0).sum()), int((difference > 0).sum())
    if metric == "accuracy" and margin == 0 and 0 < lost + won < FEW_DISCORDANT:
        return float(binomtest(lost, lost + won, 0.5, alternative="greater").pvalue), "exact McNemar"
    if spread == 0:
        return (0.0 if mean < -margin else 1.0), "paired normal"
    return float(norm.cdf((mean + margin) / spread)), "paired normal"


def _auc(truth: Array, score: Array) -> float:
    positive = np.asarray(truth).astype(float) > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        raise Invalid("auc", "one class only", "rows of both classes")
    return float((rankdata(score)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _placements(truth: Array, score: Array) -> tuple[Array, Array]:
    """Return for each positive and each negative row the share of the other class that it is ranked correctly against.

    These are the placements of DeLong, DeLong, Clarke-Pearson (1988)."""
    positive = np.asarray(truth).astype(float) > 0.5
    ranks = rankdata(score)
    ones, zeros = int(positive.sum()), int((~positive).sum())
    upper = (ranks[positive] - rankdata(np.asarray(score)[positive])) / zeros
    lower = 1 - (ranks[~positive] - rankdata(np.asarray(score)[~positive])) / ones
    return upper, lower


def _delong(truth: Array, *, candidate: Array, champion: Array, margin: float) -> Comparison:
    candidate_auc, champion_auc = _auc(truth, candidate), _auc(truth, champion)
    (up_a, low_a), (up_b, low_b) = _placements(truth, candidate), _placements(truth, champion)
    variance = float(np.var(up_a - up_b, ddof=1)) / len(up_a) + float(np.var(low_a - low_b, ddof=1)) / len(low_a)
    spread, mean = math.sqrt(max(variance, 0.0)), candidate_auc - champion_auc
    p_worse = float(norm.cdf((mean + margin) / spread)) if spread > 0 else (0.0 if mean < -margin else 1.0)
    return Comparison(
        metric="auc",
        row_count=len(np.asarray(truth)),
        candidate=candidate_auc,
        champion=champion_auc,
        difference=mean,
        low=mean - 1.96 * spread,
        high=mean + 1.96 * spread,
        p_worse=p_worse,
        method="DeLong",
    )
