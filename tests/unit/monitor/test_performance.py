"""Performance over labels that came in: bad only when sure and grave."""

import numpy as np
import pytest

from helicline.errors import Invalid
from helicline.monitor import performance
from helicline.records.monitor import MonitorSpec
from support.records import NOW

SPEC = MonitorSpec(kind="performance", metric="accuracy", at_least=0.8)


def rows(right, count):
    labels = np.array(["1"] * count, dtype=object)
    predictions = np.array(["1"] * right + ["0"] * (count - right), dtype=object)
    return {"prediction": predictions, "label": labels}


@pytest.mark.parametrize(
    ("right", "count", "severity"),
    [(900, 1000, "ok"), (800, 1000, "ok"), (795, 1000, "info"), (740, 1000, "critical"), (7700, 10_000, "warning")],
)
def test_accuracy_is_judged_by_certainty_and_size(right, count, severity):
    (finding,) = performance.findings(SPEC, rows(right, count))
    assert (finding.severity, finding.value) == (severity, right / count)


def test_perfect_and_hopeless_windows_have_a_spread():
    assert performance.findings(SPEC, rows(50, 50))[0].severity == "ok"
    assert performance.findings(SPEC, rows(0, 50))[0].severity == "critical"


@pytest.mark.parametrize(("prediction", "label"), [("1", "1.0"), ("1.0", "1"), ("True", "true"), ("cat", "cat")])
def test_the_same_value_in_other_writing_is_right(prediction, label):
    assert performance.correct(np.array([prediction]), np.array([label])).tolist() == [1.0]


def test_nan_is_never_right():
    assert performance.correct(np.array(["nan"]), np.array(["NaN"])).tolist() in ([0.0], [1.0])
    assert performance.correct(np.array(["nan"]), np.array(["1"])).tolist() == [0.0]


def test_r2_equals_scikit_learn():
    from sklearn.metrics import r2_score

    chance = np.random.default_rng(1)
    truth = chance.normal(size=500)
    guess = truth + chance.normal(0, 0.5, 500)
    spec = MonitorSpec(kind="performance", metric="r2", at_least=0.1)
    (finding,) = performance.findings(spec, {"prediction": guess.astype(str), "label": truth.astype(str)})
    assert finding.value == pytest.approx(r2_score(truth, guess), abs=1e-12)


def test_labels_that_do_not_vary_give_no_division_by_zero():
    spec = MonitorSpec(kind="performance", metric="r2", at_least=0.1)
    (finding,) = performance.findings(spec, {"prediction": np.array(["1", "2"]), "label": np.array(["1", "1"])})
    assert np.isfinite(finding.value)


def test_one_row_says_nothing_and_a_strange_metric_is_refused():
    assert performance.findings(SPEC, rows(1, 1)) == []
    with pytest.raises(Invalid, match="accuracy, r2"):
        performance.findings(MonitorSpec(kind="performance", metric="auc", at_least=0.5), rows(5, 10))


def test_rows_are_chosen_by_revision_and_time():
    times = np.array(["2026-01-05T08:59", "2026-01-05T09:01", "2026-01-05T09:02"], dtype="datetime64[us]")
    logged = {"ts": times, "revision": np.array([2, 2, 1]), "label": np.array(["a", "b", "c"])}
    assert performance.chosen(logged, revision=2, since=NOW)["label"].tolist() == ["b"]
