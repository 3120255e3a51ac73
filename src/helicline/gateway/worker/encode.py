"""The frame that answers a call: its output in the caller's protocol with its log entry, or its failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helicline.errors import Invalid
from helicline.gateway.worker import frames, log
from helicline.gateway.worker.call import Call, Failure, print_handled
from helicline.protocol.oip.decode import InferRequest
from helicline.protocol.oip.encode import infer_response
from helicline.protocol.oip.errors import oip_error
from helicline.protocol.oip.metadata import output_names
from helicline.protocol.scoring import encode as scoring
from helicline.protocol.scoring.errors import scoring_error, v1_error
from helicline.protocol.scoring.output_check import unsendable
from helicline.protocol.scoring.signature import Signature


class Encoder:
    """Encodes the answers of one model, which Open Inference responses name."""

    def __init__(self, *, name: str, version: str, signature: Signature) -> None:
        self._name, self._version, self._signature = name, version, signature
        self._output_names = output_names(signature)

    def frame(self, call: Call) -> bytes:
        """Return the answer's frame."""
        if call.failure is not None:
            return _error_frame(call, call.failure)
        try:
            (body, flags), entry = self._body(call), log.entry(call)
        except Invalid as error:
            return _error_frame(call, Failure(400, str(error), user=True))
        except Exception as error:
            # What the model gave back may have no form on the wire: the model's failure, told to the caller.
            print_handled(error)
            output = unsendable(self._signature, call.output, encode=self._encoding(call))
            message = f"the model's output {output} cannot be sent: {type(error).__name__}: {error}"
            return _error_frame(call, Failure(500, message))
        return frames.pack(frames.RESULT, call.frame.id, flags=flags, number=call.batch_rows, meta=entry, body=body)

    def _encoding(self, call: Call) -> Callable[[Any], object]:
        if call.infer is not None:
            names, request = self._output_names, InferRequest(None, [], binary_output=call.infer.binary_output)
            return lambda part: infer_response({}, part, names=names, request=request)
        return scoring.dumps

    def _body(self, call: Call) -> tuple[bytes, int]:
        """Return the answer's body and the flags of its frame."""
        if call.infer is None:
            return scoring.dumps(call.output) if call.unwrapped else scoring.answer(call.output), 0
        head: dict[str, Any] = {"model_name": self._name, "model_version": self._version}
        if call.infer.id is not None:
            head["id"] = call.infer.id
        head["parameters"] = {"prediction_id": call.frame.meta.decode()}
        body, head_length = infer_response(head, call.output, names=self._output_names, request=call.infer)
        return (frames.with_head_length(head_length, body), frames.BINARY_OUTPUT) if head_length else (body, 0)


def _error_frame(call: Call, failure: Failure) -> bytes:
    if call.frame.kind in (frames.OIP_JSON, frames.OIP_BINARY):
        body = oip_error(failure.message)
    elif call.frame.kind == frames.V1_JSON:
        body = v1_error(failure.message)
    else:
        body = scoring_error(failure.status, failure.message)
    flags = frames.USER_FAULT if failure.user else 0
    return frames.pack(frames.ERROR, call.frame.id, flags=flags, number=failure.status, body=body)
