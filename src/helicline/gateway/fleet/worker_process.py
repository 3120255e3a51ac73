"""Starting and ending one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from helicline import log_files
from helicline.gateway.fleet.worker_connection import WorkerConnection
from helicline.gateway.sandbox import Sandbox
from helicline.gateway.worker import frames

_LAUNCH = Path(__file__).resolve().parents[1] / "worker" / "launch.py"
_LAST_WORDS_S = 2.0


class WorkerProcess:
    """A started worker: its process, the connection to it and the file that its output goes to."""

    def __init__(
        self, process: subprocess.Popen[bytes], connection: WorkerConnection, *, log: Path, scratch: Path
    ) -> None:
        self.process, self.connection, self.log, self._scratch = process, connection, log, scratch

    @property
    def pid(self) -> int:
        return self.process.pid

    def send_order(self, order: dict[str, Any]) -> None:
        """Send the worker the model to load and serve."""
        self.connection.send(frames.pack(frames.LOAD, 0, meta=msgspec.json.encode(order)))

    async def wait(self) -> int:
        """Wait for the process to end; return its exit code, negative for a signal."""
        while (code := self.process.poll()) is None:  # noqa: ASYNC110 (a child has no event)
            await asyncio.sleep(0.02)
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
        return code

    async def stop(self, *, grace_s: float) -> None:
        """Tell the worker to end, and kill it when it does not within `grace_s`."""
        self.connection.stop()
        try:
            await asyncio.wait_for(self.wait(), grace_s)
        except TimeoutError:
            await self.kill()
        self.connection.abort()

    async def end_of(self) -> None:
        """Wait for the end of a worker whose connection has closed; kill it where it does not end by itself."""
        try:
            await asyncio.wait_for(self.wait(), _LAST_WORDS_S)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill the worker and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.wait()

    def how_it_ended(self) -> str:
        """Return the signal or the exit code that ended it, with its last words where they are of its end."""
        code = self.process.returncode
        if code is None:
            return f"the worker has not ended; {self._last_words() or 'it says nothing'}"
        if code == -signal.SIGKILL:  # leaves no time for words
            return "the worker was killed by SIGKILL (by a person, or for want of memory)"
        name = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        words = self._last_words(crash=code < 0)
        return f"the worker ended with {name}" + (f": {words}" if words else "")

    def _last_words(self, *, crash: bool = False) -> str:
        """Return the last line of its output, which for a Python failure is the exception; of a crash, its kind."""
        try:
            text = self.log.read_bytes()[-8192:].decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.rpartition(frames.HANDLED)[2].splitlines() if line.strip()]
        if crash:
            lines = [line for line in lines if line.startswith("Fatal Python error")]
        return lines[-1][:1000] if lines else ""


async def spawn(interpreter: Path, log: Path, *, sandbox: Sandbox, preload: Sequence[str] = ()) -> WorkerProcess:
    """Start a worker in the model's interpreter; it imports `preload` and waits for an order."""
    front_end, worker_end = socket.socketpair()
    scratch = sandbox.new_scratch()
    arguments = [str(worker_end.fileno()), str(os.getpid()), sandbox.boundary(scratch), *preload]
    with worker_end, log_files.begin(log) as output:
        process = subprocess.Popen(  # noqa: ASYNC220 (a few ms; the kernel ends the child with this thread)
            [str(interpreter), str(_LAUNCH), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[worker_end.fileno()],
            env=sandbox.environment(scratch),
            start_new_session=True,
        )
    front_end.setblocking(False)
    _, connection = await asyncio.get_running_loop().create_unix_connection(WorkerConnection, sock=front_end)
    return WorkerProcess(process, connection, log=log, scratch=scratch)
