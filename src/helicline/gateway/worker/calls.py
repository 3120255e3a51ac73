"""One call: its frame decoded into what the model takes, and its output encoded as the protocol wants it."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from helicline.errors import Invalid
from helicline.gateway.worker import frames
from helicline.gateway.worker.frames import Frame
from helicline.gateway.worker.predictor import Predictor
from helicline.protocol.oip import decode as oip
from helicline.protocol.oip.encode import infer_response
from helicline.protocol.oip.errors import oip_error
from helicline.protocol.oip.metadata import output_names
from helicline.protocol.scoring import decode as scoring
from helicline.protocol.scoring import encode
from helicline.protocol.scoring.errors import scoring_error, v1_error


@dataclass(slots=True)
class Call:
    """A decoded call: plain `rows`, or any `value` that goes alone."""

    frame: Frame
    rows: list[scoring.Row] | None = None
    value: Any = None
    params: dict[str, Any] | None = None
    unwrapped: bool = False
    infer: oip.InferRequest | None = None
    payload: dict[str, Any] | None = None


@dataclass(slots=True, frozen=True)
class Failure:
    """A call without an output; `user` says whose fault it is."""

    status: int
    message: str
    user: bool = False


class Codec:
    """Decodes and encodes the calls of one model."""

    def __init__(self, predictor: Predictor, *, name: str, version: str) -> None:
        self.predictor = predictor
        self.name, self.version = name, version
        self._outputs = output_names(predictor.signature)
        self._decoders: dict[int, Callable[[Call], None]] = {
            frames.SCORING_JSON: self._scoring_json,
            frames.SCORING_CSV: self._csv,
            frames.SCORING_PARQUET: self._parquet,
            frames.V1_JSON: self._v1,
            frames.OIP_JSON: self._oip,
        }

    def decode(self, frame: Frame) -> Call | Failure:
        """Return the call, or why its input cannot be taken."""
        call = Call(frame)
        try:
            self._decoders[frame.kind](call)
        except Invalid as error:
            return Failure(400, str(error), user=True)
        except Exception as error:
            # Other people's parsers (pandas, MLflow) may raise anything on bad input; it is still the input.
            return Failure(400, self.explained(call) or f"{type(error).__name__}: {_message(error)}"[:4000], user=True)
        return call

    def explained(self, call: Call) -> str:
        """Return what the signature says is wrong: column, got, expected; '' if it says nothing."""
        if call.payload is None or not self.predictor.signature.tabular:
            return ""
        try:
            wrong = scoring.explain(self.predictor.signature.columns, scoring.records_of(call.payload))
        except Invalid as error:
            wrong = error
        return str(wrong or "")

    def _scoring_json(self, call: Call) -> None:
        payload = scoring.parse_object(call.frame.body)
        call.rows = self.predictor.reader.rows(payload)
        if call.rows is None:
            self._slow(call, payload)

    def _v1(self, call: Call) -> None:
        payload = scoring.parse_object(call.frame.body)
        params = payload.pop("parameters", None)
        payload.pop("signature_name", None)
        if params:
            payload["params"] = params
        call.rows = self.predictor.reader.rows(payload)
        if call.rows is None:
            self._slow(call, payload)

    def _slow(self, call: Call, payload: dict[str, Any]) -> None:
        pyfunc = self.predictor.loaded.pyfunc
        call.payload = payload
        if pyfunc is None:
            self._native(call, dict(payload))
            return
        if not any(key in payload for key in scoring.LLM_KEYS):
            scoring.format_of(payload)
        from mlflow.pyfunc import scoring_server

        parse: Any = scoring_server._parse_json_data
        parsed = parse(dict(payload), pyfunc.metadata, pyfunc.metadata.get_input_schema())
        call.value, call.params, call.unwrapped = parsed.data, parsed.params, parsed.is_unified_llm_input

    def _native(self, call: Call, payload: dict[str, Any]) -> None:
        payload.pop("params", None)
        signature = self.predictor.signature
        if signature.tensors or (not signature.known and _bare_list(payload)):
            dtype = signature.tensors[0].dtype if signature.tensors else None
            value = payload[scoring.format_of(payload)]
            call.value = np.array(value, dtype=dtype)
            return
        records = scoring.records_of(payload)
        wrong = scoring.explain(signature.columns, records)
        if wrong is not None:
            raise wrong
        if signature.columns:
            call.value = self.predictor.frame([[r.get(name) for name in signature.names] for r in records])
        else:
            call.value = np.array([list(record.values()) for record in records])

    def _csv(self, call: Call) -> None:
        text = call.frame.body.decode("utf-8")
        pyfunc = self.predictor.loaded.pyfunc
        if pyfunc is not None:
            from mlflow.pyfunc.scoring_server import parse_csv_input

            call.value = parse_csv_input(io.StringIO(text), schema=pyfunc.metadata.get_input_schema())
            return
        import pandas

        call.value = pandas.read_csv(io.StringIO(text))

    def _parquet(self, call: Call) -> None:
        import pandas

        call.value = pandas.read_parquet(io.BytesIO(call.frame.body))

    def _oip(self, call: Call) -> None:
        request = call.infer = oip.read(call.frame.body)
        signature, predictor = self.predictor.signature, self.predictor
        call.params = request.params or None
        if signature.tabular:
            rows = oip.rows_for(request, signature)
            if request.params or not predictor.reader.able or not rows or not predictor.reader.plain(rows):
                call.value = predictor.frame(rows)
            else:
                call.rows = rows
        elif signature.tensors:
            arrays = oip.arrays_for(request, signature)
            call.value = arrays[""] if list(arrays) == [""] else arrays
            if signature.matrix is not None and not request.params and len(call.value):
                rows = call.value.tolist()
                call.rows = rows if predictor.reader.plain(rows) else None
        else:
            call.value = _unsigned(request)

    def encode(self, call: Call, output: Any) -> bytes:
        """Return the body of the answer."""
        if call.frame.kind != frames.OIP_JSON or call.infer is None:
            return encode.dumps(output) if call.unwrapped else encode.answer(output)
        head: dict[str, Any] = {"model_name": self.name, "model_version": self.version}
        if call.infer.id is not None:
            head["id"] = call.infer.id
        head["parameters"] = {"prediction_id": call.frame.meta.decode()}
        return infer_response(head, output, names=self._outputs, requested=call.infer.outputs)


def _bare_list(payload: dict[str, Any]) -> bool:
    value = payload.get("inputs", payload.get("instances"))
    return isinstance(value, list) and not any(isinstance(row, dict) for row in value)


def _unsigned(request: oip.InferRequest) -> Any:
    if len(request.inputs) == 1:
        return request.inputs[0].array()
    arrays = {tensor.name: tensor.array() for tensor in request.inputs}
    if all(tensor.width == 1 for tensor in request.inputs) and "pandas" in sys.modules:
        return sys.modules["pandas"].DataFrame({name: array.reshape(-1) for name, array in arrays.items()})
    return arrays


def refusal(frame: Frame, failure: Failure) -> bytes:
    """Return the frame that says no, with the body in the caller's protocol."""
    if frame.kind == frames.OIP_JSON:
        body = oip_error(failure.message)
    elif frame.kind == frames.V1_JSON:
        body = v1_error(failure.message)
    else:
        body = scoring_error(failure.status, failure.message)
    flags = frames.USER_FAULT if failure.user else 0
    return frames.pack(frames.ERROR, frame.id, flags=flags, number=failure.status, body=body)


def _message(error: BaseException) -> str:
    return str(getattr(error, "message", None) or error)


def blame(error: Exception, call: Call, *, codec: Codec) -> Failure:
    """Return whose fault an exception of the model is, printing its traceback to the worker's log."""
    signature = codec.predictor.signature
    text = f"{type(error).__name__}: {_message(error)}"[:4000]
    if isinstance(error, Invalid):
        return Failure(400, str(error), user=True)
    code = getattr(error, "error_code", "")
    if type(error).__module__.startswith("mlflow.") and code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
        return Failure(400, codec.explained(call) or text, user=True)
    if isinstance(error, ValueError) and call.rows is None and _has_gaps(call.value):
        return Failure(400, f"the model does not take missing or infinite values: {text}", user=True)
    if isinstance(error, ValueError) and call.rows is None and hasattr(call.value, "__len__") and not len(call.value):
        return Failure(400, f"the input has no rows: {text}", user=True)
    traceback.print_exception(error, file=sys.stderr)
    unsigned = not signature.known and isinstance(error, ValueError | TypeError | LookupError)
    return Failure(400 if unsigned else 500, f"the model failed: {text}")


def _has_gaps(value: Any) -> bool:
    values = value.to_numpy() if hasattr(value, "to_numpy") else value
    if not isinstance(values, np.ndarray):
        return False
    if values.dtype.kind in "fc":
        return not bool(np.isfinite(values).all())
    return values.dtype == object and any(
        v is None or (isinstance(v, float) and not np.isfinite(v)) for v in values.flat
    )
