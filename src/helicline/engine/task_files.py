"""What a worker reads of the files that user code can change: the output of a task while it runs, and its report."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import BinaryIO

import msgspec

from helicline.engine.secret_mask import SecretMask
from helicline.errors import HeliclineError
from helicline.records.pipeline import Completion
from helicline.sdk.client import Client

log = logging.getLogger("helicline.worker")
PIECE_BYTES = 1 << 16
BEGINNING_BYTES, END_BYTES = 32 << 20, 4 << 20
MAX_REPORT_BYTES = 16 << 20


class OutputLog:
    """Sends what a task prints to the server: the beginning as it comes; the end, with the traceback, in any case."""

    def __init__(self, client: Client, attempt: str, file: BinaryIO, *, mask: SecretMask) -> None:
        self._client, self._attempt, self._file, self._mask = client, attempt, file, mask
        self._position = self._sent = 0

    def send_new(self, most: int = PIECE_BYTES) -> bool:
        """Send the next piece of the beginning; return whether there was one and the server has it."""
        room = min(max(most, 2 * self._mask.longest_bytes), BEGINNING_BYTES - self._position)
        return room > 0 and self._send_safe(self._read(room))

    def _send_safe(self, piece: bytes) -> bool:
        """Send a piece up to where a secret could begin that is not whole yet."""
        length = self._mask.safe_length(piece)
        return self._send(self._mask.masked(piece[:length]), moves=length)

    def send_rest(self) -> None:
        """Send all that is left; of a very long output, the middle is cut, which its place says."""
        while self.send_new(1 << 20):
            pass
        size = os.fstat(self._file.fileno()).st_size
        if size > BEGINNING_BYTES:
            # what may be the beginning of a secret is left out with the rest, and so is what may be the end of one
            cut = size - END_BYTES - self._position + self._mask.longest_bytes
            if cut > 0:
                self._send(f"\n[{cut:,} bytes of output are left out here]\n".encode(), moves=cut)
            while self._send_safe(self._read(1 << 20)):
                pass
        self._send(self._mask.masked(piece := self._read(1 << 20)), moves=len(piece))

    def last_line(self) -> str:
        """Return the last line that is not blank."""
        start = max(0, os.fstat(self._file.fileno()).st_size - 8192 - self._mask.longest_bytes)
        self._file.seek(start)
        masked = self._mask.masked(self._file.read())[self._mask.longest_bytes if start else 0 :]
        lines = [line for line in masked.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""

    def _read(self, most: int) -> bytes:
        self._file.seek(self._position)
        return self._file.read(most)

    def _send(self, piece: bytes, *, moves: int) -> bool:
        if not piece:
            return False
        try:
            self._client.send("POST", f"/attempts/{self._attempt}/log", body=piece, offset=self._sent)
        except HeliclineError as error:
            log.info("log of %s: %s", self._attempt, error)
            return False
        self._sent += len(piece)
        self._position += moves
        return True


def read_report(scratch: Path, fence: int) -> Completion | None:
    """Return the report that a task has left, None where there is none.

    A link is not followed, since user code could have another file read by it; what is no report is a failure.
    """
    try:
        descriptor = os.open(scratch / "result.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return Completion(fence=fence, ok=False, error="its report is not a file")
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_REPORT_BYTES:
            return Completion(fence=fence, ok=False, error=f"its report is no file of at most {MAX_REPORT_BYTES} bytes")
        try:
            return msgspec.json.decode(file.read(), type=Completion)
        except msgspec.MsgspecError as error:
            return Completion(fence=fence, ok=False, error=f"its report cannot be read: {error}")
