"""The worker's main loop: load a model, prove and warm it up, say hello, then answer calls until STOP.

A call goes one way, a file for each step: `receive` (its frame is read), `decode` (the frame becomes rows or a value),
`join` (calls of plain rows become one batch), `predict` (the model runs), `encode` (the output becomes the answer's
frame) with the entry for the prediction log from `log`. `call` is what each step takes and hands on. A step that fails
sets the call's failure, and the later steps pass it on.
"""

from __future__ import annotations

import faulthandler
import json
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helicline.gateway.worker import frames
from helicline.gateway.worker.call import Call
from helicline.gateway.worker.decode import decode
from helicline.gateway.worker.encode import Encoder
from helicline.gateway.worker.join import join
from helicline.gateway.worker.model import Predictor, load
from helicline.gateway.worker.predict import predict
from helicline.gateway.worker.proof import prove, warm_up
from helicline.gateway.worker.receive import Receiver
from helicline.protocol.scoring.signature import feature_columns


def run(connection: socket.socket) -> int:
    """Serve the front at the other end of `connection`; return the exit code."""
    receiver = Receiver(connection)
    order = receiver.load_order()
    if order is None:
        return 0
    try:
        predictor, encoder = _prepare(json.loads(order))
    except BaseException as error:
        traceback.print_exc()
        _say_hello(connection, {"failed": _reason(error)})
        return 3
    _say_hello(connection, _state(predictor))
    while calls := receiver.calls():
        for answers in _answers(predictor, encoder, calls=calls):
            connection.sendall(answers)
    return 0


def _prepare(order: dict[str, Any]) -> tuple[Predictor, Encoder]:
    predictor = Predictor(load(Path(order["path"]), order["mlmodel"]))
    prove(predictor)
    warm_up(predictor)
    return predictor, Encoder(name=order["name"], version=order["version"], signature=predictor.signature)


def _answers(predictor: Predictor, encoder: Encoder, *, calls: list[Call]) -> Iterator[bytes]:
    """Yield the answers' frames of each batch as soon as it has run, in any order."""
    decoded = (decode(predictor, call) for call in calls)
    for batch in join(decoded, batchable=predictor.batchable):
        predict(predictor, batch)
        yield b"".join([encoder.frame(call) for call in batch])


def _say_hello(connection: socket.socket, state: dict[str, Any]) -> None:
    connection.sendall(frames.pack(frames.HELLO, 0, meta=json.dumps(state).encode()))


def _state(predictor: Predictor) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "fast_path": predictor.path != "pyfunc",
        "batchable": predictor.batchable,
        "reason": predictor.reason,
        "features": feature_columns(predictor.signature),
    }


def _reason(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()[:2000]


def main(descriptor: int) -> int:
    """Serve on an inherited socket; return the exit code."""
    faulthandler.enable()  # a crash in native code leaves its kind in the worker's log
    with socket.socket(fileno=descriptor) as connection:
        try:
            return run(connection)
        except (BrokenPipeError, ConnectionResetError):
            return 0
        finally:
            sys.stderr.flush()
