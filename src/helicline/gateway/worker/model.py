"""A saved model in memory, loaded by MLflow or scikit-learn, and the paths by which it can be called."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import pickle
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from helicline.errors import Invalid
from helicline.protocol.scoring.decode import MAX_FLOAT32, Row, RowReader
from helicline.protocol.scoring.signature import Signature, read

PredictionPath = Literal["matrix", "frame", "pyfunc"]
DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}


@dataclass(slots=True)
class LoadedModel:
    """A model in memory: `pyfunc` when MLflow loaded it, `estimator` when it is a scikit-learn flavour."""

    folder: Path
    signature: Signature
    pyfunc: Any = None
    estimator: Any = None
    method: str = "predict"


def load(folder: Path, mlmodel: dict[str, Any]) -> LoadedModel:
    """Return the model saved in `folder`.

    Raises:
        Invalid: it has no scikit-learn flavour and its environment has no MLflow.
    """
    loaded = LoadedModel(folder, read(mlmodel))
    flavors = mlmodel.get("flavors") or {}
    loaded.method = str((flavors.get("python_function") or {}).get("predict_fn") or "predict")
    if importlib.util.find_spec("mlflow") is not None:
        _load_pyfunc(loaded, flavors)
    elif "sklearn" in flavors:
        loaded.estimator = _load_sklearn(folder, flavors["sklearn"])
    else:
        raise Invalid("model", sorted(flavors), "a sklearn flavour, or mlflow among the model's requirements")
    return loaded


def _load_pyfunc(loaded: LoadedModel, flavors: dict[str, Any]) -> None:
    import mlflow.pyfunc

    loaded.pyfunc = mlflow.pyfunc.load_model(str(loaded.folder), suppress_warnings=True)
    if "sklearn" in flavors:
        with contextlib.suppress(Exception):  # asked for, never expected: without it calls go through pyfunc
            loaded.estimator = loaded.pyfunc.get_raw_model()


def _load_sklearn(folder: Path, flavor: dict[str, Any]) -> Any:
    if flavor.get("code"):
        sys.path.insert(0, str(folder / str(flavor["code"])))
    file = folder / str(flavor["pickled_model"])
    if flavor.get("serialization_format") == "skops":
        import skops.io

        return skops.io.load(file, trusted=flavor.get("skops_trusted_types") or [])
    with file.open("rb") as stream:
        return pickle.load(stream)


def serving_example(folder: Path) -> dict[str, Any] | None:
    """Return the model's own example as a scoring request, if it was saved with one."""
    file = folder / "serving_input_example.json"
    if not file.is_file():
        return None
    example = json.loads(file.read_text())
    return example if isinstance(example, dict) else None


class Predictor:
    """Calls the model.

    `path` is how plain rows go; `batchable` is whether several calls may run as one; `is_proven` is whether the model
    has answered the rows by which this was found out.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.signature = loaded.signature
        self.reader = RowReader(loaded.signature)
        self.path: PredictionPath = "pyfunc"
        self.batchable = self.is_proven = False
        self.reason = ""
        self.numeric = self.signature.numeric or self.signature.matrix is not None
        self._dtype = self._matrix_dtype()
        self._float32_columns = [index for index, column in enumerate(self.signature.columns) if column.type == "float"]

    def _matrix_dtype(self) -> np.dtype[Any]:
        if self.signature.matrix is not None:
            return np.dtype(self.signature.matrix.dtype)
        if self.signature.numeric:
            return np.result_type(*[np.dtype(DTYPES[column.type]) for column in self.signature.columns])
        return np.dtype("float64")

    @property
    def paths(self) -> tuple[PredictionPath, ...]:
        """The paths that this model may have, the fastest first."""
        if self.loaded.estimator is None or not self.reader.able:
            return ("pyfunc",)
        fast: tuple[PredictionPath, ...] = ("matrix",) if self.numeric else ()
        return (*fast, "frame", "pyfunc") if self.signature.columns else (*fast, "pyfunc")

    def predict_rows(self, rows: list[Row], *, path: PredictionPath | None = None) -> Any:
        """Return the output for plain rows, by the proven path (or by `path`)."""
        path = path or self.path
        if path == "matrix":
            return self.predict_matrix(np.array(rows, dtype=np.float64))
        if path == "frame":
            return getattr(self.loaded.estimator, self.loaded.method)(self.data_frame(rows))
        return self.predict_value(self.data_frame(rows))

    def predict_matrix(self, matrix: np.ndarray[Any, Any]) -> Any:
        """Return the estimator's output for a float64 matrix of plain rows."""
        if matrix.dtype != self._dtype:
            matrix = matrix.astype(self._dtype)
        elif self._float32_columns and self._dtype == np.float64:
            matrix[:, self._float32_columns] = matrix[:, self._float32_columns].astype(np.float32)
        return getattr(self.loaded.estimator, self.loaded.method)(matrix)

    def predict_value(self, value: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the output for whatever the model takes, its schema enforced by MLflow if that is there."""
        if self.loaded.pyfunc is None:
            return getattr(self.loaded.estimator, self.loaded.method)(value)
        output = self.loaded.pyfunc.predict(value, params=params) if params else self.loaded.pyfunc.predict(value)
        return list(output) if isinstance(output, Generator) else output

    def data_frame(self, rows: list[Row]) -> Any:
        """Return the rows as a frame (an array for a tensor signature) with the signature's types."""
        if self.signature.matrix is not None:
            return np.array(rows, dtype=self.signature.matrix.dtype)
        try:
            import pandas
        except ImportError:
            return np.array(rows, dtype=self._dtype if self.numeric else object)
        columns = list(zip(*rows, strict=True)) or [()] * len(self.signature.columns)
        return pandas.DataFrame(
            {
                column.name: _series(column.type, values, name=column.name)
                for column, values in zip(self.signature.columns, columns, strict=True)
            }
        )


def _series(kind: str, values: tuple[Any, ...], *, name: str) -> Any:
    if kind in ("double", "float"):
        numbers = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        if kind == "float" and (np.isfinite(numbers) & (np.abs(numbers) > MAX_FLOAT32)).any():
            raise Invalid(f"column {name!r}", "a number out of range", kind)
        return numbers.astype(DTYPES[kind])
    if kind in DTYPES:
        if None in values:
            raise Invalid(f"column {name!r}", None, kind)
        try:
            return np.array(values, dtype=DTYPES[kind])
        except OverflowError:
            raise Invalid(f"column {name!r}", "a number out of range", kind) from None
    if kind == "datetime":
        import pandas

        try:
            return pandas.to_datetime(list(values)).astype("datetime64[ns]")
        except (ValueError, TypeError) as error:
            raise Invalid(f"column {name!r}", str(error), kind) from None
    # missing text is NaN, as in files and in frames of many rows: imputers know no None
    return np.array([np.nan if v is None else v for v in values], dtype=object) if None in values else list(values)
