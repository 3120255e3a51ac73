"""Metrics of rankings, one value a list.

A list is given by the gains of its items in the order in which the model ranks them, and the gains of all items that
are relevant to it, shown or not. A gain is a relevance: 1 for a relevant item, more for a more relevant one.

Sources: NDCG with linear gains and a discount of log2(rank + 1), Järvelin and Kekäläinen (2002), as in scikit-learn's
`ndcg_score`; precision, recall and average precision at k, Manning, Raghavan and Schütze (2008), chapter 8, where
average precision is divided by the number of relevant items that k ranks have room for; reciprocal rank, Voorhees
(1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Ranking(NamedTuple):
    """One list by rank: `gains` and `hits` (whether an item is relevant), both the same on average over equal scores.

    `worst` are the hits with the relevant items last among equals, `relevant` the gains of all relevant items, the
    greatest first.
    """

    gains: Array
    hits: Array
    worst: Array
    relevant: Array


def of_items(items: Iterable[Any], relevant: Iterable[Any]) -> Ranking:
    """Return the ranking of a list of items. An item that is repeated counts once, at its first rank."""
    relevant_items, shown = {_key(item) for item in relevant}, set()
    hits = []
    for item in map(_key, items):
        hits.append(float(item in relevant_items and item not in shown))
        shown.add(item)
    by_rank = np.array(hits)
    return Ranking(by_rank, by_rank, by_rank, np.ones(len(relevant_items)))


def _key(item: Any) -> Any:
    """Return what an item is compared by: numbers by value (7 is 7.0), everything else by its text."""
    if isinstance(item, bool | np.bool_) or not isinstance(item, int | float | np.number):
        return str(item)
    return float(item)


def of_scores(scores: Array, relevance: Array) -> Ranking:
    """Return the ranking of items by their scores, the greatest first.

    Among equal scores no order may help: each has the mean of their gains, where only the mean matters.
    """
    order = np.lexsort((relevance, -scores))
    gains = relevance[order].astype(float)
    _, position, counts = np.unique(-scores[order], return_inverse=True, return_counts=True)
    worst = (gains > 0).astype(float)
    mean_gains, mean_hits = ((np.bincount(position, weights=part) / counts)[position] for part in (gains, worst))
    return Ranking(mean_gains, mean_hits, worst, np.sort(gains[gains > 0])[::-1])


def ndcg(ranking: Ranking, k: int) -> float:
    return _dcg(ranking.gains, k) / _dcg(ranking.relevant, k)


def _dcg(gains: Array, k: int) -> float:
    top = gains[: k or None]
    return float((top / np.log2(np.arange(2, len(top) + 2))).sum())


def recall(ranking: Ranking, k: int) -> float:
    return float(ranking.hits[:k].sum()) / len(ranking.relevant)


def precision(ranking: Ranking, k: int) -> float:
    return float(ranking.hits[:k].sum()) / k


def average_precision(ranking: Ranking, k: int) -> float:
    """Return the average precision at k; among equal scores the relevant items count as the last."""
    is_hit = ranking.worst[:k] > 0
    precisions = np.cumsum(is_hit) / np.arange(1, len(is_hit) + 1)
    return float((precisions * is_hit).sum() / min(len(ranking.relevant), k))


def reciprocal_rank(ranking: Ranking, k: int) -> float:
    """Return 1 by the rank of the first relevant item, 0 where none is shown; among equal scores it is the last."""
    ranks = np.flatnonzero(ranking.worst[: k or None] > 0)
    return 1.0 / (int(ranks[0]) + 1) if len(ranks) else 0.0


FORMULAS: dict[str, Callable[[Ranking, int], float]] = {
    "ndcg@": ndcg,
    "map@": average_precision,
    "recall@": recall,
    "precision@": precision,
    "mrr@": reciprocal_rank,
}


def values(kind: str, k: int, rankings: Sequence[Ranking]) -> Array:
    """Return the metric of each list, NaN for one that nothing is relevant to: it says nothing of the model."""
    formula = FORMULAS[kind]
    return np.array([formula(ranking, k) if len(ranking.relevant) else np.nan for ranking in rankings])
