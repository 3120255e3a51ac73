"""Starting and ending one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from helicline.gateway.fleet.link import Link
from helicline.gateway.worker import frames

_LAUNCH = Path(__file__).resolve().parents[1] / "worker" / "launch.py"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NOISE = re.compile(r"^\s*$")


class WorkerProcess:
    """A started worker: its process, the link to it and where its words go."""

    def __init__(self, process: subprocess.Popen[bytes], link: Link, *, log: Path) -> None:
        self.process, self.link, self.log = process, link, log

    @property
    def pid(self) -> int:
        return self.process.pid

    def give(self, order: dict[str, Any]) -> None:
        """Tell it which model to load and serve."""
        self.link.send(frames.pack(frames.LOAD, 0, meta=msgspec.json.encode(order)))

    async def ended(self) -> int:
        """Wait for the process to end; return its exit code, negative for a signal."""
        while (code := self.process.poll()) is None:  # noqa: ASYNC110 (a child has no event)
            await asyncio.sleep(0.02)
        return code

    async def stop(self, *, grace_s: float) -> None:
        """Ask it to end, and kill it when it does not within `grace_s`."""
        self.link.stop()
        try:
            await asyncio.wait_for(self.ended(), grace_s)
        except TimeoutError:
            await self.kill()
        self.link.abort()

    async def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.ended()

    def last_words(self) -> str:
        """Return the last line it wrote, which for a Python failure is the exception."""
        try:
            text = self.log.read_bytes()[-8192:].decode(errors="replace")
        except OSError:
            return ""
        spoken = [line.strip() for line in text.splitlines() if not _NOISE.match(line)]
        return spoken[-1][:1000] if spoken else ""


async def spawn(interpreter: Path, log: Path, *, preload: Sequence[str] = ()) -> WorkerProcess:
    """Start a worker in the model's interpreter; it imports `preload` and waits for its order."""
    ours, theirs = socket.socketpair()
    log.parent.mkdir(parents=True, exist_ok=True)
    with theirs, log.open("wb") as words:
        process = subprocess.Popen(  # noqa: ASYNC220 (a few ms; the child of this thread)
            [str(interpreter), str(_LAUNCH), str(theirs.fileno()), str(os.getpid()), *preload],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[theirs.fileno()],
            env=_environment(),
            start_new_session=True,
        )
    ours.setblocking(False)
    _, link = await asyncio.get_running_loop().create_unix_connection(Link, sock=ours)
    return WorkerProcess(process, link, log=log)


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("HELICLINE_TOKEN", "PYTHONPATH", "VIRTUAL_ENV")}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}
    return {**dict.fromkeys(_THREADS, "1"), **quiet, **kept}
