"""Running what is waiting: calls of plain rows are joined into one, run once and split again."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np

from helicline.gateway.worker import frames, rowlog
from helicline.gateway.worker.calls import Call, Codec, Failure, blame, refusal
from helicline.gateway.worker.frames import Frame
from helicline.gateway.worker.predictor import Predictor
from helicline.gateway.worker.proof import piece, sliceable

MAX_CALLS = 64
MAX_ROWS = 1024


def answers(codec: Codec, waiting: list[Frame]) -> list[bytes]:
    """Return the answer frames of a batch, in any order; a bad call never fails its neighbours."""
    done: list[bytes] = []
    joined: list[Call] = []
    for frame in waiting:
        if frames.expired(frame.number):
            done.append(refusal(frame, Failure(504, "the deadline passed while the call was waiting")))
            continue
        call = codec.decode(frame)
        if isinstance(call, Failure):
            done.append(refusal(frame, call))
        elif call.rows is None or not codec.predictor.batchable:
            done.append(_alone(codec, call))
        else:
            joined.append(call)
    for group in _groups(joined):
        done.extend(_together(codec, group) if len(group) > 1 else [_alone(codec, group[0])])
    return done


def _groups(calls: list[Call]) -> Iterator[list[Call]]:
    group: list[Call] = []
    count = 0
    for call in calls:
        rows = len(call.rows or ())
        if group and count + rows > MAX_ROWS:
            yield group
            group, count = [], 0
        group.append(call)
        count += rows
    if group:
        yield group


def _together(codec: Codec, calls: list[Call]) -> list[bytes]:
    rows = [row for call in calls for row in call.rows or ()]
    try:
        features, output = _run_rows(codec.predictor, rows)
    except Exception:
        # One bad row must not fail its neighbours: each is run again by itself.
        return [_alone(codec, call) for call in calls]
    if not sliceable(output, len(rows)):
        return [_alone(codec, call) for call in calls]
    done, at = [], 0
    for call in calls:
        end = at + len(call.rows or ())
        done.append(_answer(codec, call, ran=(features[at:end], piece(output, at, end=end)), batch_rows=len(rows)))
        at = end
    return done


def _run_rows(predictor: Predictor, rows: list[Any]) -> tuple[Any, Any]:
    if predictor.way != "matrix":
        return rows, predictor.rows(rows)
    matrix = np.array(rows, dtype=np.float64)
    return matrix, predictor.matrix(matrix)


def _alone(codec: Codec, call: Call) -> bytes:
    try:
        if call.rows is not None:
            ran = _run_rows(codec.predictor, call.rows)
        else:
            ran = (_features(codec.predictor, call.value), codec.predictor.value(call.value, call.params))
    except Exception as error:
        return refusal(call.frame, blame(error, call, codec=codec))
    return _answer(codec, call, ran=ran, batch_rows=len(call.rows or ()) or 1)


def _answer(codec: Codec, call: Call, *, ran: tuple[Any, Any], batch_rows: int) -> bytes:
    features, output = ran
    try:
        body = codec.encode(call, output)
        rows = len(call.rows) if call.rows is not None else _count(output)
        log = rowlog.pack(features, output, rows=rows)
    except Exception as error:
        # What the model gave back may have no form on the wire: the model's failure, told to the caller.
        traceback.print_exception(error, file=sys.stderr)
        return refusal(call.frame, Failure(500, f"the model's output cannot be sent: {type(error).__name__}: {error}"))
    return frames.pack(frames.RESULT, call.frame.id, number=batch_rows, meta=log, body=body)


def _count(output: Any) -> int:
    return len(output) if hasattr(output, "__len__") and not isinstance(output, dict | str | bytes) else 1


def _features(predictor: Predictor, value: Any) -> Any:
    names = list(predictor.signature.names)
    if hasattr(value, "columns") and names and set(names) <= set(map(str, value.columns)):
        return value[names].to_numpy().tolist()
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiub":
        return value.astype(np.float64)
    return None
