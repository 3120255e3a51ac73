"""Performance over labels that came in: bad only when sure and grave."""

import numpy as np
import pytest

from helicline.errors import Invalid
from helicline.monitor import performance
from helicline.records.monitor import Finding, MonitorSpec
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
    with pytest.raises(Invalid, match="accuracy, auc, gini"):
        performance.findings(MonitorSpec(kind="performance", metric="charm", at_least=0.5), rows(5, 10))


def test_rows_are_chosen_by_revision_and_time():
    times = np.array(["2026-01-05T08:59", "2026-01-05T09:01", "2026-01-05T09:02"], dtype="datetime64[us]")
    logged = {"ts": times, "revision": np.array([2, 2, 1]), "label": np.array(["a", "b", "c"])}
    assert performance.chosen(logged, revision=2, since=NOW)["label"].tolist() == ["b"]


def scored(count=3000, seed=4):
    chance = np.random.default_rng(seed)
    truth = (chance.random(count) < 0.3).astype(float)
    score = np.round(np.clip(0.3 + 0.25 * (truth - 0.3) + chance.normal(0, 0.15, count), 0, 1), 3)
    return truth, score


def measured(metric, truth, predicted, **limit):
    spec = MonitorSpec(kind="performance", metric=metric, **(limit or {"at_least": 0.0}))
    (finding,) = performance.findings(spec, {"prediction": predicted.astype(str), "label": truth.astype(str)})
    return finding


def of_scikit_learn():
    from scipy.stats import ks_2samp
    from sklearn import metrics as reference

    return {
        "auc": reference.roc_auc_score,
        "gini": lambda truth, score: 2 * reference.roc_auc_score(truth, score) - 1,
        "ks": lambda truth, score: ks_2samp(score[truth == 1], score[truth == 0]).statistic,
        "log_loss": lambda truth, score: reference.log_loss(truth, np.clip(score, 1e-15, 1 - 1e-15)),
        "brier": reference.brier_score_loss,
        "precision": lambda truth, score: reference.precision_score(truth, score >= 0.5),
        "recall": lambda truth, score: reference.recall_score(truth, score >= 0.5),
        "f1": lambda truth, score: reference.f1_score(truth, score >= 0.5),
        "r2": reference.r2_score,
        "mae": reference.mean_absolute_error,
        "mse": reference.mean_squared_error,
        "rmse": lambda truth, score: reference.mean_squared_error(truth, score) ** 0.5,
        "mean": lambda truth, score: truth.mean(),
    }


@pytest.mark.parametrize("metric", sorted(of_scikit_learn()))
def test_a_metric_is_that_of_scikit_learn(metric):
    truth, score = scored()
    assert measured(metric, truth, score).value == pytest.approx(of_scikit_learn()[metric](truth, score), abs=1e-9)


def test_the_calibration_error_is_the_distance_of_score_and_share():
    truth, score = np.tile([1.0, 0.0, 0.0, 0.0], 250), np.full(1000, 0.65)
    assert measured("calibration_error", truth, score).value == pytest.approx(0.40)


@pytest.mark.parametrize("metric", ["auc", "ks", "brier", "mae", "mean", "f1"])
def test_the_spread_is_that_of_repeated_samples(metric):
    values = [measured(metric, *scored(1000, seed)).value for seed in range(80)]
    spread = float(measured(metric, *scored(1000, 99)).detail.split("± ")[1].split(",")[0]) / 1.96
    assert 0.5 < spread / np.std(values) < 2


@pytest.mark.parametrize(
    ("limit", "severity"),
    [
        ({"at_least": 0.7}, "ok"),
        ({"at_least": 0.99}, "critical"),
        ({"at_most": 0.95}, "ok"),
        ({"at_most": 0.5}, "critical"),
    ],
)
def test_a_limit_is_a_least_or_a_most(limit, severity):
    assert measured("auc", *scored(), **limit).severity == severity


def test_a_value_on_the_limit_is_no_alarm():
    truth, score = scored()
    value = measured("auc", truth, score).value
    assert measured("auc", truth, score, at_least=value + 0.001).severity == "info"


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "why"),
    [
        ("auc", np.ones(100), np.linspace(0, 1, 100), "nearly all labels are of one class"),
        ("auc", np.arange(100.0), np.linspace(0, 1, 100), "the labels are not 0 and 1"),
        ("brier", np.tile([0.0, 1.0], 50), np.linspace(-3, 3, 100), "the predictions are no probabilities"),
        ("mae", np.array(["cat"] * 100), np.array(["dog"] * 100), "predictions and labels are no numbers"),
    ],
)
def test_what_cannot_be_measured_says_why_and_is_no_ok(metric, truth, predicted, why):
    finding = measured(metric, truth, predicted)
    assert (finding.severity, finding.detail) == ("insufficient_data", f"not tested: {why}")


def test_rows_that_are_no_numbers_are_left_out_and_said():
    truth, score = scored(200)
    rows = {"prediction": np.array([*score.astype(str), "None"]), "label": np.array([*truth.astype(str), "1"])}
    (finding,) = performance.findings(MonitorSpec(kind="performance", metric="auc", at_least=0.5), rows)
    assert (finding.window_count, "1 rows that are no numbers" in finding.detail) == (200, True)


def test_the_mean_of_a_feedback_needs_no_number_from_the_model():
    finding = measured("mean", np.array(["1", "0", "1", "1"] * 50), np.array(["a text"] * 200), at_least=0.5)
    assert (finding.value, finding.severity) == (0.75, "ok")


DROP = MonitorSpec(kind="performance", metric="accuracy", drop=0.1)


def version_before(value, spread=0.01, metric="accuracy"):
    return Finding(
        column=metric, statistic="value", value=value, threshold=0.0, p_value=None, severity="ok", window_count=900,
        reference_count=0, spread=spread,
    )  # fmt: skip


@pytest.mark.parametrize(("good", "severity"), [(900, "ok"), (820, "ok"), (700, "critical")])
def test_a_drop_is_judged_against_what_the_version_before_had(good, severity):
    (finding,) = performance.findings(DROP, rows(good, 1000), version_before(0.9))
    assert (finding.severity, finding.threshold) == (severity, pytest.approx(0.81))
    assert "the version before had 0.900, allowed is 10% worse" in finding.detail


def test_an_uncertain_version_before_makes_the_verdict_uncertain():
    verdicts = [
        performance.findings(DROP, rows(700, 1000), version_before(0.9, spread))[0].severity for spread in (0.01, 0.2)
    ]
    assert verdicts == ["critical", "info"]


def test_of_a_loss_more_is_worse():
    spec = MonitorSpec(kind="performance", metric="mae", drop=0.2)
    labels = np.arange(500.0)
    for error, severity in ((1.1, "ok"), (1.5, "critical")):
        guess = labels + error * np.where(labels % 2, 1, -1)
        columns = {"prediction": guess.astype(str), "label": labels.astype(str)}
        (finding,) = performance.findings(spec, columns, version_before(1.0, 0.001, "mae"))
        assert finding.severity == severity


def test_without_a_version_before_a_drop_is_not_tested_and_says_so():
    (finding,) = performance.findings(DROP, rows(500, 1000))
    assert (finding.severity, finding.statistic) == ("insufficient_data", "not_tested")
    assert "no version before" in finding.detail


@pytest.mark.parametrize(
    ("metric", "expected"), [("recall@2", 0.5), ("recall@1", 0.125), ("mrr", (0.5 + 0.0 + 1.0 + 0.5) / 4)]
)
def test_lists_of_items_are_measured_by_the_item_or_the_items_of_the_label(metric, expected):
    lists = {
        "prediction": np.array(['["a", "b"]', '["c", "d"]', "x", "[7, 8]"], dtype=object),  # a list of one is its item
        "label": np.array(["b", '["e"]', '["x", "y"]', "[8, 1.5]"], dtype=object),
    }
    spec = MonitorSpec(kind="performance", metric=metric, at_least=0.1)
    (finding,) = performance.findings(spec, lists)
    assert finding.value == pytest.approx(expected)


def test_a_quantile_is_judged_as_a_loss():
    numbers = {"prediction": np.array(["1.0", "2.0", "3.0"]), "label": np.array(["2.0", "2.0", "2.0"])}
    spec = MonitorSpec(kind="performance", metric="pinball@0.9", at_most=0.01)
    (finding,) = performance.findings(spec, numbers)
    assert finding.value == pytest.approx((0.9 + 0 + 0.1) / 3)
