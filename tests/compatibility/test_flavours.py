"""Each flavour of model: logged by the stock client, registered, judged, deployed, asked on every face, monitored.

One flavour of each kind that the development environment has is tried here; `make flavours` has an environment with all
of them.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path

import pytest

os.environ |= {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}

import cloudpickle

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own types
    import mlflow

    from compatibility import flavours
    from compatibility.flavours import FLAVOURS, Flavour

from compatibility.faces import FACES, Face, flat, values_of
from compatibility.stack import Stack

pytestmark = pytest.mark.filterwarnings("ignore")
ARE_ALL = bool(os.environ.get("HELICLINE_FLAVOURS"))


def is_here(flavour: Flavour) -> bool:
    """Tell whether a flavour is tried: in the environment of `make flavours` every one must be."""
    return ARE_ALL or (flavour.is_brief and all(importlib.util.find_spec(module) for module in flavour.modules))


HERE = [flavour for flavour in FLAVOURS if is_here(flavour)]
each_flavour = pytest.mark.parametrize("flavour", HERE, ids=lambda flavour: flavour.name)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    """Every model logged, registered, and on its way to be served."""
    cloudpickle.register_pickle_by_value(flavours)  # the models are loaded without this file
    folder, before = tmp_path_factory.mktemp("stack"), Path.cwd()
    running = Stack(folder)
    os.chdir(folder)
    try:
        mlflow.set_tracking_uri(running.url)
        mlflow.set_registry_uri(running.url)
        mlflow.set_experiment("flavours")
        for flavour in HERE:
            mlflow.register_model(flavour.log().model_uri, flavour.model)
            running.deploy(flavour.model)
        yield running
    finally:
        os.chdir(before)
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
        running.close()


@each_flavour
def test_it_is_judged(stack: Stack, flavour: Flavour):
    metrics, reference = stack.judge(flavour.model, flavour.holdout)
    assert tuple(sorted(metrics)) == tuple(sorted(flavour.metrics))
    assert "mae" in metrics or metrics.get("accuracy", 1.0) > 0.8
    assert {f"f_{name}" for name in reference.columns} == set(flavour.logged if flavour.is_monitored else ())


@each_flavour
def test_it_is_served_predicts_the_same_on_every_face_and_is_logged_by_column(stack: Stack, flavour: Flavour):
    revision = stack.served(flavour.model)
    assert revision["state"] == "READY", revision["reason"]
    expected = flat(mlflow.pyfunc.load_model(f"models:/{flavour.model}/1").predict(flavour.sample))
    answered = sum(is_answered(stack, flavour, face, expected=expected) for face in FACES)
    assert stack.logged_types(flavour.model, answered) == flavour.logged


def is_answered(stack: Stack, flavour: Flavour, face: Face, *, expected: list) -> bool:
    """Ask on a face; tell whether it was answered. What the table says is refused must be refused in its words."""
    body = face.encode(flavour.sample)
    if body is None:
        return False
    headers = {"Content-Type": face.media_type, **face.headers(body)}
    answer = stack.ask(face.path.format(flavour.model), body, **headers)
    if words := flavour.refused.get(face.name):
        assert 400 <= answer.status_code < 500, f"{face.name}: {answer.text[:500]}"
        assert words in answer.text, f"{face.name}: {answer.text[:1000]}"
        return False
    assert answer.status_code == 200, f"{face.name}: {answer.text[:500]}"
    answered = values_of(answer.json())
    assert len(answered) == len(expected), f"{face.name}: {answered}"
    assert all(map(is_same, answered, expected)), f"{face.name}: {answered}, not {expected}"
    return True


def is_same(answered: object, expected: object) -> bool:
    is_float = isinstance(answered, float) and isinstance(expected, float)
    return answered == pytest.approx(expected, rel=1e-6) if is_float else answered == expected
