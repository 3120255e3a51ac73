"""The sealer as the gateway runs it: a process of its own, so that Parquet is written away from the front."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from helicline.serving.prediction_log.segment import close_leftovers

_STOP_S = 2.0
_log = logging.getLogger("helicline.gateway")


class SealerProcess:
    """Starts and stops the process that turns closed segments into Parquet."""

    def __init__(self, home: Path, *, wake_s: float = 15.0) -> None:
        self._home, self._wake_s = home, wake_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The id of the running process."""
        return self._process.pid if self._process is not None else None

    async def run(self) -> None:
        """Start the process, and again whenever it ends, until cancelled."""
        close_leftovers(self._home / "log")
        while True:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "helicline.gateway.log_sealer", "--home", str(self._home)),
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            code = await self._ended(self._process)
            _log.warning("the sealer ended with %s; it is started again", code)
            await asyncio.sleep(1.0)

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the end of the process; meanwhile wake it now and then, since files become due without traffic."""
        ended = asyncio.ensure_future(process.wait())
        try:
            while not (await asyncio.wait({ended}, timeout=self._wake_s))[0]:
                self.notify()
            return ended.result()
        finally:
            ended.cancel()

    def notify(self) -> None:
        """Tell the process that a segment was closed."""
        stdin = self._process.stdin if self._process is not None else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(b"\n")

    async def stop(self) -> None:
        """Have the process seal all closed segments and end. What it has not sealed in time, the next one seals.

        The next gateway begins after the end of this one, so callers may be waiting.
        """
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
