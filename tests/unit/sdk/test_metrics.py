"""Metrics in a loop file: what travels, and what is refused where it stands."""

import re

import pytest

import helicline as hl
from helicline.errors import Invalid
from helicline.records.metric import formula_of
from helicline.sdk.gates import metrics
from helicline.sdk.gates.metrics import DECLARED


@hl.metric(better="higher")
def revenue(frame, predictions):
    return frame["price"] * predictions


def test_a_metric_is_the_ordinary_function():
    assert revenue({"price": 2}, 3) == 6
    assert repr(revenue).endswith("test_metrics.revenue, higher is better>")


def test_a_gate_takes_it_by_itself_and_its_code_counts():
    gate = hl.not_worse(revenue, margin=2)
    assert (gate.name, gate.definition.better) == ("not_worse:revenue", "higher")
    assert re.fullmatch(r"[0-9a-f]{64}", gate.definition.code_hash)
    assert gate.definition.function == f"{__name__}:revenue"


@hl.pipeline
def shop(): ...


def test_a_loop_finds_it_by_its_name():
    loop = hl.Loop("shop", pipeline=shop, gates=[hl.at_least("revenue", 3), hl.at_least("accuracy", 0.5)])
    own, built_in = loop.gates
    assert own == hl.at_least(revenue, 3)
    assert built_in.definition is None


def test_a_metric_of_the_same_name_in_another_file_is_another_one(monkeypatch):
    monkeypatch.setitem(DECLARED, "revenue", hl.cost_matrix({"a": {"b": 1.0}, "b": {"a": 1.0}}, name="revenue"))
    own = hl.Loop("shop", pipeline=shop, gates=[hl.at_least("revenue", 3)]).gates[0]
    assert own == hl.at_least(revenue, 3)


def of_one(frame): ...


def of_many(frame, predictions, *, k): ...


def accuracy(frame, predictions): ...


REFUSED = {
    "a lambda": (lambda: hl.metric(better="higher")(lambda frame, predictions: 0), "metric <lambda>.*named with def"),
    "a class": (lambda: hl.metric(better="higher")(dict), "metric: got 'type'"),
    "one argument": (lambda: hl.metric(better="higher")(of_one), r"of_one\(frame\).*of_one\(frame, predictions\)"),
    "a third argument": (lambda: hl.metric(better="higher")(of_many), "metric of_many"),
    "a built-in name": (lambda: hl.metric(better="higher")(accuracy), "metric accuracy: got 'the name of a built-in"),
    "a third direction": (lambda: hl.metric(better="up"), "metric better: got 'up', allowed: higher or lower"),
    "a plain function in a gate": (lambda: hl.at_least(of_many, 1), "function of_many.*@hl.metric"),
    "a group of a name that is not built in": (lambda: hl.at_least("mine", 1, group="user"), "only these take group="),
    "a group of one's own": (lambda: hl.at_least(revenue, 1, group="user"), "@hl.metric"),
    "a cost that is missing": (lambda: hl.cost_matrix({"a": {"b": 1}, "b": {}}), "truth b, answer a: got 'none'"),
    "a cost that is text": (lambda: hl.cost_matrix({"a": {"b": "1"}, "b": {"a": 1}}), "truth a, answer b"),
    "costs of nothing": (lambda: hl.cost_matrix({}), "two classes"),
    "a function in a monitor": (lambda: hl.performance(revenue, at_least=1), "runs no functions of a loop file"),
    "costs with a built-in name": (lambda: hl.cost_matrix({"a": {"b": 1}, "b": {"a": 1}}, name="auc"), "built-in"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_measured_is_refused_where_it_stands(case):
    declare, why = REFUSED[case]
    with pytest.raises(Invalid, match=why):
        declare()


def test_a_function_inside_of_another_cannot_travel():
    def inner(frame, predictions): ...

    with pytest.raises(Invalid, match="top level") as caught:
        hl.metric(better="lower")(inner)
    assert caught.value.place.startswith("tests/unit/sdk/test_metrics.py:")


@pytest.mark.parametrize(
    "name",
    [
        "ndcg",
        "ndcg@0",
        "ndcg@-1",
        "ndcg@1.5",
        "pinball",
        "pinball@1",
        "pinball@x",
        "coverage@0.9-0.1",
        "coverage@0.1",
        "f2",
    ],
)
def test_a_name_that_says_nothing_is_not_built_in(name):
    assert formula_of(name) is None


def test_options_are_in_the_name():
    assert hl.at_least("ndcg@10", 0.1, group="user").metric == "ndcg@10/user"
    assert hl.at_least("mae", 0.1, output="price").metric == "price.mae"
    assert hl.at_most(hl.cost_matrix({0: {1: 2}, 1: {0: 3}}), 0.1, output="class").metric == "class.cost"


def test_a_cost_matrix_is_found_by_its_name():
    spec = hl.cost_matrix({"a": {"b": 1}, "b": {"a": 1}}, name="regret")
    assert metrics.resolved("regret", {}) == spec
