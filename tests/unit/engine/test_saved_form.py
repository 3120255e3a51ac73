"""An estimator that a step returns is saved in a form that can be loaded, whatever it is."""

import sys
import warnings

import cloudpickle
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own types
    import mlflow.sklearn

from helicline.engine.estimator import _saved_form

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::FutureWarning")
ROWS, CLASSES = np.linspace(0, 1, 40).reshape(20, 2), np.repeat([0, 1], 10)


@pytest.mark.parametrize(
    ("estimator", "line"),
    [
        (RandomForestClassifier(3), "trusted when it is loaded: sklearn.tree._tree.Tree"),
        (HistGradientBoostingClassifier(max_iter=3), "predictor.TreePredictor"),
        (LogisticRegression(), ""),
        (make_pipeline(FunctionTransformer(lambda rows: rows * 2), LogisticRegression()), "saved by cloudpickle"),
    ],
    ids=["forest", "boosted", "plain", "own function"],
)
def test_an_estimator_is_saved_and_loaded(estimator, line, tmp_path, capsys):
    fitted = estimator.fit(ROWS, CLASSES)
    mlflow.sklearn.save_model(fitted, tmp_path / "model", pip_requirements=[], **_saved_form(fitted))
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert loaded.predict(ROWS).tolist() == fitted.predict(ROWS).tolist()
    output = capsys.readouterr().out
    assert line in output if line else not output


class Own(LogisticRegression):
    """A class of a loop's own file."""


def test_a_class_of_the_loops_own_files_goes_into_the_model(tmp_path, capsys):
    module = sys.modules[Own.__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        form = _saved_form(Own().fit(ROWS, CLASSES))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert form == {"serialization_format": "cloudpickle"}
    assert f"with the classes of the loop's own files: {Own.__module__}.Own" in capsys.readouterr().out
