"""Watches the memory of a task while it runs, and ends it where it passes its limit."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import TracebackType

from helicline.engine.memory import process_tree, usage

# a process allocates about 1 GB/s: the shorter the pause, the less it goes over; a look may take that share of a core
LIMITED_PAUSE_S, LIMITED_SHARE = 0.05, 0.05
PAUSE_S, SHARE = 0.25, 0.02


class MemoryWatch:
    """Measures a process with its descendants, within a `with`: `peak_bytes` of all together.

    Where they use more than `limit_bytes` (0: no limit), they are killed, and it `exceeded` the limit.
    """

    def __init__(self, pid: int, *, limit_bytes: int = 0) -> None:
        self.peak_bytes, self.exceeded = 0, False
        self._pid, self._limit_bytes = pid, limit_bytes
        self._kills_before = usage.kernel_kills()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"memory of {pid}", daemon=True)

    def __enter__(self) -> MemoryWatch:
        if process_tree.is_readable():
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def kernel_killed(self) -> bool:
        """Whether the kernel has ended a process for want of memory since the watch began: likely one of the task."""
        return usage.kernel_kills() > self._kills_before

    def _run(self) -> None:
        pause_s, share = (LIMITED_PAUSE_S, LIMITED_SHARE) if self._limit_bytes else (PAUSE_S, SHARE)
        while True:
            begin = time.thread_time()
            self._look()
            if self._ended.wait(max(pause_s, (time.thread_time() - begin) / share)):
                return

    def _look(self) -> None:
        pids = process_tree.with_descendants(self._pid)
        used = usage.used_bytes(pids)
        self.peak_bytes = max(self.peak_bytes, used)
        if 0 < self._limit_bytes < used:
            self.exceeded = True
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def reason(*, peak_bytes: int, limit_bytes: int, is_step: bool) -> str:
    """Return in words that a task ran out of memory, and the next step. A limit of 0: the kernel ended it."""
    used = f"{_megabytes(peak_bytes)} were measured at most" if peak_bytes else "nothing was measured"
    if limit_bytes:
        return (
            f"it ran out of memory: its limit is {_megabytes(limit_bytes)}, and {used}."
            ' Give it more: @hl.step(memory="...")'
        )
    hint = ' With @hl.step(memory="...") it ends before the machine is full.' if is_step else ""
    return f"it ran out of memory: the kernel ended a process of it, since the machine had none left; {used}.{hint}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
