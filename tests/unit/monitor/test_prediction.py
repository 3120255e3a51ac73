"""Drift of what the model answers: labels, scores and probabilities, against its answers to the hold-out."""

import numpy as np
import pytest

from helicline.engine import judging
from helicline.gateway.segment_profiles import profile_writer
from helicline.monitor import drift, quality
from helicline.monitor.profile import PREDICTION, build, centres_of, decode, encode, merged
from helicline.monitor.testable import with_roles
from helicline.records.monitor import MonitorSpec
from helicline.serving.prediction_log import columns, profiles
from helicline.serving.prediction_log.files import LogFile
from helicline.serving.prediction_log.names import parsed
from support.prediction_log import NOON, SCHEMA, call, line, packed

SPEC = MonitorSpec(kind="drift")
CHANCE = np.random.default_rng(7)


def profile_of(answers, reference=None):
    values = np.asarray(answers)
    return build({}, centres_of(reference) if reference else None, prediction=values)


def finding(old, new, **spec):
    reference = with_roles(profile_of(old), {}, np.asarray(old))
    window = merged([profile_of(part, reference) for part in np.array_split(np.asarray(new), 3)])
    return drift.of_prediction(MonitorSpec(kind="drift", **spec), reference, window)


def labels(share, n):
    return np.where(CHANCE.random(n) < share, "yes", "no").astype(object)


@pytest.mark.parametrize(
    ("old", "same", "moved"),
    [
        (labels(0.2, 2000), labels(0.2, 600), labels(0.5, 600)),
        (CHANCE.beta(2, 8, 2000), CHANCE.beta(2, 8, 600), CHANCE.beta(4, 6, 600)),
        (CHANCE.normal(0, 1, 2000), CHANCE.normal(0, 1, 600), CHANCE.normal(1, 1, 600)),
        (np.array([0, 1] * 1000), np.array([0, 1] * 300), np.array([0, 0, 0, 1] * 150)),
    ],
)
def test_answers_that_moved_are_found_and_those_that_did_not_are_ok(old, same, moved):
    assert (finding(old, same).statistic, finding(old, same).severity) == ("psi", "ok")
    result = finding(old, moved)
    assert (result.column, result.severity) == (PREDICTION, "critical")
    assert quality.broken([result]) == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (labels(0.2, 2000), np.ones(300), "text in the reference, numbers in what came in"),
        (np.ones(300), labels(0.2, 300), "numbers in the reference, text in what came in"),
        (
            np.array([f"answer {number}" for number in range(300)], dtype=object),
            labels(0.5, 300),
            "nearly every value is different, as of an identifier or free text",
        ),
    ],
)
def test_answers_that_cannot_be_compared_say_why(old, new, why):
    assert finding(old, new).detail == f"not tested: {why}"


def test_a_version_without_answers_to_compare_with_says_so():
    result = drift.of_prediction(SPEC, build({}), profile_of(np.ones(300)))
    assert result.detail.startswith("not tested: the version has no answers to compare with")
    reference = profile_of(np.ones(300))
    assert drift.of_prediction(SPEC, reference, build({})).detail == "not tested: no answer of one value a row came in"


def test_the_answers_are_left_out_where_the_monitor_excludes_them():
    assert finding(np.zeros(300), np.ones(300), exclude=(PREDICTION,)).detail == "not tested: the monitor excludes it"


def test_inputs_of_that_name_are_another_column():
    reference = build({"prediction": np.arange(300.0)}, prediction=np.zeros(300))
    assert decode(encode(reference)).column("prediction") != reference.column(PREDICTION)


@pytest.mark.parametrize(
    "output",
    [
        np.array([0.25, np.nan, 0.5]),
        np.array([[0.25], [0.75], [0.5]]),
        np.array([1, 2, 2]),
        np.array([True, False, True]),
        np.array(["yes", "no", "yes"], dtype=object),
        np.array(["yes", "no", "yes"]),
        np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]]),
        np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]], dtype=np.float32),
        np.array([[3.0, 0.8], [5.0, 0.5], [1.0, 0.0]]),
        np.array([[0.2, 0.3, 0.5]] * 3),
        np.array([np.float32(0.5), 2, None], dtype=object),
        np.array([{"label": "yes", "score": 0.5}] * 3, dtype=object),
        np.array([{"label": "yes"}, {"label": "no"}, {"label": "no"}], dtype=object),
    ],
)
def test_the_judge_counts_answers_as_the_prediction_log_does(output):
    (batch,) = columns.batches([SCHEMA, line("a", packed([[0.0, 0.0]] * 3, output))])
    logged = columns.answers(batch.columns["prediction"], batch.columns["score"])
    judged = judging._answered(output)
    if judged is None:
        assert logged is None
    else:
        assert build({}, prediction=judged) == build({}, prediction=logged)


def test_of_two_probabilities_the_second_is_the_score():
    assert judging._answered(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist() == [0.8, 0.5]


def test_the_profiles_beside_the_log_have_the_answers(tmp_path):
    (batch,) = columns.batches([SCHEMA, *(call(NOON, number=number) for number in (1, 2, 2))])
    logged = {f"f_{name}" if name in ("a", "n") else name: values for name, values in batch.columns.items()}
    path = tmp_path / "20260304T120000000000_20260304T120000000000_0_0_s_1.parquet"
    profile_writer(tmp_path)(path, logged)
    (stored,) = profiles.parts_of(LogFile(path, parsed(path.name, day="2026-03-04")))
    part = decode(stored.by_revision[1])
    assert (part.prediction.count, part.prediction.low, part.prediction.high) == (3, 1.0, 2.0)
