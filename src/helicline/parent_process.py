"""Processes that end with the process that started them, so that none is left over when that is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

VARIABLE = "HELICLINE_SUPERVISOR"  # the process id of the supervisor, for the processes that it starts
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOK_S = 0.5
SUPERVISOR_ENDED = signal.SIGUSR1  # to those that go on without one; who has no handler yet ends by it


def end_with(parent: int, *, by: signal.Signals = signal.SIGKILL) -> None:
    """Have this process get a signal when `parent` ends, now too if it has ended already.

    On Linux the kernel sends it (prctl(2), PR_SET_PDEATHSIG); a change of user undoes that. Elsewhere a thread looks.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:
            os.kill(os.getpid(), by)
    else:
        threading.Thread(target=_look, args=(parent, by), daemon=True).start()


def end_with_supervisor(*, by: signal.Signals = signal.SIGTERM) -> bool:
    """Have this process get a signal when the supervisor ends; return False where none has started it."""
    parent = os.environ.pop(VARIABLE, "")
    if parent:
        end_with(int(parent), by=by)
    return bool(parent)


def adopt_orphans() -> None:
    """Have descendants whose parent ends become children of this process, so that it can end them (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _look(parent: int, by: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), by)
