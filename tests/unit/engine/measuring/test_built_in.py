"""Built-in metrics of answers of every shape, against scikit-learn and the definitions counted out."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

import helicline as hl
from helicline.engine.measuring import built_in
from helicline.engine.measuring.all_metrics import measure_all
from helicline.errors import Invalid
from helicline.records.metric import BUILT_IN, formula_of, spec_of
from support.judged import judged, lists

CHANCE = np.random.default_rng(2)


def value(metric, answer, frame, *, group="", output="", **more):
    definition = hl.at_least(metric, 0.0, group=group, output=output).measured
    return built_in.measured(definition, judged(answer, frame, **more)).value


RELEVANT = pd.DataFrame({"user": ["a", "b", "c"], "label": lists("xy", "z", "")})
ITEMS = lists("xqy", "qrz", "x")


def test_a_list_a_user_is_measured_by_the_items_that_are_relevant_to_the_user():
    assert value("recall@2", ITEMS, RELEVANT) == 0.25  # a has one of two, b none of one; nothing is relevant to c
    assert value("mrr", ITEMS, RELEVANT) == pytest.approx((1 + 1 / 3) / 2)


SAME_LISTS = {
    "a matrix": np.array([["x", "q"], ["q", "r"], ["x", "y"]]),
    "lists": lists("xq", "qr", "xy"),
    "arrays in a column": pd.DataFrame({"items": [np.array(["x", "q"]), np.array(["q", "r"]), np.array(["x", "y"])]}),
    "a column an item": pd.DataFrame({"first": ["x", "q", "x"], "second": ["q", "r", "y"]}),
    "objects": np.array([{"items": ["x", "q"]}, {"items": ["q", "r"]}, {"items": ["x", "y"]}]),
    "JSON": np.array([json.dumps(row) for row in (["x", "q"], ["q", "r"], ["x", "y"])], dtype=object),
    "a JSON object": np.array(
        [json.dumps({"items": row}) for row in (["x", "q"], ["q", "r"], ["x", "y"])], dtype=object
    ),
}


@pytest.mark.parametrize("shape", SAME_LISTS)
def test_lists_come_in_many_shapes(shape):
    assert value("recall@2", SAME_LISTS[shape], RELEVANT) == 0.25
    assert value("precision@2", SAME_LISTS[shape], RELEVANT) == 0.25


def test_one_relevant_item_a_row_is_enough():
    frame = pd.DataFrame({"label": ["x", "z"]})
    assert value("recall@2", lists("ax", "bc"), frame) == 0.5
    assert value("recall@1", np.array([["x"], ["b"]]), frame) == 0.5


def test_rows_of_a_user_are_the_items_that_are_relevant_to_the_user():
    frame = pd.DataFrame({"user": [1, 1, 2], "label": ["x", "y", "z"]})
    assert value("recall@1", lists("xa", "xa", "bz"), frame, group="user") == 0.25


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_scored_rows_are_ranked_by_group_as_scikit_learn_ranks_them(seed, k):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"user": np.repeat(np.arange(6), 5), "label": chance.integers(0, 3, 30)})
    scores, shuffled = chance.normal(size=30), chance.permutation(30)
    expected = [
        reference.ndcg_score([rows["label"]], [scores[rows.index]], k=k)
        for _, rows in frame.groupby("user")
        if rows["label"].any()
    ]
    assert value(f"ndcg@{k}", scores[shuffled], frame.iloc[shuffled], group="user") == pytest.approx(np.mean(expected))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.5, 0.9]))
def test_a_quantile_is_measured_as_scikit_learn_measures_it(seed, level):
    chance = np.random.default_rng(seed)
    frame, answer = pd.DataFrame({"label": chance.normal(size=40)}), chance.normal(size=40)
    expected = reference.mean_pinball_loss(frame["label"], answer, alpha=level)
    assert value(f"pinball@{level}", answer, frame) == pytest.approx(expected)
    assert value(f"pinball@{level}", pd.DataFrame({"other": answer * 0, f"q{level}": answer}), frame) == pytest.approx(
        expected
    )


@pytest.mark.parametrize("names", [("p10", "p90"), ("0.1", "0.9"), ("q0.1", "q0.9"), ("quantile_10", "quantile_90")])
def test_an_interval_is_read_from_the_outputs_of_its_levels(names):
    frame = pd.DataFrame({"label": [1.0, 2.0, 3.0, 9.0]})
    answer = pd.DataFrame(dict(zip(names, ([0.0, 2.0, 4.0, 0.0], [2.0, 3.0, 5.0, 9.0]), strict=True)))
    assert value("coverage@0.1-0.9", answer, frame) == 0.75


CLASSES = pd.DataFrame({"label": CHANCE.choice(["bad", "good"], 300, p=[0.4, 0.6])})
SCORES = np.clip(CHANCE.normal(0.45, 0.2, 300) + 0.2 * (CLASSES["label"] == "good"), 0.01, 0.99).to_numpy()
IS_GOOD = (CLASSES["label"] == "good").to_numpy()
ORACLES = {
    "auc": reference.roc_auc_score(IS_GOOD, SCORES),
    "brier": reference.brier_score_loss(IS_GOOD, SCORES),
    "log_loss": reference.log_loss(IS_GOOD, SCORES),
    "precision": reference.precision_score(IS_GOOD, SCORES >= 0.5),
    "recall": reference.recall_score(IS_GOOD, SCORES >= 0.5),
    "f1": reference.f1_score(IS_GOOD, SCORES >= 0.5),
    "gini": 2 * reference.roc_auc_score(IS_GOOD, SCORES) - 1,
}


@pytest.mark.parametrize("metric", ORACLES)
def test_a_metric_of_classes_is_that_of_scikit_learn(metric):
    classes = np.where(SCORES >= 0.5, "good", "bad")
    more = {"classes": ("bad", "good"), "scores": SCORES}
    assert value(metric, classes, CLASSES, **more) == pytest.approx(ORACLES[metric])
    frame = pd.DataFrame({"label": IS_GOOD.astype(int)})
    outputs = pd.DataFrame({"class": classes, "chance": SCORES})
    assert value(metric, outputs, frame, output="chance") == pytest.approx(ORACLES[metric])


def test_the_calibration_error_is_that_of_ten_bins():
    frame, bins = pd.DataFrame({"label": IS_GOOD.astype(int)}), np.minimum((SCORES * 10).astype(int), 9)
    expected = sum(
        abs(IS_GOOD[bins == b].mean() - SCORES[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)
    )
    assert value("calibration_error", SCORES, frame) == pytest.approx(expected)


@pytest.mark.parametrize(("answer", "expected"), [(["fraud", "ok", "ok"], 5 / 3), (["ok", "ok", "fraud"], 103 / 3)])
def test_a_cost_matrix_gives_the_mean_cost_of_a_row(answer, expected):
    cost = hl.cost_matrix({"fraud": {"ok": 100}, "ok": {"fraud": 3, "ok": 2.5}})
    frame = pd.DataFrame({"label": ["fraud", "ok", "ok"]})
    assert value(cost, np.array(answer), frame) == pytest.approx(expected if expected < 2 else (100 + 2.5 + 3) / 3)


def test_classes_that_are_numbers_have_costs_in_whatever_type():
    cost = hl.cost_matrix({0: {1: 4.0}, 1: {0: 8.0}})
    assert value(cost, np.array([1.0, 0.0]), pd.DataFrame({"label": [0, 1]})) == 6.0
    assert value(cost, np.array([True, False]), pd.DataFrame({"label": [0, 1]})) == 6.0


SCORED = pd.DataFrame({"user": [1, 1, 2], "label": [1, 0, 1]})
REFUSED = {
    "scores without a group": ("ndcg@5", np.ones(3), SCORED, {}, 'group="user"'),
    "a group that is no column": (
        "ndcg@5",
        np.ones(3),
        SCORED,
        {"group": "usr"},
        "a column of the hold-out: user, label",
    ),
    "an output that there is not": ("mae", np.ones(3), SCORED, {"output": "x"}, "without a name"),
    "outputs and none named": ("mae", pd.DataFrame({"a": [1, 2, 3], "b": 1}), SCORED, {}, "output=..., one of a, b"),
    "a level that no output has": ("pinball@0.9", pd.DataFrame({"a": [1, 2, 3], "b": 1}), SCORED, {}, "q0.9 or p90"),
    "labels that are text": ("mae", np.ones(2), pd.DataFrame({"label": ["x", "y"]}), {}, "label"),
    "no labels": ("accuracy", np.ones(3), SCORED[["user"]], {}, "no labels"),
    "answers that are no probability": (
        "brier",
        np.array([3.0] * 4),
        pd.DataFrame({"label": [0, 1] * 2}),
        {},
        "no probabilities",
    ),
    "nothing relevant": ("recall@5", lists("a"), pd.DataFrame({"label": lists("")}), {}, "nothing that is relevant"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_what_is_missing(case):
    metric, answer, frame, options, why = REFUSED[case]
    with pytest.raises(Invalid) as caught:
        value(metric, answer, frame, **options)
    assert why in str(caught.value)


def test_a_class_without_a_cost_is_refused():
    with pytest.raises(Invalid, match="no cost for truth 'ok', answer 'maybe'"):
        value(
            hl.cost_matrix({"fraud": {"ok": 1}, "ok": {"fraud": 1}}),
            np.array(["maybe"]),
            pd.DataFrame({"label": ["ok"]}),
        )


@pytest.mark.parametrize("metric", [*BUILT_IN, "ndcg@3", "recall@3", "pinball@0.5"])
def test_every_metric_compares_a_model_with_itself_as_equal(metric):
    chance = np.random.default_rng(1)
    frame = pd.DataFrame({"user": np.repeat(np.arange(10), 4), "label": np.tile([0, 1, 1, 0], 10)})
    models = [judged(chance.random(40).round(2), frame)] * 2
    group = "user" if formula_of(metric).is_ranking else ""
    spec = hl.not_worse(metric, group=group).measured
    comparison = measure_all((spec,), *models, compared=(spec.name,), load=None).comparisons[spec.name]
    assert (comparison.difference, comparison.p_worse, comparison.untested) == (0.0, 1.0, "")
    assert comparison.better == spec_of(metric).better
