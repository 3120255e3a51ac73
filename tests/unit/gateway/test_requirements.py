import importlib.metadata

import pytest

from helicline.gateway.fleet.environment import requirements_to_install
from helicline.gateway.fleet.requirements import name_of, unmet

NUMPY = importlib.metadata.version("numpy")


@pytest.mark.parametrize(
    "line",
    [
        "numpy",
        f"numpy=={NUMPY}",
        "NumPy>=1",
        "numpy>=1.26,<99",
        "numpy~=2.0",
        "numpy!=1.0",
        "numpy==2.*",
        "mlflow==0.1",
        "# x",
    ],
)
def test_what_is_installed_is_met_and_mlflow_is_not_looked_at(line):
    assert unmet(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "numpy==1.0",
        "numpy<1",
        "numpy==1.*",
        "numpy~=1.0",
        "surely-not-installed",
        "numpy; python_version < '3'",
        "git+https://example.org/x.git",
        "-e .",
        "numpy @ file:///x",
        "numpy==broken version",
    ],
)
def test_what_is_missing_other_or_unclear_is_unmet(line):
    assert unmet(line) == [line]


def test_names_are_normalised():
    assert name_of("Scikit_Learn[extra]>=1") == "scikit-learn"


def test_a_built_environment_has_the_light_mlflow_and_what_it_needs():
    assert requirements_to_install("mlflow==3.17.2\nscikit-learn==1.9.1\n") == [
        "mlflow-skinny==3.17.2",
        "numpy",
        "pandas",
        "scikit-learn==1.9.1",
    ]
