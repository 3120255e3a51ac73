"""From a call's frame to what the model takes: plain rows where the signature allows, else a value for this call."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.gateway.worker import frames
from helicline.gateway.worker.call import Call, Failure
from helicline.gateway.worker.model import DTYPES, Predictor
from helicline.protocol.oip import decode as oip
from helicline.protocol.oip import inputs
from helicline.protocol.scoring import decode as scoring
from helicline.protocol.scoring.decode import MAX_EXACT_INT, MAX_FLOAT32, MAX_INT32
from helicline.protocol.scoring.exact import as_table, bytes_of_cell, fitted
from helicline.protocol.scoring.signature import SCALAR, Signature

_MAX_MESSAGE = 4000
_MAX_LISTED_VALUES = 512  # larger tensors stay arrays: what is won by joining calls is lost by listing their values
# up to which number a column of another width holds the same numbers
_WIDENED = {"double": MAX_EXACT_INT, "float": MAX_FLOAT32, "long": 2**63 - 1, "integer": MAX_INT32}
PANDAS_TYPES = {**DTYPES, "string": "object"}


def decode(predictor: Predictor, call: Call) -> Call:
    """Return the call with its rows or value set, or with the failure that says why its input cannot be taken."""
    if frames.expired(call.frame.number):
        call.failure = Failure(504, "the deadline passed while the call was waiting")
        return call
    try:
        _DECODERS[call.frame.kind](predictor, call)
    except Invalid as error:
        call.failure = Failure(400, str(error), user=True)
    except Exception as error:
        # Other people's parsers (pandas, MLflow) may raise anything on bad input; it is still the input.
        call.failure = Failure(400, explain_input(predictor, call) or error_text(error), user=True)
    return call


def explain_input(predictor: Predictor, call: Call) -> str:
    """Return what the signature says is wrong with the input: column, got, expected; '' if it says nothing."""
    if call.payload is None or not predictor.signature.tabular:
        return ""
    try:
        mismatch = scoring.explain(predictor.signature.columns, scoring.records_of(call.payload))
    except Invalid as error:
        mismatch = error
    return str(mismatch or "")


def error_text(error: BaseException) -> str:
    """Return the type and message of an exception, 4,000 characters at most."""
    message = str(getattr(error, "message", None) or error)
    return f"{type(error).__name__}: {message}"[:_MAX_MESSAGE]


def _decode_scoring_json(predictor: Predictor, call: Call) -> None:
    _decode_payload(predictor, call, payload=scoring.parse_object(call.frame.body))


def _decode_v1_json(predictor: Predictor, call: Call) -> None:
    payload = scoring.parse_object(call.frame.body)
    params = payload.pop("parameters", None)
    payload.pop("signature_name", None)
    if predictor.signature.type_hinted and "instances" in payload:
        payload["inputs"] = payload.pop("instances")  # the only form of V1, and MLflow takes `inputs` alone for them
    if params:
        payload["params"] = params
    _decode_payload(predictor, call, payload=payload)


def _decode_payload(predictor: Predictor, call: Call, *, payload: dict[str, Any]) -> None:
    call.rows = predictor.reader.rows(payload)
    if call.rows is not None:
        return
    call.payload = payload
    if predictor.loaded.pyfunc is not None:
        if predictor.signature.columns:
            payload = fitted(predictor.signature.columns, as_table(predictor.signature.columns, payload))
        _decode_by_mlflow(call, payload, pyfunc=predictor.loaded.pyfunc, signature=predictor.signature)
    else:
        call.value = _value_of(predictor, dict(payload))


def _decode_by_mlflow(call: Call, payload: dict[str, Any], *, pyfunc: Any, signature: Signature) -> None:
    if not any(key in payload for key in scoring.LLM_KEYS):
        scoring.format_of(payload)
    from mlflow.pyfunc import scoring_server

    parse: Any = scoring_server._parse_json_data
    parsed = parse(dict(payload), pyfunc.metadata, pyfunc.metadata.get_input_schema())
    call.value, call.params, call.unwrapped = parsed.data, parsed.params, parsed.is_unified_llm_input
    if hasattr(call.value, "columns"):
        _mark_missing_text(signature, call.value)


def _value_of(predictor: Predictor, payload: dict[str, Any]) -> Any:
    """Return what a model without MLflow takes: a frame for a tabular signature, an array for others."""
    payload.pop("params", None)
    signature = predictor.signature
    if signature.tensors or (not signature.is_known and _is_bare_list(payload)):
        dtype = signature.tensors[0].dtype if signature.tensors else None
        return np.array(payload[scoring.format_of(payload)], dtype=dtype)
    records = scoring.records_of(payload)
    mismatch = scoring.explain(signature.columns, records)
    if mismatch is not None:
        raise mismatch
    if signature.columns:
        return predictor.data_frame([[record.get(name) for name in signature.names] for record in records])
    return np.array([list(record.values()) for record in records])


def _is_bare_list(payload: dict[str, Any]) -> bool:
    value = payload.get("inputs", payload.get("instances"))
    return isinstance(value, list) and not any(isinstance(row, dict) for row in value)


def _decode_csv(predictor: Predictor, call: Call) -> None:
    text = call.frame.body.decode("utf-8")
    pyfunc = predictor.loaded.pyfunc
    times = [column.name for column in predictor.signature.columns if column.type == "datetime"]
    matrix = predictor.signature.matrix
    if pyfunc is not None and not times and not predictor.signature.fields and matrix is None:
        from mlflow.pyfunc.scoring_server import parse_csv_input

        call.value = parse_csv_input(io.StringIO(text), schema=pyfunc.metadata.get_input_schema())
        _decode_base64(predictor.signature, call.value)
        return
    import pandas

    # pandas refuses a type for times in a CSV file, and MLflow has none for objects and tensors: its parser takes none
    # of these
    columns = predictor.signature.logged
    types = {column.name: PANDAS_TYPES[column.type] for column in columns if column.type in PANDAS_TYPES}
    call.value = pandas.read_csv(io.StringIO(text), dtype=types, parse_dates=times, date_format="ISO8601")
    if matrix is not None:
        call.value = call.value.to_numpy(dtype=matrix.dtype)


def _decode_base64(signature: Signature, frame: Any) -> None:
    """Set the columns of bytes from their base64, which MLflow leaves as text in CSV files."""
    for column in signature.columns:
        if column.type == "binary" and column.name in frame:
            cells = enumerate(frame[column.name].tolist())
            frame[column.name] = [bytes_of_cell(column, cell, row=row) for row, cell in cells]


def _decode_parquet(predictor: Predictor, call: Call) -> None:
    import pandas

    call.value = pandas.read_parquet(io.BytesIO(call.frame.body))
    _widen(predictor.signature, call.value)
    _mark_missing_text(predictor.signature, call.value)


def _widen(signature: Signature, frame: Any) -> None:
    """Give numbers the type of their column where each stays what it is: JSON says 18 for a double too."""
    for column in signature.columns:
        if column.name in frame and column.type in _WIDENED:
            values = frame[column.name]
            limit = _WIDENED[column.type]
            if values.dtype.kind in "iuf" and values.dtype != DTYPES[column.type] and (values.abs() <= limit).all():
                is_whole = values.dtype.kind in "iu"
                if is_whole or column.type == "float":
                    frame[column.name] = values.astype(DTYPES[column.type])


def _mark_missing_text(signature: Signature, frame: Any) -> None:
    """Have missing text be NaN, as in files and in frames of many rows: imputers know no None."""
    for column in signature.columns:
        if column.type == "string" and column.name in frame and frame[column.name].dtype == object:
            values = frame[column.name]
            frame[column.name] = values.where(values.notna(), np.nan).astype(object)


def _decode_oip_json(predictor: Predictor, call: Call) -> None:
    _decode_infer(predictor, call, request=oip.read(call.frame.body))


def _decode_oip_binary(predictor: Predictor, call: Call) -> None:
    head_length, body = frames.cut_head_length(call.frame.body)
    if head_length:
        request = oip.read(body[:head_length], body[head_length:])
    else:
        request = oip.read_raw(body, predictor.signature)
    _decode_infer(predictor, call, request=request)


def _decode_infer(predictor: Predictor, call: Call, *, request: oip.InferRequest) -> None:
    signature = predictor.signature
    call.infer, call.params = request, request.params or None
    if inputs.takes_rows(signature):
        _decode_columns(predictor, call, request=request)
    elif signature.tensors:
        arrays = inputs.arrays_for(request, signature)
        call.value = arrays[""] if list(arrays) == [""] else arrays
        if signature.matrix is not None and not request.params:
            _decode_matrix(predictor, call, matrix=call.value)
    elif _takes_a_list(signature) and len(request.inputs) == 1 and request.inputs[0].width == 1:
        call.value = request.inputs[0].flat
    else:
        call.value = _value_without_signature(request)


def _decode_columns(predictor: Predictor, call: Call, *, request: oip.InferRequest) -> None:
    signature, reader = predictor.signature, predictor.reader
    size = request.inputs[0].rows * len(signature.columns)
    if predictor.path == "matrix" and size > _MAX_LISTED_VALUES and not request.params:
        call.matrix = inputs.matrix_for(request, signature, reader.limits)
        if call.matrix is not None:
            return
    rows = inputs.rows_for(request, signature)
    if request.params or not reader.able or not rows or not reader.plain(rows):
        call.value = predictor.data_frame(rows)
    else:
        call.rows = rows


def _decode_matrix(predictor: Predictor, call: Call, *, matrix: np.ndarray[Any, Any]) -> None:
    """Set the rows of a small tensor, or the matrix of a large one, where the fast path takes it."""
    if 0 < matrix.size <= _MAX_LISTED_VALUES:
        rows = matrix.tolist()
        call.rows = rows if predictor.reader.plain(rows) else None
    elif predictor.path == "matrix" and matrix.dtype.kind == "f" and len(matrix) and np.isfinite(matrix).all():
        call.matrix = matrix.astype(np.float64)


def _takes_a_list(signature: Signature) -> bool:
    """Tell whether rows are single values without a name, as of the type hint `list[str]`."""
    return signature.type_hinted and len(signature.columns) == 1 and signature.columns[0].type in SCALAR


def _value_without_signature(request: oip.InferRequest) -> Any:
    if len(request.inputs) == 1:
        return request.inputs[0].array()
    arrays = {tensor.name: tensor.array() for tensor in request.inputs}
    if all(tensor.width == 1 for tensor in request.inputs) and "pandas" in sys.modules:
        return sys.modules["pandas"].DataFrame({name: array.reshape(-1) for name, array in arrays.items()})
    return arrays


_DECODERS = {
    frames.SCORING_JSON: _decode_scoring_json,
    frames.SCORING_CSV: _decode_csv,
    frames.SCORING_PARQUET: _decode_parquet,
    frames.V1_JSON: _decode_v1_json,
    frames.OIP_JSON: _decode_oip_json,
    frames.OIP_BINARY: _decode_oip_binary,
}
