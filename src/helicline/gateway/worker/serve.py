"""The worker's life: load, prove, warm up, say hello, then answer until told to stop or the front is gone."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import traceback
from collections import deque
from pathlib import Path
from typing import Any

from helicline.gateway.worker import frames
from helicline.gateway.worker.batch import MAX_CALLS, answers
from helicline.gateway.worker.calls import Codec
from helicline.gateway.worker.frames import Frame, FrameReader, pack
from helicline.gateway.worker.model import load
from helicline.gateway.worker.predictor import Predictor
from helicline.gateway.worker.proof import prove, warm_up
from helicline.protocol.scoring.signature import feature_columns

_CHUNK = 1 << 20


def run(link: socket.socket) -> int:
    """Serve the front at the other end of `link`; return the exit code."""
    reader, waiting = FrameReader(), deque[Frame]()
    order = _first(link, reader)
    if order is None:
        return 0
    try:
        codec = _ready(json.loads(order.meta))
    except BaseException as error:
        traceback.print_exc()
        link.sendall(pack(frames.HELLO, 0, meta=json.dumps({"failed": _reason(error)}).encode()))
        return 3
    link.sendall(pack(frames.HELLO, 0, meta=json.dumps(_hello(codec)).encode()))
    while _take(link, reader, waiting=waiting):
        batch = [waiting.popleft() for _ in range(min(len(waiting), MAX_CALLS))]
        link.sendall(b"".join(answers(codec, batch)))
    return 0


def _first(link: socket.socket, reader: FrameReader) -> Frame | None:
    while data := link.recv(_CHUNK):
        if frames_read := list(reader.feed(data)):
            return frames_read[0]
    return None


def _ready(order: dict[str, Any]) -> Codec:
    loaded = load(Path(order["path"]), order["mlmodel"])
    predictor = Predictor(loaded)
    prove(predictor)
    warm_up(predictor)
    return Codec(predictor, name=order["name"], version=order["version"])


def _hello(codec: Codec) -> dict[str, Any]:
    predictor = codec.predictor
    return {
        "pid": os.getpid(),
        "fast_path": predictor.way != "pyfunc",
        "batchable": predictor.batchable,
        "reason": predictor.reason,
        "features": feature_columns(predictor.signature),
    }


def _reason(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()[:2000]


def _take(link: socket.socket, reader: FrameReader, *, waiting: deque[Frame]) -> bool:
    """Wait until a call is there, then take all that have arrived; return False when it is time to go."""
    while True:
        if waiting and not select.select([link], [], [], 0)[0]:
            return True
        data = link.recv(_CHUNK)
        if not data:
            return False
        for frame in reader.feed(data):
            if frame.kind == frames.STOP:
                return False
            waiting.append(frame)
        if len(waiting) >= MAX_CALLS:
            return True


def main(descriptor: int) -> int:
    """Serve on an inherited socket."""
    with socket.socket(fileno=descriptor) as link:
        try:
            return run(link)
        except (BrokenPipeError, ConnectionResetError):
            return 0
        finally:
            sys.stderr.flush()
