"""Reading calls from the socket: all that have arrived are returned at once, so that they can run together."""

from __future__ import annotations

import select
import socket
from collections import deque

from helicline.gateway.worker import frames
from helicline.gateway.worker.call import Call
from helicline.gateway.worker.frames import MAX_CALLS, Frame, FrameReader

_CHUNK = 1 << 20


class Receiver:
    """The read side of the worker's socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = FrameReader()
        self._waiting: deque[Frame] = deque()

    def load_order(self) -> bytes | None:
        """Return the JSON that says which model to load, the first frame; None if the front is gone before it."""
        while data := self._connection.recv(_CHUNK):
            if frames_read := list(self._reader.feed(data)):
                return frames_read[0].meta
        return None

    def calls(self) -> list[Call]:
        """Wait for a call, then return all that have arrived, 64 at most; none at the end of the worker's work."""
        if not self._fill():
            return []
        return [Call(self._waiting.popleft()) for _ in range(min(len(self._waiting), MAX_CALLS))]

    def _fill(self) -> bool:
        """Read until a call waits and no more data is there; False after STOP or the end of the stream."""
        while True:
            if self._waiting and not select.select([self._connection], [], [], 0)[0]:
                return True
            data = self._connection.recv(_CHUNK)
            if not data:
                return False
            for frame in self._reader.feed(data):
                if frame.kind == frames.STOP:
                    return False
                self._waiting.append(frame)
            if len(self._waiting) >= MAX_CALLS:
                return True
