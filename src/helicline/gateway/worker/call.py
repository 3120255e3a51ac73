"""One call on its way through the worker: its frame, then its input, then its output or its failure."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np

from helicline.gateway.worker.frames import HANDLED, Frame
from helicline.protocol.oip.decode import InferRequest
from helicline.protocol.scoring.decode import Row


@dataclass(slots=True, frozen=True)
class Failure:
    """Why a call has no output; `user` tells that the caller's input is at fault."""

    status: int
    message: str
    user: bool = False


@dataclass(slots=True)
class Call:
    """Decoding sets plain `rows`, many of them as a float64 `matrix`, or any other `value`; predicting sets `output`.

    Either may set `failure`. `payload` is the parsed body, kept where a failure may have to be explained by it.
    `features` are what the prediction log gets of the input. `batch_rows` counts the rows of all calls that the model
    ran together.
    """

    frame: Frame
    rows: list[Row] | None = None
    matrix: np.ndarray[Any, Any] | None = None
    value: Any = None
    params: dict[str, Any] | None = None
    unwrapped: bool = False
    infer: InferRequest | None = None
    payload: dict[str, Any] | None = None
    features: Any = None
    output: Any = None
    batch_rows: int = 0
    failure: Failure | None = None


def print_handled(error: BaseException) -> None:
    """Write the traceback of a failed call to the worker's log, marked as one that the worker has survived."""
    traceback.print_exception(error, file=sys.stderr)
    print(HANDLED, file=sys.stderr, flush=True)
