"""A real server process that can be killed and started again on the same home and port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.wait import wait_for

START_LIMIT_S = 60
END_LIMIT_S = 20


class ServerProcess:
    """One server process on one home; `start` again after `kill` takes the same port."""

    def __init__(self, home: Path, *command: str, **environment: str) -> None:
        self.home, self.command, self.port = home, command or ("-m", "helicline.server.main"), 0
        self.environment, self.url = environment, ""
        home.parent.mkdir(parents=True, exist_ok=True)
        self.log = home.with_name(f"{home.name}.log")  # the home is the server's own, from its first moment on
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        variables = {"HELICLINE_HOME": str(self.home), "HELICLINE_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **variables, **self.environment}
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                env=environment,
                stdout=out,
                stderr=out,
                cwd=self.log.parent,
            )
        self.url = self._logged("server ready ", offset)
        self.port = int(self.url.rpartition(":")[2])

    def has_ended(self, offset: int) -> bool:
        """Tell whether the process is gone; `offset` is where the log of this start begins."""
        return self.process is None or self.process.poll() is not None

    def lines(self, offset: int) -> list[str]:
        """Return the whole lines of the log behind `offset`; the last line may still be incomplete."""
        return self.log.read_bytes()[offset:].decode(errors="replace").split("\n")[:-1]

    def _logged(self, prefix: str, offset: int) -> str:
        """Wait for a line of the log that begins with `prefix`, and return its last word."""

        def word() -> str | None:
            ended = self.has_ended(offset)
            for line in self.lines(offset):
                if line.startswith(prefix):
                    return line.split()[-1]
            assert not ended, self.log.read_text()[-2000:]
            return None

        return str(wait_for(word, f"{prefix!r} in {self.log}", limit_s=START_LIMIT_S, interval_s=0.005))

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


class ForkedServer(ServerProcess):
    """A server that starts in a moment: it is forked from a process that has imported everything."""

    def __init__(self, home: Path, program: Path, **environment: str) -> None:
        super().__init__(home, str(program), **environment)
        self.pid = 0

    def start(self) -> None:
        if self.process is None:
            variables = {"HELICLINE_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
            environment = {**os.environ, **variables, **self.environment}
            with self.log.open("ab") as out:
                command = [sys.executable, *self.command]
                self.process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=self.log.parent
                )
        offset = self.log.stat().st_size
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d\n" % self.port)
        self.process.stdin.flush()
        self.pid = int(self._logged("forked ", offset))
        self.url = self._logged("server ready ", offset)
        self.port = int(self.url.rpartition(":")[2])

    def has_ended(self, offset: int) -> bool:
        return super().has_ended(offset) or any(line.startswith("ended ") for line in self.lines(offset))

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        offset, ended = self.log.stat().st_size, f"ended {self.pid}"
        os.kill(self.pid, how)
        wait_for(lambda: ended in self.lines(offset), ended, limit_s=END_LIMIT_S, interval_s=0.005)
        self.pid = 0

    def stop(self) -> None:
        if self.process is None:
            return
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process = None
