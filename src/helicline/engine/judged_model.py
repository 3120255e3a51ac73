"""A model version that is judged: any MLflow flavour, called with the columns that its signature names.

Only `predict` is expected of a model. Whatever else is tried (probabilities, calls of a single row) falls back to what
`predict` gives, and says so in the task's log.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helicline.errors import Invalid

if TYPE_CHECKING:
    import pandas as pd

FEW_ROWS = 64  # of a call whose time is measured, where a model takes no single row


class JudgedModel:
    """One loaded model version. `name` is what the log calls it."""

    def __init__(self, path: Path, name: str) -> None:
        import mlflow.pyfunc

        self.name = name
        self.model = mlflow.pyfunc.load_model(str(path))
        self.signature = self.model.metadata.signature
        flavors = self.model.metadata.flavors
        self._is_called_by_row = False
        self._newest_call: tuple[pd.DataFrame, Any, Any] | None = None
        self._predicts_probabilities = flavors.get("python_function", {}).get("predict_fn") == "predict_proba"
        self._estimator = _estimator(self.model) if "sklearn" in flavors else None

    def predict(self, rows: pd.DataFrame) -> Any:
        """Return one value for each row: the first column of the output; the likeliest class of probabilities.

        Raises:
            Invalid: the output has not one entry for each row.
        """
        output = self.answers(rows)
        if self._predicts_probabilities and output.ndim == 2 and len(self.classes) == output.shape[1]:
            return np.asarray(self.classes)[output.argmax(axis=1)]
        return output.reshape(len(rows), -1)[:, 0]

    def answers(self, rows: pd.DataFrame) -> Any:
        """Return the output for each row as it would be served; the same rows are not asked for a second time."""
        return self._called(rows)[1]

    def answer(self, rows: pd.DataFrame) -> Any:
        """Return all that the model answers: a frame of its outputs where it names several, else as `answers`."""
        return self._called(rows)[2]

    def _called(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, Any, Any]:
        if self._newest_call is None or self._newest_call[0] is not rows:
            self._newest_call = (rows, *self._call(rows))
        return self._newest_call

    def _call(self, rows: pd.DataFrame) -> tuple[Any, Any]:
        answer = self.model.predict(self._input(rows))
        output = _by_row(answer, len(rows))
        if output.ndim == 0 and len(rows) > 1 and isinstance(answer, dict | str):
            output = self._call_each(rows)
        if output.ndim == 0 or len(output) != len(rows):
            shape = f"an output of shape {output.shape} for {len(rows)} rows"
            raise Invalid(f"the output of {self.name}", shape, "one entry for each row")
        return output, _named(answer, output)

    def _call_each(self, rows: pd.DataFrame) -> Any:
        """Return the answers to the rows one by one: a model of conversations answers one of them."""
        if not self._is_called_by_row:
            print(f"{self.name} gives one answer for {len(rows)} rows: it is called row by row", flush=True)
            self._is_called_by_row = True
        answers = np.empty(len(rows), dtype=object)
        for row in range(len(rows)):
            answers[row] = self.model.predict(self._input(rows.iloc[row : row + 1]))
        return answers

    @property
    def classes(self) -> list[Any]:
        """The classes that the estimator tells, in its order; empty where it tells none."""
        return list(getattr(self._estimator, "classes_", ()))

    def scores(self, rows: pd.DataFrame) -> Any:
        """Return the probability of the second class, or None where the model tells none."""
        predict_proba: Any = getattr(self._estimator, "predict_proba", None)
        if predict_proba is None or len(self.classes) != 2:
            return None
        try:
            return np.asarray(predict_proba(self._input(rows)))[:, 1]
        except Exception as error:
            print(f"{self.name} tells no probabilities: {type(error).__name__}: {error}", flush=True)
            return None

    def rows_per_call(self, rows: pd.DataFrame) -> int:
        """Return how many rows the calls have whose time is measured: more than one where the model needs that."""
        try:
            self._call(rows.iloc[:1])
        except Exception as error:
            row_count = min(len(rows), FEW_ROWS)
            print(
                f"{self.name} does not take a single row ({type(error).__name__}: {error}): "
                f"its latency is that of {row_count} rows",
                flush=True,
            )
            return row_count
        return 1

    def logged_columns(self, rows: pd.DataFrame) -> dict[str, str]:
        """Return the columns that the prediction log of this model has, each with its name in these rows.

        A model whose signature names no inputs has none.
        """
        inputs = self.signature.inputs if self.signature is not None else None
        if inputs is None:
            return {}
        if inputs.is_tensor_spec():
            return _of_tensor(inputs.inputs, rows)
        by_text = {str(column): str(column) for column in rows.columns}
        return {name: by_text[name] for name in _scalar_names(inputs.inputs) if name in by_text}

    def _input(self, rows: pd.DataFrame) -> Any:
        """Return what the model is called with: its columns, or the array where it takes one matrix of numbers."""
        inputs = self.signature.inputs if self.signature is not None else None
        if inputs is None or not inputs.is_tensor_spec() or len(inputs.inputs) != 1:
            return self._columns(rows)
        (tensor,) = inputs.inputs
        if len(tensor.shape) != 2 or tensor.type.kind not in "fiu":
            return self._columns(rows)
        matrix = rows.to_numpy(dtype=tensor.type)
        return {tensor.name: matrix} if tensor.name else matrix

    def _columns(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that the signature names, in its order; all of them where it names none."""
        inputs = self.signature.inputs if self.signature is not None else None
        if inputs is None or not inputs.has_input_names():
            return rows
        names = inputs.input_names()
        by_text = {str(column): column for column in rows.columns}
        if not by_text.keys() & {str(name) for name in names}:
            return rows  # a tensor by its name: all columns together are its rows
        chosen = rows[[by_text[str(name)] for name in names if str(name) in by_text]]
        return chosen.set_axis([name for name in names if str(name) in by_text], axis="columns")


def _by_row(answer: Any, row_count: int) -> Any:
    """Return an output as an array; of outputs by name that have a value for each row, the first.

    Lists of different lengths are an array of lists.
    """
    if isinstance(answer, dict) and answer:
        first = _array(next(iter(answer.values())))
        if first.ndim and len(first) == row_count:
            return first
    return _array(answer)


def _array(values: Any) -> Any:
    try:
        return np.asarray(values)
    except ValueError:  # NumPy makes no array of lists that have different lengths
        rows = np.empty(len(values), dtype=object)
        rows[:] = [list(row) if isinstance(row, tuple | np.ndarray) else row for row in values]
        return rows


def _named(answer: Any, output: Any) -> Any:
    """Return the outputs as a frame where the model gave them by name, for each row one; else the array."""
    import pandas as pd

    if isinstance(answer, pd.DataFrame):
        return answer.reset_index(drop=True)
    if not isinstance(answer, dict) or not answer:
        return output
    columns = {str(name): _array(values) for name, values in answer.items()}
    if any(column.ndim == 0 or len(column) != len(output) for column in columns.values()):
        return output
    return pd.DataFrame({name: list(column) if column.ndim > 1 else column for name, column in columns.items()})


def _scalar_names(specs: Any) -> list[str]:
    """Return the names of the scalar inputs; of rows that are objects without a name, those of their fields."""
    if len(specs) == 1 and not specs[0].name and hasattr(specs[0].type, "properties"):
        specs = specs[0].type.properties
    return [str(spec.name) for spec in specs if spec.name and _is_scalar(getattr(spec, "dtype", None) or spec.type)]


def _is_scalar(kind: Any) -> bool:
    from mlflow.types import DataType

    return isinstance(kind, DataType) and kind is not DataType.binary


def _of_tensor(specs: Any, rows: pd.DataFrame) -> dict[str, str]:
    """Return the columns of one matrix as the log numbers them; none where the rows are not as wide."""
    if len(specs) != 1 or len(specs[0].shape) != 2 or specs[0].shape[1] != len(rows.columns):
        return {}
    stem = f"{specs[0].name}_" if specs[0].name else ""
    return {f"{stem}{place}": str(column) for place, column in enumerate(rows.columns)}


def _estimator(model: Any) -> Any:
    """Return the scikit-learn estimator of a model, or None where it does not give it."""
    try:
        return model.get_raw_model()
    except Exception:  # get_raw_model is asked for, never expected: wrappers raise what they like
        return None
