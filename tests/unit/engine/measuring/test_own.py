"""Metrics of the loop file: what they may return, and what fails their gate by a sentence that names them."""

import contextlib
import time

import numpy as np
import pandas as pd
import pytest

from helicline.engine.measuring import all_metrics, own
from helicline.engine.measuring.all_metrics import measure_all
from helicline.records.metric import MetricSpec
from support.judged import judged

FRAME = pd.DataFrame({"user": list("aabbccddee") * 3, "label": np.arange(30.0)})
GOOD, POOR = FRAME["label"].to_numpy() + 1.0, FRAME["label"].to_numpy() + 2.0 + np.arange(30) % 3


def gaps(frame, predictions):
    return np.abs(frame["label"].to_numpy() - predictions)


def results(function, *, better="lower", group="", answers=(POOR, GOOD)):
    spec = MetricSpec(base="own", better=better, function="loop:own", group=group)
    models = [judged(answer, FRAME) for answer in answers]
    return measure_all((spec,), *models, compared=("own",), load=lambda _spec: function)


def failure(function):
    (sentence,) = results(function).failures.values()
    return sentence


ROW_SHAPES = {
    "an array": gaps,
    "a list": lambda frame, predictions: gaps(frame, predictions).tolist(),
    "a series": lambda frame, predictions: (frame["label"] - predictions).abs(),
}


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_one_number_a_row_is_compared_by_the_paired_test_of_rows(shape):
    measured = results(ROW_SHAPES[shape])
    comparison = measured.comparisons["own"]
    assert (measured.metrics["own"], measured.champion_metrics["own"]) == (pytest.approx(3.0), pytest.approx(1.0))
    assert (comparison.method, comparison.difference) == ("paired normal", pytest.approx(-2.0))
    assert comparison.better == "lower"
    assert comparison.p_worse < 0.001


GROUP_SHAPES = {
    "a series by user": lambda frame, predictions: (frame["label"] - predictions).abs().groupby(frame["user"]).mean(),
    "a dict": lambda frame, predictions: {
        user: float(rows.mean()) for user, rows in pd.Series(gaps(frame, predictions)).groupby(frame["user"])
    },
}


@pytest.mark.parametrize("shape", GROUP_SHAPES)
def test_one_number_a_group_is_compared_by_a_bootstrap_of_the_groups(shape):
    comparison = results(GROUP_SHAPES[shape]).comparisons["own"]
    assert (comparison.group_count, comparison.row_count) == (5, 30)
    assert comparison.method == "bootstrap by group, 2000 resamples"
    assert comparison.p_worse < 0.01


def test_as_many_groups_as_rows_are_groups_by_their_keys():
    frame = pd.DataFrame({"user": list("cab"), "label": [1.0, 2.0, 3.0]})
    by_user = own.measured(
        lambda f, p: f.groupby("user")["label"].mean(), "own", judged(np.zeros(3), frame), group="", seconds=9
    )
    assert (by_user.unit, by_user.keys.tolist()) == ("group", ["a", "b", "c"])


def test_one_number_is_computed_again_on_resamples():
    comparison = results(lambda frame, predictions: float(gaps(frame, predictions).mean())).comparisons["own"]
    assert comparison.method == "bootstrap by row, 2000 resamples"
    assert comparison.difference == pytest.approx(-2.0)
    assert comparison.low < comparison.difference < comparison.high
    assert comparison.p_worse < 0.01


def test_rows_of_the_declared_group_are_resampled_together():
    comparison = results(lambda frame, predictions: gaps(frame, predictions).max(), group="user").comparisons["own"]
    assert (comparison.group_count, comparison.method[:17]) == (5, "bootstrap by user")


BAD = {
    "raises": (lambda frame, predictions: 1 / 0, "ZeroDivisionError: division by zero"),
    "ends the program": (lambda frame, predictions: exit(3), "SystemExit: 3"),
    "not a number": (lambda frame, predictions: float("nan"), "got 'nan', allowed: finite numbers"),
    "infinite": (lambda frame, predictions: np.inf, "finite numbers"),
    "text": (lambda frame, predictions: "good", "good"),
    "text by row": (lambda frame, predictions: ["1.0"] * len(frame), "a number, one for each row"),
    "nothing": (lambda frame, predictions: None, "None"),
    "too few": (lambda frame, predictions: np.ones(3), "3 values for 30 rows"),
    "none": (lambda frame, predictions: [], "array of shape (0,)"),
    "a matrix": (lambda frame, predictions: np.ones((30, 2)), "array of shape (30, 2)"),
    "gaps": (lambda frame, predictions: np.where(frame["label"] > 3, 1.0, np.nan), "4 of 30 values"),
    "a gap in a group": (lambda frame, predictions: {"a": 1.0, "b": np.nan}, "1 of 2 values"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_metric_fails_by_its_name(case, capsys):
    function, why = BAD[case]
    sentence = failure(function)
    assert sentence.startswith("metric own: got ")
    assert why in sentence


def test_a_metric_that_never_ends_fails_by_its_name(monkeypatch):
    monkeypatch.setattr(all_metrics, "CALLS_S", 0.2)

    def endless(frame, predictions):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(60)  # for ever, as far as the judge is concerned

    assert failure(endless) == "metric own: got 'no result after 0 s', allowed: a metric that takes less."


def test_a_failure_of_one_metric_stops_no_other():
    specs = tuple(MetricSpec(base=name, better="lower", function=name) for name in ("bad", "good"))
    functions = {"bad": lambda frame, predictions: 1 / 0, "good": gaps}
    measured = measure_all(specs, judged(GOOD, FRAME), load=lambda spec: functions[spec.function])
    assert (measured.metrics, list(measured.failures)) == ({"good": 1.0}, ["bad"])


def test_of_a_limit_alone_nothing_is_resampled():
    spec, calls = MetricSpec(base="own", better="lower", function="loop:own"), []
    models = [judged(answer, FRAME) for answer in (POOR, GOOD)]
    measured = measure_all((spec,), *models, load=lambda _spec: lambda *call: len(calls.append(call) or calls))
    assert (len(calls), measured.metrics, measured.comparisons) == (1, {"own": 1.0}, {})


def test_a_failure_on_the_champion_says_so():
    def of_small(frame, predictions):
        return 1 / (predictions[0] - 1.0)

    assert results(of_small).failures["own"].startswith("of the champion: metric own")


def test_a_metric_cannot_change_what_the_next_one_gets():
    def spoil(frame, predictions):
        predictions[:] = 0
        frame["label"] = 0.0
        return 1.0

    results(spoil)
    assert results(gaps).metrics["own"] == pytest.approx(3.0)
    assert FRAME["label"].tolist() == list(range(30))


def test_other_groups_for_the_champion_are_a_failure():
    def by_answer(frame, predictions):
        return {str(predictions[0]): 1.0}

    assert "the same groups for both" in results(by_answer).failures["own"]


def test_a_metric_needs_no_label():
    frame = FRAME.drop(columns="label")
    spec = MetricSpec(base="spread", better="higher", function="loop:spread")
    measured = measure_all(
        (spec,), judged(GOOD, frame), load=lambda _spec: lambda _frame, predictions: predictions.std()
    )
    assert measured.metrics["spread"] == pytest.approx(GOOD.std())
