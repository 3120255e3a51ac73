"""The supervisor: starts, restarts and stops server, worker and gateway of one home, which it locks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from helicline import listening_socket, log_files, parent_process
from helicline.cli.health import Watch, answers, beats
from helicline.engine.worker import WORKER_BEAT
from helicline.errors import Conflict, Unavailable
from helicline.settings import Settings
from helicline.store.durable import make_folder

READY_TIMEOUT_S = 60.0
RESTART_MIN_S, RESTART_MAX_S = 0.2, 10.0
RESTART_TIMEOUT_S = 30.0
RESTARTING = "restarting"  # the file in the home that is there while a restart goes on; what failed is written to it
RESTART_ORDER = ("server", "gateway", "worker")  # what asks is started after what it asks
PORT_SETTINGS = ("HELICLINE_PORT", "HELICLINE_GATEWAY_PORT")


class Child:
    """One supervised process, its log, and the time of its next restart."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: dict[str, str]) -> None:
        self.name, self.command, self.log, self.environment = name, list(command), log, environment
        self.listener: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.wait_s = RESTART_MIN_S
        self.retry_at = 0.0
        self.watch: Watch | None = None

    def listen(self, host: str, port: int) -> None:
        """Keep a listening socket for the process across its restarts. Raises Unavailable where the port is in use."""
        try:
            self.listener = listening_socket.bind(host, port)
        except OSError as error:
            hint = f"Stop what listens there, or set another port: {', '.join(PORT_SETTINGS)}"
            raise Unavailable(f"the {self.name}", f"port {port} of {host}: {error.strerror}", hint) from None
        descriptor = str(self.listener.fileno())
        self.environment = {**self.environment, listening_socket.VARIABLE: descriptor}

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.offset = out.tell()
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment,
                start_new_session=True, pass_fds=[self.listener.fileno()] if self.listener is not None else [],
            )  # fmt: skip
        self.started = time.monotonic()
        if self.watch is not None:
            self.watch.begin_anew()

    def ready_line(self, timeout_s: float) -> str:
        """Return the text after "<name> ready " in the log. Raises Unavailable where this line does not come."""
        end, marker = time.monotonic() + timeout_s, f"{self.name} ready "
        while time.monotonic() < end:
            text = self.log.read_bytes()[self.offset :].decode(errors="replace")
            for line in text.splitlines():
                if line.startswith(marker):
                    return line[len(marker) :]
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(0.02)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        raise Unavailable(
            f"the {self.name}", f"it did not start:\n{tail}", f"Its log is {self.log}; see also: hl doctor"
        )

    def tend(self) -> None:
        """Restart the process if it has ended, and end it if it hangs; the wait grows while it ends quickly."""
        if self.process is None or (self.process.poll() is None and not self._end_if_hung()):
            return
        now = time.monotonic()
        if not self.retry_at:
            quick = now - self.started < 5
            self.wait_s = min(self.wait_s * 2, RESTART_MAX_S) if quick else RESTART_MIN_S
            self.retry_at = now + self.wait_s
        elif now >= self.retry_at:
            self.retry_at = 0.0
            self.start()

    def _end_if_hung(self) -> bool:
        if self.process is None or self.watch is None or not self.watch.is_hung:
            return False
        with self.log.open("a") as out:
            out.write(f"supervisor: the {self.name} does not answer; process {self.process.pid} is ended\n")
        self.process.kill()
        self.process.wait()
        return True

    def restart(self) -> str:
        """End the process in order, start it anew on the same socket, and return what its ready line says."""
        self.end(RESTART_TIMEOUT_S)
        self.retry_at = 0.0
        self.start()
        return self.ready_line(READY_TIMEOUT_S)

    def stop(self) -> None:
        if self.watch is not None:
            self.watch.stop()
        self.end()

    def end(self, timeout_s: float = 10.0) -> None:
        """Have the process end in order, and kill it where it takes longer than that."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """The processes of one home. `start` returns when all are ready."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.home = settings, settings.home_path
        self.children: list[Child] = []
        self._lock: IO[str] | None = None
        self.stopping = self.restart_asked = False
        self.urls: dict[str, str] = {}
        self.token = ""

    def start(self) -> None:
        """Start everything. Raises Conflict where this home is in use, Unavailable where a process does not start."""
        make_folder(self.home, mode=0o700)
        (self.home / "logs").mkdir(exist_ok=True)
        self._take_lock()
        try:
            server = self._child("server", ["-m", "helicline.server.main"], port=self.settings.port)
            url = self.urls["server"] = server.ready_line(READY_TIMEOUT_S)
            (self.home / "server.url").write_text(url)
            self.token = (self.home / "owner.token").read_text().strip()
            worker = ["-m", "helicline.engine.worker", "--server", url, "--slots", str(self.settings.worker_slots)]
            gateway = ["-m", "helicline.gateway", "--home", str(self.home), "--server", url]
            gateway += ["--host", self.settings.host, "--port", str(self.settings.gateway_port)]
            front = self._child("gateway", gateway, port=self.settings.gateway_port)
            worker_process = self._child("worker", worker)
            self.urls["gateway"] = front.ready_line(READY_TIMEOUT_S)
            (self.home / "gateway.url").write_text(self.urls["gateway"])
            worker_process.ready_line(READY_TIMEOUT_S)
            server.watch = Watch(answers(f"{url}/health"))
            front.watch = Watch(answers(f"{self.urls['gateway']}/v2/health/live"))
            worker_process.watch = Watch(beats(self.home / WORKER_BEAT))
        except BaseException:
            self.stop()
            raise

    def _take_lock(self) -> None:
        self._lock = (self.home / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            owner = self._lock.read().strip()
            self._lock.close()
            self._lock = None
            raise Conflict("home", str(self.home), f"is in use by process {owner}", "Stop it with: hl down") from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _child(self, name: str, arguments: list[str], *, port: int | None = None) -> Child:
        environment = {**os.environ, "HELICLINE_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        environment[parent_process.VARIABLE] = str(os.getpid())
        if self.token:
            environment.setdefault("HELICLINE_TOKEN", self.token)
        log = self.home / "logs" / f"{name}.log"
        child = Child(name, [sys.executable, *arguments], log=log, environment=environment)
        if port is not None:
            child.listen(self.settings.host, port)
        child.start()
        self.children.append(child)
        return child

    def tend(self) -> None:
        """Restart ended processes until `stopping` is set."""
        while not self.stopping:
            if self.restart_asked:
                self.restart()
            for child in self.children:
                child.tend()
                log_files.bound(child.log)
            time.sleep(0.2)

    def restart(self) -> None:
        """Restart one process after the other; their sockets stay open, so that clients wait and none is refused.

        A process that does not come up is started again and again, as always; the first failure ends the restart.
        """
        self.restart_asked = False
        try:
            for child in sorted(self.children, key=lambda child: RESTART_ORDER.index(child.name)):
                child.restart()
        except Unavailable as error:
            with contextlib.suppress(OSError):
                (self.home / RESTARTING).write_text(str(error))
        else:
            (self.home / RESTARTING).unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop gateway and worker first, the server last, and release the home."""
        self.stopping = True
        for child in reversed(self.children):
            child.stop()
            if child.listener is not None:
                child.listener.close()
        for file_name in ("server.url", "gateway.url"):
            (self.home / file_name).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()


def owner_of(home: Path) -> int:
    """Return the process id of the supervisor that has locked a home, 0 where there is none."""
    path = home / "lock"
    if not path.is_file():
        return 0
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read().strip() or 0)
    return 0
