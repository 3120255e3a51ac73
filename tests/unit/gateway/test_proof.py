"""What a worker tries before a model takes traffic: a model that does not take it is called the plain way."""

import sys
import time
import warnings

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import yaml

from helicline.gateway.worker import proof
from helicline.gateway.worker.model import Predictor, load

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own types
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::FutureWarning")
ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the models are loaded without this file


class Written(mlflow.pyfunc.PythonModel):
    """A model that is a function of its frame."""

    def __init__(self, function):
        self.function = function

    def predict(self, context, model_input, params=None):
        return self.function(model_input)


@pytest.fixture
def predictor(tmp_path):
    def make(function, *, has_example=False):
        path = tmp_path / "model"
        signature = ModelSignature(inputs=Schema([ColSpec("double", "x"), ColSpec("double", "y")]))
        example = pd.DataFrame(ROWS, columns=["x", "y"]) if has_example else None
        mlflow.pyfunc.save_model(
            path=str(path), python_model=Written(function), signature=signature, input_example=example,
            pip_requirements=[],
        )  # fmt: skip
        return Predictor(load(path, yaml.safe_load((path / "MLmodel").read_text())))

    return make


def refuses_negatives(frame):
    if (frame["x"] < 0).any():
        raise ValueError("x must not be negative")
    return frame["x"].to_numpy() ** 0.5


def needs_several(frame):
    if len(frame) < 2:
        raise ValueError("nothing to compare with")
    return frame["x"].rank().to_numpy()


def refuses_many(frame):
    if len(frame) > 4:
        raise ValueError("at most four")
    return frame["x"].to_numpy()


def of_the_batch(frame):
    return (frame["x"] - frame["x"].mean()).to_numpy()


def row_by_row(frame):
    return (value * 2 for value in frame["x"])


def at_random(frame):
    return np.random.default_rng().normal(size=len(frame))


def is_called(predictor):
    return list(predictor.predict_rows(ROWS))


@pytest.mark.parametrize("has_example", [False, True])
@pytest.mark.parametrize(
    ("function", "batchable", "words"),
    [
        (refuses_negatives, None, ""),
        (needs_several, False, "calls are not joined: ValueError: nothing to compare with"),
        (refuses_many, None, ""),
        (of_the_batch, False, ""),
        (row_by_row, True, ""),
        (at_random, False, ""),
        (lambda frame: frame[["x"]], True, ""),
        (lambda frame: {"of": frame["x"].to_numpy()}, False, ""),
        (lambda frame: "one text", False, ""),
    ],
)
def test_a_model_is_deployed_whatever_it_thinks_of_what_is_tried_with_it(
    predictor, function, batchable, words, has_example
):
    model = predictor(function, has_example=has_example)
    proof.prove(model)
    proof.warm_up(model)
    assert batchable is None or model.batchable is batchable
    assert words in model.reason
    assert model.reason
    is_called(model)


def test_what_stops_the_warm_up_is_said(predictor):
    model = predictor(refuses_many, has_example=True)
    proof.prove(model)
    proof.warm_up(model)
    assert "not warmed up with 8 rows: ValueError: at most four" in model.reason


def test_a_model_that_fails_on_its_own_example_is_unsound(predictor):
    model = predictor(refuses_negatives, has_example=True)
    model.loaded.pyfunc.predict = lambda *_, **__: 1 / 0
    with pytest.raises(proof.Unsound, match="fails on its own input example: ZeroDivisionError"):
        proof.prove(model)


def test_a_slow_model_is_not_called_again_and_again(predictor):
    calls = []

    def slow(frame):
        calls.append(len(frame))
        time.sleep(0.03)  # the call's own time, which is measured
        return frame["x"].to_numpy()

    model = predictor(lambda frame: frame["x"].to_numpy(), has_example=True)
    model.loaded.pyfunc.predict = slow
    proof.prove(model, longest_call_s=0.02)
    proof.warm_up(model)
    assert calls == [4]
    assert not model.batchable
    assert "too long to prove a faster way with" in model.reason
