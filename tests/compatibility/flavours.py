"""The model flavours that are tried: how a model of each is logged, what it is called with, and what comes of it.

`refused` and `unmeasured` are what the tests expect and the page docs/compatibility.md says; nothing else is written
down of a flavour by hand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from pydantic import BaseModel

PIP = ["mlflow", "numpy", "pandas", "cloudpickle"]
ROW_COUNT = 80
ROWS = pd.DataFrame({"a": np.linspace(-1, 1, ROW_COUNT), "n": np.arange(ROW_COUNT) * 7 % 10})
IS_HIGH = (ROWS["a"] + ROWS["n"] / 100 > 0).astype(int).to_numpy()
AMOUNT = (ROWS["a"] * 3 + ROWS["n"] / 7).to_numpy()
MATRIX = ROWS.to_numpy().astype(np.float32)
TEXTS = pd.DataFrame({"text": ["a fine day", "what a bad night", "fine", "bad, bad"] * (ROW_COUNT // 4)})
MOODS = np.array(["good", "bad"] * (ROW_COUNT // 2))
CLASSIFIED, REGRESSED = ("accuracy",), ("accuracy", "mae", "mse")
TABLE_TYPES = {"f_a": "DOUBLE", "f_n": "BIGINT"}


@dataclass(frozen=True)
class Flavour:
    """A way to make a model.

    `log` logs one with the stock client; `rows` are what it is called with, `holdout` what it is judged on; `metrics`
    are what the judge measures; `logged` the typed columns of its prediction log. A brief one is tried in `make test`.
    """

    name: str
    log: Callable[[], Any]
    holdout: pd.DataFrame
    metrics: tuple[str, ...]
    rows: Any = None
    modules: tuple[str, ...] = ()
    logged: dict[str, str] = field(default_factory=lambda: TABLE_TYPES)
    refused: dict[str, str] = field(default_factory=lambda: LONG)
    is_monitored: bool = True
    is_brief: bool = False

    @property
    def sample(self) -> Any:
        return self.rows if self.rows is not None else ROWS.head(3)

    @property
    def model(self) -> str:
        """The name under which its model is registered and served."""
        return self.name.replace(" ", "-").replace(",", "").replace("[", "-").replace("]", "").lower()


def _sklearn(estimator: Any, target: Any, *, method: str = "predict") -> Any:
    fitted = estimator.fit(ROWS, target)
    return mlflow.sklearn.log_model(
        fitted, name="model", signature=infer_signature(ROWS, getattr(fitted, method)(ROWS)),
        input_example=ROWS.head(2), serialization_format="cloudpickle", pyfunc_predict_fn=method,
        pip_requirements=[*PIP, "scikit-learn"],
    )  # fmt: skip


def sklearn_classifier() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return _sklearn(RandomForestClassifier(10, random_state=0), IS_HIGH)


def sklearn_probabilities() -> Any:
    from sklearn.linear_model import LogisticRegression

    return _sklearn(LogisticRegression(C=100), IS_HIGH, method="predict_proba")


def sklearn_regressor() -> Any:
    from sklearn.linear_model import LinearRegression

    return _sklearn(LinearRegression(), AMOUNT)


def lightgbm_booster() -> Any:
    import lightgbm

    settings = {"objective": "regression", "min_data_in_leaf": 2, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(ROWS, AMOUNT), num_boost_round=10)
    return mlflow.lightgbm.log_model(
        booster,
        name="model",
        signature=infer_signature(ROWS, booster.predict(ROWS)),
        pip_requirements=[*PIP, "lightgbm"],
    )


def lightgbm_classifier() -> Any:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=10, min_child_samples=2, verbose=-1, n_jobs=1).fit(ROWS, IS_HIGH)
    return mlflow.lightgbm.log_model(
        model, name="model", signature=infer_signature(ROWS, model.predict(ROWS)),
        pip_requirements=[*PIP, "lightgbm", "scikit-learn"],
    )  # fmt: skip


def xgboost_classifier() -> Any:
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(ROWS, IS_HIGH)
    return mlflow.xgboost.log_model(
        model, name="model", signature=infer_signature(ROWS, model.predict(ROWS)),
        pip_requirements=[*PIP, "xgboost-cpu", "scikit-learn"],
    )  # fmt: skip


def xgboost_booster() -> Any:
    import xgboost

    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(ROWS, AMOUNT), num_boost_round=10)
    return mlflow.xgboost.log_model(
        booster, name="model", signature=infer_signature(ROWS, booster.predict(xgboost.DMatrix(ROWS))),
        pip_requirements=[*PIP, "xgboost-cpu", "scikit-learn"],
    )  # fmt: skip


def catboost_classifier() -> Any:
    import catboost

    model = catboost.CatBoostClassifier(iterations=10, verbose=False, thread_count=1, allow_writing_files=False)
    model.fit(ROWS, IS_HIGH)
    return mlflow.catboost.log_model(
        model, name="model", signature=infer_signature(ROWS, model.predict(ROWS)), pip_requirements=[*PIP, "catboost"]
    )


def statsmodels_regression() -> Any:
    import statsmodels.api as statsmodels

    fitted = statsmodels.OLS(AMOUNT, ROWS).fit()
    return mlflow.statsmodels.log_model(
        fitted, name="model", signature=infer_signature(ROWS, fitted.predict(ROWS)),
        pip_requirements=[*PIP, "statsmodels"],
    )  # fmt: skip


def onnx_classifier() -> Any:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=100).fit(MATRIX, IS_HIGH)
    model = to_onnx(fitted, MATRIX[:1], options={"zipmap": False})
    return mlflow.onnx.log_model(
        model, name="model", signature=infer_signature(MATRIX, {"label": fitted.predict(MATRIX)}),
        pip_requirements=[*PIP, "onnx", "onnxruntime"],
    )  # fmt: skip


def pytorch_regression() -> Any:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    return mlflow.pytorch.log_model(
        model, name="model", signature=infer_signature(MATRIX, model(torch.from_numpy(MATRIX)).detach().numpy()),
        serialization_format="pickle", pip_requirements=[*PIP, "torch"],
    )  # fmt: skip


def high(frame: pd.DataFrame) -> np.ndarray:
    return (frame["a"] + frame["n"] / 100 > 0).astype(int).to_numpy()


class Written(mlflow.pyfunc.PythonModel):
    """A class of one's own."""

    def predict(self, context, model_input, params=None):
        return high(model_input)


def _pyfunc(model: Any, **options: Any) -> Any:
    return mlflow.pyfunc.log_model(name="model", python_model=model, **{"pip_requirements": PIP, **options})


def pyfunc_class() -> Any:
    return _pyfunc(Written(), signature=infer_signature(ROWS, IS_HIGH))


def pyfunc_function() -> Any:
    return _pyfunc(lambda model_input: high(model_input), signature=infer_signature(ROWS, IS_HIGH))


def without_signature() -> Any:
    return _pyfunc(Written())


CODE = """
import mlflow

class Written(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return (model_input["a"] + model_input["n"] / 100 > 0).astype(int).to_numpy()

mlflow.models.set_model(Written())
"""


def models_from_code() -> Any:
    file = Path.cwd() / "model_code.py"
    file.write_text(textwrap.dedent(CODE))
    return _pyfunc(str(file), signature=infer_signature(ROWS, IS_HIGH))


class Reading(BaseModel):
    """A row, as type hints name it."""

    a: float
    n: int


class Hinted(mlflow.pyfunc.PythonModel):
    """Its signature is that of its type hints."""

    def predict(self, model_input: list[Reading]) -> list[int]:
        return [int(row.a + row.n / 100 > 0) for row in model_input]


class HintedText(mlflow.pyfunc.PythonModel):
    """Takes text alone."""

    def predict(self, model_input: list[str]) -> list[str]:
        return ["bad" if "bad" in text else "good" for text in model_input]


def type_hints_of_rows() -> Any:
    return _pyfunc(Hinted(), pip_requirements=[*PIP, "pydantic"])


def type_hints_of_text() -> Any:
    return _pyfunc(HintedText())


class Moods(mlflow.pyfunc.PythonModel):
    """Text in, an object for each out, as models of language answer."""

    def predict(self, context, model_input, params=None):
        return [
            {"mood": "bad" if "bad" in text else "good", "words": len(text.split())} for text in model_input["text"]
        ]


def text_to_json() -> Any:
    return _pyfunc(Moods(), signature=infer_signature(TEXTS, Moods().predict(None, TEXTS)))


class Chat(mlflow.pyfunc.ChatModel):
    """Answers a conversation."""

    def predict(self, context, messages, params=None):
        answer = {"role": "assistant", "content": messages[-1].content.upper()}
        return mlflow.types.llm.ChatCompletionResponse.from_dict(
            {"created": 0, "choices": [{"index": 0, "message": answer}]}
        )


def chat_model() -> Any:
    return _pyfunc(Chat())


CONVERSATION = {"messages": [{"role": "user", "content": "hello"}]}
CONVERSATIONS = pd.DataFrame([CONVERSATION] * ROW_COUNT)
READINGS = ROWS.assign(label=IS_HIGH)
AMOUNTS = ROWS.assign(label=AMOUNT)
MOODS_OF_TEXTS = TEXTS.assign(label=MOODS)
# words of a refusal -> why, as the page tells it
REASONS = {
    "the signature says long": "one tensor of numbers with fractions is not cut to the whole numbers of a column",
    "it has no signature": "without a signature the model gets arrays, as from the stock server; this takes a table",
    "must be a dictionary with 'inputs' key": "MLflow takes `inputs` alone for models with type hints",
    "Expected list, but got dict": 'the hint is a list of rows: send `{"inputs": [{...}, ...]}`',
    "Expected list, but got ndarray": "rows with named fields are no one tensor: send a tensor for each field",
    "Failed to enforce schema": "a conversation is one object, not a list of rows: send it as it is",
}
LONG_WORDS, UNSIGNED_WORDS, HINT_WORDS, DICT_WORDS, ARRAY_WORDS, CHAT_WORDS = REASONS
LONG = {"OIP, one tensor": LONG_WORDS}
UNSIGNED = dict.fromkeys(("instances", "inputs", "V1", "OIP, one tensor"), UNSIGNED_WORDS)
HINTED = dict.fromkeys(("dataframe_split", "dataframe_records", "instances"), HINT_WORDS)
HINTED_ROWS = HINTED | {"inputs": DICT_WORDS, "OIP, one tensor": ARRAY_WORDS}
CHAT = dict.fromkeys(("instances", "V1"), CHAT_WORDS)
CHAT_TYPES = {
    "f_temperature": "DOUBLE", "f_max_tokens": "BIGINT", "f_n": "BIGINT", "f_stream": "BOOLEAN", "f_top_p": "DOUBLE",
    "f_top_k": "BIGINT", "f_frequency_penalty": "DOUBLE", "f_presence_penalty": "DOUBLE",
}  # fmt: skip
TENSOR_TYPES = {"f_0": "DOUBLE", "f_1": "DOUBLE"}
TEXT_TYPES = {"f_text": "VARCHAR"}
PROBABLE = ("accuracy", "auc", "log_loss")
FLAVOURS = (
    Flavour("sklearn classifier", sklearn_classifier, READINGS, PROBABLE, is_brief=True),
    Flavour("sklearn probabilities", sklearn_probabilities, READINGS, PROBABLE),
    Flavour("sklearn regressor", sklearn_regressor, AMOUNTS, REGRESSED),
    Flavour("lightgbm booster", lightgbm_booster, AMOUNTS, REGRESSED, modules=("lightgbm",)),
    Flavour("lightgbm classifier", lightgbm_classifier, READINGS, CLASSIFIED, modules=("lightgbm",), is_brief=True),
    Flavour("xgboost booster", xgboost_booster, AMOUNTS, REGRESSED, modules=("xgboost",)),
    Flavour("xgboost classifier", xgboost_classifier, READINGS, CLASSIFIED, modules=("xgboost",)),
    Flavour("catboost classifier", catboost_classifier, READINGS, CLASSIFIED, modules=("catboost",)),
    Flavour("statsmodels regression", statsmodels_regression, AMOUNTS, REGRESSED, modules=("statsmodels",)),
    Flavour(
        "onnx classifier", onnx_classifier, READINGS, CLASSIFIED, rows=MATRIX[:3],
        modules=("onnx", "onnxruntime", "skl2onnx"), logged=TENSOR_TYPES, refused={},
    ),
    Flavour(
        "pytorch regression", pytorch_regression, AMOUNTS, REGRESSED, rows=MATRIX[:3], modules=("torch",),
        logged=TENSOR_TYPES, refused={},
    ),
    Flavour("pyfunc class", pyfunc_class, READINGS, CLASSIFIED, is_brief=True),
    Flavour("pyfunc function", pyfunc_function, READINGS, CLASSIFIED),
    Flavour(
        "pyfunc without signature", without_signature, READINGS, CLASSIFIED, logged={}, refused=UNSIGNED, is_brief=True,
    ),
    Flavour("models from code", models_from_code, READINGS, CLASSIFIED, is_brief=True),
    Flavour("type hints, list[Row]", type_hints_of_rows, READINGS, CLASSIFIED, refused=HINTED_ROWS, is_brief=True),
    Flavour(
        "type hints, list[str]", type_hints_of_text, MOODS_OF_TEXTS, CLASSIFIED, rows=TEXTS.text[:3].tolist(),
        logged={}, refused=HINTED, is_brief=True,
    ),
    Flavour(
        "text to JSON", text_to_json, MOODS_OF_TEXTS, (), rows=TEXTS.head(3), logged=TEXT_TYPES, refused={},
        is_brief=True,
    ),
    Flavour(
        "chat model", chat_model, CONVERSATIONS.assign(label="HELLO"), (), rows=CONVERSATION, logged=CHAT_TYPES,
        refused=CHAT, is_monitored=False, is_brief=True,
    ),
)  # fmt: skip
