"""Saves the models of the gateway's tests with stock MLflow: `save_models.py FOLDER`."""

import os
import sys
import time
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import ColSpec, Schema
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

warnings.simplefilter("ignore")
FOLDER = Path(sys.argv[1])
PIP = ["mlflow", "scikit-learn", "numpy", "pandas", "cloudpickle"]
NUMBERS = pd.DataFrame({"a": [1.0, 2.0, 3.0, -1.0], "b": [0.5, 0.25, 1.0, 4.0]})
SUMS = infer_signature(NUMBERS, np.array([1.0, 2.0]))


def iris():
    x, y = load_iris(return_X_y=True, as_frame=True)
    x.columns = ["sl", "sw", "pl", "pw"]
    for name, shift in (("iris", 0), ("iris-next", 10)):
        model = LogisticRegression(max_iter=500).fit(x, y + shift)
        signature = infer_signature(x, model.predict(x))
        mlflow.sklearn.save_model(
            model,
            FOLDER / name,
            signature=signature,
            input_example=x.head(5),
            serialization_format="cloudpickle",
            pip_requirements=PIP,
        )
    model = LogisticRegression(max_iter=500).fit(x.to_numpy(), y)
    signature = infer_signature(x.to_numpy(), model.predict(x.to_numpy()))
    mlflow.sklearn.save_model(
        model,
        FOLDER / "tensor",
        signature=signature,
        input_example=x.to_numpy()[:4],
        pip_requirements=[*PIP, "skops"],
    )
    mlflow.sklearn.save_model(model, FOLDER / "unsigned", serialization_format="cloudpickle", pip_requirements=PIP)


def mixed():
    x = pd.DataFrame(
        {
            "plan": ["free", "pro", "free", "team"] * 5,
            "age": [20, 41, 33, 57] * 5,
            "spend": [1.5, 20.0, 0.0, 99.5] * 5,
        }
    )
    y = np.array(["stay", "leave", "stay", "leave"] * 5)
    columns = ColumnTransformer([("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"])], remainder="passthrough")
    model = Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=2000))]).fit(x, y)
    mlflow.sklearn.save_model(
        model,
        FOLDER / "mixed",
        signature=infer_signature(x, model.predict(x)),
        input_example=x.head(4),
        serialization_format="cloudpickle",
        pip_requirements=PIP,
    )


class Summing(mlflow.pyfunc.PythonModel):
    """Adds up a row; what else it does depends on its name."""

    def __init__(self, name):
        self.name = name

    def load_context(self, context):
        if self.name == "tardy":
            time.sleep(2)  # longer than others take, so that it is ready after those that are loaded beside it

    def predict(self, context, model_input, params=None):
        if self.name == "broken":
            raise RuntimeError("this model always fails")
        if self.name == "slow" and (model_input["a"] == 5).any():
            time.sleep(1.5)  # a slow call of the model, which the tests interrupt
        if self.name == "crashing" and (model_input["a"] == 666).any():
            os.kill(os.getpid(), 9)
        if self.name == "picky" and (model_input["a"] < 0).any():
            raise RuntimeError("negative a")
        if self.name == "odd" and (model_input["a"] == 1).any():
            return np.array([1.0, 2.0])  # whatever the number of rows
        if self.name == "odd" and (model_input["a"] == 2).any():
            return [object() for _ in range(len(model_input))]
        if self.name == "odd" and (model_input["a"] == 3).any():
            return {"score": [1.0] * len(model_input), "label": ["x"]}
        if self.name == "alone":  # its calls cannot be joined: the answer tells how many rows it ran with
            if (model_input["b"] == 9).any():
                time.sleep(float(model_input["a"].iloc[0]))  # as long as the test asks for
            return (model_input["a"] + model_input["b"]).to_numpy() + len(model_input) - 1
        return (model_input["a"] + model_input["b"]).to_numpy()


class Prying(mlflow.pyfunc.PythonModel):
    """Returns what it could read of the gateway: a line for each attempt, whatever the rows are."""

    def predict(self, context, model_input, params=None):
        parent = Path(f"/proc/{os.getppid()}")
        gateway_home = Path(os.environ["HOME"]).parents[1]
        attempts = {
            "owner's token": lambda: (gateway_home / "owner.token").read_text(),
            "home": lambda: os.listdir(gateway_home),
            "environment of the parent": lambda: (parent / "environ").read_bytes(),
            "scratch of others": lambda: os.listdir(gateway_home / "scratch"),
            "a signal": lambda: os.kill(os.getppid(), 0),
            "own scratch": lambda: Path(os.environ["TMPDIR"], "file").write_text("text"),
        }
        secrets = [name for name in os.environ if "SECRET" in name or "TOKEN" in name]
        return [f"{name}: {outcome(attempt)}" for name, attempt in attempts.items()] + [f"secrets: {secrets}"]


class Reversing(mlflow.pyfunc.PythonModel):
    """Gives the bytes of each row backwards, and their number."""

    def predict(self, context, model_input, params=None):
        blobs = list(model_input["blob"])
        return pd.DataFrame({"size": [len(blob) for blob in blobs], "blob": [blob[::-1] for blob in blobs]})


class Telling(mlflow.pyfunc.PythonModel):
    """Tells what stands for a missing text, and the sum of the numbers."""

    def predict(self, context, model_input, params=None):
        texts = ["NaN" if value is not None and value != value else str(value) for value in model_input["plan"]]
        sums = model_input["age"] + model_input["spend"]
        return [f"{text} {number}" for text, number in zip(texts, sums, strict=True)]


def outcome(attempt):
    try:
        return attempt()
    except OSError as error:
        return type(error).__name__


class SleepsAtLoad:
    """Never finishes unpickling."""

    def __reduce__(self):
        return time.sleep, (600,)


def python_models():
    for name in ("sums", "broken", "slow", "crashing", "picky", "alone", "odd", "tardy"):
        mlflow.pyfunc.save_model(
            FOLDER / name,
            python_model=Summing(name),
            signature=SUMS,
            pip_requirements=["mlflow", "numpy", "pandas"],
        )


def gaps():
    columns = [ColSpec("string", "plan", required=False), ColSpec("double", "age"), ColSpec("float", "spend")]
    mlflow.pyfunc.save_model(
        FOLDER / "gaps", python_model=Telling(), signature=ModelSignature(Schema(columns)), pip_requirements=PIP
    )


def blobs():
    mlflow.pyfunc.save_model(
        FOLDER / "blobs",
        python_model=Reversing(),
        signature=ModelSignature(Schema([ColSpec("binary", "blob")])),
        pip_requirements=PIP,
    )


def prying():
    mlflow.pyfunc.save_model(
        FOLDER / "prying", python_model=Prying(), signature=ModelSignature(SUMS.inputs), pip_requirements=PIP
    )


def damaged():
    import pickle
    import shutil

    for name, content in (("damaged", b"not a pickle"), ("hanging", pickle.dumps(SleepsAtLoad()))):
        shutil.copytree(FOLDER / "iris", FOLDER / name)
        (FOLDER / name / "model.pkl").write_bytes(content)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    iris()
    mixed()
    python_models()
    prying()
    blobs()
    gaps()
    damaged()
