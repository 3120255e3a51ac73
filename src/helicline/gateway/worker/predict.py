"""Running the model on a batch of calls: each call gets its output, or the failure that is its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.gateway.worker.call import Call, Failure, print_handled
from helicline.gateway.worker.decode import error_text, explain_input
from helicline.gateway.worker.join import slice_output, sliceable
from helicline.gateway.worker.model import Predictor
from helicline.protocol.scoring.decode import Row
from helicline.protocol.scoring.output_check import wrong_length

_UNSIGNED = "it has no signature, so that its input comes as it was sent: log it with one, or send dataframe_split"


def predict(predictor: Predictor, batch: list[Call]) -> None:
    """Set the output of each call; a call that fails never fails the others of its batch."""
    if len(batch) > 1 and _predict_together(predictor, batch):
        return
    for call in batch:
        if call.failure is None:
            _predict_alone(predictor, call)


def _predict_together(predictor: Predictor, batch: list[Call]) -> bool:
    """Return False where the calls have to run alone: the model raised, or its output has no entry for each row."""
    rows = [row for call in batch for row in call.rows or ()]
    try:
        features, output = _predict_rows(predictor, rows)
    except Exception:
        # One bad row must not fail the other calls: each is run again by itself.
        return False
    if not sliceable(output, len(rows)):
        return False
    start = 0
    for call in batch:
        end = start + len(call.rows or ())
        call.features, call.output = features[start:end], slice_output(output, start, end=end)
        call.batch_rows = len(rows)
        start = end
    return True


def _predict_alone(predictor: Predictor, call: Call) -> None:
    try:
        if call.rows is not None:
            call.features, call.output = _predict_rows(predictor, call.rows)
        elif call.matrix is not None:
            call.features, call.output = call.matrix, predictor.predict_matrix(call.matrix.copy())
        else:
            call.features = _features(predictor, call.value)
            call.output = predictor.predict_value(call.value, call.params)
    except Exception as error:
        call.failure = _failure(predictor, call, error=error)
        return
    rows = call.matrix if call.rows is None else call.rows
    mismatch = wrong_length(predictor.signature, call.value if rows is None else rows, call.output)
    if mismatch:
        call.failure = Failure(500, mismatch)
    call.batch_rows = len(call.rows or ()) or 1


def _predict_rows(predictor: Predictor, rows: list[Row]) -> tuple[Any, Any]:
    if predictor.path != "matrix":
        return rows, predictor.predict_rows(rows)
    matrix = np.array(rows, dtype=np.float64)
    return matrix, predictor.predict_matrix(matrix.copy())  # some models change their input in place


def _features(predictor: Predictor, value: Any) -> Any:
    names = [column.name for column in predictor.signature.logged]
    if names and hasattr(value, "columns"):
        return _rows_of_frame(value, names)
    if names and isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return [[row.get(name) for name in names] for row in value]
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiub":
        return value.astype(np.float64)
    return None


def _rows_of_frame(frame: Any, names: list[str]) -> list[Row] | None:
    """Return the named columns as rows, None for what is not there; None where no column is."""
    places = {str(column): place for place, column in enumerate(frame.columns)}
    if not places.keys() & set(names):
        return None
    gap = [None] * len(frame)
    columns = [_cells(frame.iloc[:, places[name]]) if name in places else gap for name in names]
    return [list(row) for row in zip(*columns, strict=True)]


def _cells(column: Any) -> list[Any]:
    """Return the values of a column of a frame, None for what is missing, whatever stands for it there."""
    cells: list[Any] = column.tolist()
    missing = column.isna()
    return [None if is_gap else cell for cell, is_gap in zip(cells, missing, strict=True)] if missing.any() else cells


def _failure(predictor: Predictor, call: Call, *, error: Exception) -> Failure:
    """Return whose fault an exception of the model is; the model's own goes to the worker's log with its traceback."""
    signature = predictor.signature
    text = error_text(error)
    if isinstance(error, Invalid):
        return Failure(400, str(error), user=True)
    code = getattr(error, "error_code", "")
    if type(error).__module__.startswith("mlflow.") and code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
        return Failure(400, explain_input(predictor, call) or text, user=True)
    if isinstance(error, ValueError) and call.rows is None and _has_gaps(call.value):
        return Failure(400, f"the model does not take missing or infinite values: {text}", user=True)
    if isinstance(error, ValueError) and call.rows is None and hasattr(call.value, "__len__") and not len(call.value):
        return Failure(400, f"the input has no rows: {text}", user=True)
    print_handled(error)
    if not signature.is_known and isinstance(error, ValueError | TypeError | LookupError | AttributeError):
        # what it takes is known to the model alone; `inputs` and `instances` come as arrays, a table as a frame
        return Failure(400, f"the model failed: {text}; {_UNSIGNED}")
    return Failure(500, f"the model failed: {text}")


def _has_gaps(value: Any) -> bool:
    values = value.to_numpy() if hasattr(value, "to_numpy") else value
    if not isinstance(values, np.ndarray):
        return False
    if values.dtype.kind in "fc":
        return not bool(np.isfinite(values).all())
    return values.dtype == object and any(
        v is None or (isinstance(v, float) and not np.isfinite(v)) for v in values.flat
    )
