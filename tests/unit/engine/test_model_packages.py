"""The requirements of an estimator are the packages of its own objects."""

from importlib.metadata import version

import numpy as np
import pandas
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from helicline.engine.estimator import requirements_of

FITTED = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


def names(lines):
    return {line.partition("==")[0] for line in lines}


def test_an_estimator_needs_the_packages_of_its_classes_in_these_versions():
    lines = requirements_of(FITTED, "skops")
    assert names(lines) == {"scikit-learn", "numpy", "skops"}
    assert f"scikit-learn=={version('scikit-learn')}" in lines


def test_a_module_that_a_function_of_it_uses_counts():
    frames = FunctionTransformer(lambda rows: np.asarray(pandas.DataFrame(rows)))
    assert "pandas" in names(requirements_of(make_pipeline(frames, FITTED)))


def test_the_standard_library_and_own_modules_are_no_packages():
    estimator = make_pipeline(FunctionTransformer(names), FITTED)
    assert names(requirements_of(estimator)) == names(requirements_of(FITTED))
