"""Metrics of rankings against scikit-learn, and the definitions counted out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from helicline.gate import ranking

SCORED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=2, max_size=25).filter(
    lambda pairs: any(relevance for relevance, _ in pairs)
)
LISTS = st.tuples(
    st.lists(st.integers(0, 20), min_size=1, max_size=12, unique=True),
    st.sets(st.integers(0, 20), min_size=1, max_size=6),
)


@settings(max_examples=200, deadline=None)
@given(SCORED, st.integers(1, 12))
def test_ndcg_of_scores_is_that_of_scikit_learn_with_ties_too(pairs, k):
    relevance, scores = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    expected = reference.ndcg_score([relevance], [scores], k=k)
    (value,) = ranking.values("ndcg@", k, [ranking.of_scores(scores, relevance)])
    assert value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=25).filter(any), st.randoms(use_true_random=False))
def test_average_precision_at_the_end_is_that_of_scikit_learn(hits, chance):
    scores = list(range(len(hits)))
    chance.shuffle(scores)
    lists = [ranking.of_scores(np.array(scores, dtype=float), np.array(hits, dtype=float))]
    expected = reference.average_precision_score(hits, scores)
    assert ranking.values("map@", len(hits), lists)[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(LISTS, st.integers(1, 15))
def test_lists_are_measured_as_their_definitions_say(case, k):
    items, relevant = case
    hits = [item in relevant for item in items]
    lists = [ranking.of_items(items, relevant)]
    of = {kind: ranking.values(kind, k, lists)[0] for kind in ranking.FORMULAS}
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(min(k, len(hits))) if hits[rank]]
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    first = next((rank for rank in range(min(k, len(hits))) if hits[rank]), None)
    assert of["recall@"] == pytest.approx(sum(hits[:k]) / len(relevant))
    assert of["precision@"] == pytest.approx(sum(hits[:k]) / k)
    assert of["map@"] == pytest.approx(sum(precisions) / min(k, len(relevant)))
    assert of["ndcg@"] == pytest.approx(sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits[:k])) / ideal)
    assert of["mrr@"] == (0.0 if first is None else 1 / (first + 1))


@settings(max_examples=100, deadline=None)
@given(SCORED, st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(pairs, k, chance):
    shuffled = list(pairs)
    chance.shuffle(shuffled)
    for kind in ranking.FORMULAS:
        values = [
            ranking.values(
                kind,
                k,
                [
                    ranking.of_scores(
                        *(np.array(column, dtype=float) for column in reversed([*zip(*rows, strict=True)]))
                    )
                ],
            )
            for rows in (pairs, shuffled)
        ]
        assert values[0] == pytest.approx(values[1])


def test_a_model_that_scores_all_items_alike_gains_nothing_by_it():
    relevance = np.array([1.0] + [0.0] * 9)
    flat = [ranking.of_scores(np.zeros(10), relevance)]
    assert ranking.values("recall@", 1, flat)[0] == pytest.approx(0.1)
    assert ranking.values("mrr@", 0, flat)[0] == pytest.approx(0.1)


def test_an_item_that_is_repeated_counts_once():
    assert ranking.values("recall@", 3, [ranking.of_items(["a", "a", "a"], ["a", "b"])])[0] == 0.5


@pytest.mark.parametrize(
    ("items", "relevant"), [([7], [7.0]), ([np.int64(7)], [7]), (["7"], ["7"]), ([True], ["True"])]
)
def test_the_same_item_in_another_type_is_the_same(items, relevant):
    assert ranking.values("recall@", 1, [ranking.of_items(items, relevant)])[0] == 1.0


def test_a_number_is_not_the_text_of_it():
    assert ranking.values("recall@", 1, [ranking.of_items([7], ["7"])])[0] == 0.0


def test_a_list_that_nothing_is_relevant_to_says_nothing():
    assert np.isnan(ranking.values("recall@", 3, [ranking.of_items(["a"], [])])[0])
