"""Models as people write them, judged: only `predict` is expected of them."""

import sys
import warnings

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own types
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

from helicline.engine import judging
from helicline.engine.judged_model import JudgedModel
from helicline.errors import Invalid
from helicline.gate.paired import measure

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::FutureWarning")
ROWS = pd.DataFrame({"x": np.linspace(-1, 1, 80), "y": np.linspace(1, 3, 80)})
IS_GOOD = np.where(ROWS["x"] > 0, "good", "bad")


class Written(mlflow.pyfunc.PythonModel):
    """A model that is a function of its frame."""

    def __init__(self, function):
        self.function = function

    def predict(self, context, model_input, params=None):
        return self.function(model_input)


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the models are loaded without this file


@pytest.fixture
def saved(tmp_path):
    def save(model, **options):
        path = tmp_path / "model"
        log = mlflow.pyfunc if isinstance(model, Written) else mlflow.sklearn
        name = "python_model" if isinstance(model, Written) else "sk_model"
        log.save_model(path=str(path), pip_requirements=[], **{name: model}, **options)
        return JudgedModel(path, "shop/1")

    return save


def evidence(model, truth, rows=ROWS):
    outputs = judging._outputs(model, rows, np.asarray(truth))
    return judging._measured(outputs)


def test_a_python_model_is_judged_like_any_other(saved):
    model = saved(Written(lambda frame: (frame["x"] > 0).astype(int).to_numpy()), signature=signature("x"))
    assert evidence(model, (ROWS["x"] > 0).astype(int)) == {"accuracy": 1.0}


def test_classes_that_are_text_have_every_metric_of_a_classifier(saved):
    model = saved(LogisticRegression().fit(ROWS, IS_GOOD), signature=infer_signature(ROWS, IS_GOOD))
    assert evidence(model, IS_GOOD) == {"accuracy": 1.0, "auc": 1.0, "log_loss": pytest.approx(0.25, abs=0.2)}


def test_a_hold_out_of_one_class_has_every_metric_but_auc(saved, capsys):
    model = saved(LogisticRegression().fit(ROWS, IS_GOOD), signature=infer_signature(ROWS, IS_GOOD))
    assert evidence(model, ["good"] * 40, ROWS.tail(40)).keys() == {"accuracy", "log_loss"}
    assert "rows of one class only" in capsys.readouterr().out


def test_a_model_that_answers_probabilities_has_an_accuracy(saved):
    fitted = LogisticRegression().fit(ROWS, IS_GOOD)
    model = saved(
        fitted, signature=infer_signature(ROWS, fitted.predict_proba(ROWS)), pyfunc_predict_fn="predict_proba"
    )
    assert evidence(model, IS_GOOD)["accuracy"] == 1.0


@pytest.mark.parametrize("amount", [lambda x: x * 1.7, lambda x: (x * 1000).round(), lambda x: (x * 4).round() / 4])
def test_a_target_with_amounts_is_judged_by_its_errors(saved, amount):
    rows = pd.DataFrame({"x": np.linspace(-1, 1, 400)})
    model = saved(LinearRegression().fit(rows, amount(rows["x"])), signature=signature("x"))
    assert evidence(model, amount(rows["x"]), rows)["mae"] < 3


def test_extra_columns_stay_out_and_the_others_come_in_the_order_of_the_signature(saved):
    fitted = LogisticRegression().fit(ROWS[["y", "x"]], IS_GOOD)
    model = saved(fitted, signature=infer_signature(ROWS[["y", "x"]], IS_GOOD))
    wide = ROWS.assign(id=range(80), note="text")[["id", "x", "note", "y"]]
    assert evidence(model, IS_GOOD, wide) == evidence(model, IS_GOOD)
    assert "auc" in evidence(model, IS_GOOD, wide)


def test_columns_whose_names_are_numbers_are_found(saved):
    rows = pd.DataFrame({0: ROWS["x"], 1: ROWS["y"]})
    model = saved(LogisticRegression().fit(rows.to_numpy(), IS_GOOD), signature=infer_signature(rows, IS_GOOD))
    assert evidence(model, IS_GOOD, rows.rename(columns=str))["accuracy"] == 1.0


def test_a_model_without_a_signature_gets_every_column(saved):
    model = saved(Written(lambda frame: np.where(frame["x"] > 0, "good", "bad")))
    assert evidence(model, IS_GOOD) == {"accuracy": 1.0}


def test_the_latency_of_a_model_that_needs_several_rows_is_that_of_several(saved, capsys):
    def ranked(frame):
        if len(frame) < 3:
            raise ValueError("too few to rank")
        return frame["x"].rank().to_numpy()

    model = saved(Written(ranked), signature=signature("x"))
    assert model.rows_per_call(ROWS) == 64
    assert "does not take a single row (ValueError: too few to rank)" in capsys.readouterr().out


def test_an_output_of_another_length_is_refused_by_name(saved):
    model = saved(Written(lambda frame: np.zeros(3)), signature=signature("x"))
    with pytest.raises(Invalid, match=r"the output of shop/1: got 'an output of shape \(3,\) for 80 rows'"):
        model.predict(ROWS)


def test_rows_without_the_truth_are_left_out_and_counted(capsys):
    holdout = ROWS.assign(label=[None, *["good"] * 79])
    _, truth, rows = judging._split(holdout, "label")
    assert (len(truth), len(rows)) == (79, 79)
    assert "1 of 80 rows have no 'label'" in capsys.readouterr().out
    with pytest.raises(Invalid, match="no row with a 'label'"):
        judging._split(holdout.head(1), "label")


def test_numbers_are_equal_by_value_whatever_their_types():
    truth, predicted = np.array([1.0, 0.0, 2.0]), np.array([1, 0, 1])
    assert measure("accuracy", truth, predicted) == pytest.approx(2 / 3)
    assert measure("accuracy", np.array(["1", "0"]), np.array([1, 0])) == 1.0
    assert measure("accuracy", np.array([True, False]), np.array([1, 1])) == 0.5


def signature(*names):
    return ModelSignature(inputs=Schema([ColSpec("double", name) for name in names]))


def test_of_outputs_by_name_the_first_is_judged(saved):
    def by_name(frame):
        return {"label": (frame["x"] > 0).astype(int).to_numpy(), "score": frame["x"].to_numpy()}

    assert evidence(saved(Written(by_name)), (ROWS["x"] > 0).astype(int)) == {"accuracy": 1.0}


def test_a_model_that_answers_one_conversation_is_called_row_by_row_and_its_objects_are_not_measured(saved, capsys):
    model = saved(Written(lambda frame: {"choices": [f"{len(frame)} row"]}))
    assert list(model.predict(ROWS)) == [{"choices": ["1 row"]}] * len(ROWS)
    assert evidence(model, IS_GOOD) == {}
    output = capsys.readouterr().out
    assert output.count("it is called row by row") == 1
    assert "answers with objects, which no metric is defined for" in output


def test_the_reference_has_the_columns_of_the_prediction_log(saved):
    rows = ROWS.assign(id=range(80))
    zeros = Written(lambda frame: np.zeros(len(frame)))
    assert saved(zeros, signature=signature("y", "x")).logged_columns(rows) == {"y": "y", "x": "x"}


def test_the_columns_of_a_matrix_are_numbered_as_in_the_log(saved):
    matrix = infer_signature(ROWS.to_numpy(), np.zeros(80))
    model = saved(Written(lambda array: np.zeros(len(array))), signature=matrix)
    assert model.logged_columns(ROWS) == {"0": "x", "1": "y"}
    assert model.logged_columns(ROWS.assign(id=1)) == {}  # which of three columns are the two is not known


def test_a_model_without_a_signature_has_no_reference(saved):
    assert saved(Written(lambda frame: np.zeros(len(frame)))).logged_columns(ROWS) == {}


def test_a_target_of_whole_numbers_is_an_amount_where_the_model_answers_fractions(saved):
    ages = (np.arange(80) % 40) + 20
    guesses = Written(lambda frame: np.full(len(frame), 40.5))
    assert evidence(saved(guesses, signature=signature("x")), ages).keys() == {"mae", "mse", "accuracy"}


def test_a_probability_of_yes_or_no_is_no_amount(saved):
    guesses = Written(lambda frame: np.full(len(frame), 0.5))
    assert evidence(saved(guesses, signature=signature("x")), np.arange(80) % 2).keys() == {"accuracy"}


@pytest.mark.parametrize("is_named", [False, True])
def test_a_matrix_comes_in_the_type_of_the_signature(saved, is_named):
    matrix = ROWS.to_numpy(dtype=np.float32)
    inputs = infer_signature({"x": matrix} if is_named else matrix, np.zeros(80))

    def checked(value):
        array = value["x"] if is_named else value
        assert array.dtype == np.float32
        return (array[:, 0] > 0).astype(int)

    assert evidence(saved(Written(checked), signature=inputs), (ROWS["x"] > 0).astype(int)) == {"accuracy": 1.0}
