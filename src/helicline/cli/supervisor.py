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
from typing import IO, BinaryIO

from helicline import listening_socket, log_files, parent_process
from helicline.cli.handover.adopted_process import AdoptedProcess
from helicline.cli.handover.handover import HandedChild, Handover
from helicline.cli.handover.orphans import taken_or_bound
from helicline.cli.health import Beats, Probe, Watch, answers
from helicline.engine.worker import WORKER_BEAT
from helicline.errors import Conflict, Unavailable
from helicline.settings import Settings
from helicline.store.durable import make_folder

READY_TIMEOUT_S = 60.0
RESTART_MIN_S, RESTART_MAX_S = 0.2, 10.0
RESTART_TIMEOUT_S = 30.0
RESTARTING = "restarting"  # the file in the home that is there while a restart goes on; what failed is written to it
RESTART_ORDER = ("server", "gateway", "worker")  # what asks is started after what it asks
SUPERVISOR_LOG = "supervisor.log"  # in the home: the output of `hl up --detach`
PORT_SETTINGS = ("HELICLINE_PORT", "HELICLINE_GATEWAY_PORT")


class Child:
    """One supervised process, its log, and the time of its next restart."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: dict[str, str]) -> None:
        self.name, self.command, self.log, self.environment = name, list(command), log, environment
        self.listener: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | AdoptedProcess | None = None
        self.started = 0.0
        self.wait_s = RESTART_MIN_S
        self.retry_at = 0.0
        self.watch: Watch | None = None

    def listen(self, settings: Settings, port: int) -> None:
        """Keep a listening socket for the process across its restarts: that of one that serves on, or a new one.

        Raises:
            Unavailable: the port is in use.
        """
        host = settings.host
        try:
            self.listener = taken_or_bound(settings.home_path, self.name, host=host, port=port)
        except OSError as error:
            hint = f"Stop what listens there, or set another port: {', '.join(PORT_SETTINGS)}"
            raise Unavailable(f"the {self.name}", f"port {port} of {host}: {error.strerror}", hint) from None
        self._name_listener(self.listener)

    def _name_listener(self, listener: socket.socket) -> None:
        self.environment = {**self.environment, listening_socket.VARIABLE: str(listener.fileno())}

    def adopt(self, handed: HandedChild) -> None:
        """Go on with a process that runs, and the socket that was kept for it."""
        self.process, self.started = AdoptedProcess(handed.pid), time.monotonic()
        if handed.listener is not None:
            self.listener = socket.socket(fileno=handed.listener)
            self._name_listener(self.listener)

    def handed(self) -> HandedChild:
        """Return what another program needs to go on with this process."""
        listener = self.listener.fileno() if self.listener is not None else None
        return HandedChild(name=self.name, pid=self.process.pid if self.process is not None else 0, listener=listener)

    def start(self) -> None:
        with self._output() as out:
            self.offset = out.tell()
            self.process = subprocess.Popen(
                self.command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment,
                start_new_session=True, pass_fds=[self.listener.fileno()] if self.listener is not None else [],
            )  # fmt: skip
        self.started = time.monotonic()
        if self.watch is not None:
            self.watch.begin_anew()

    def _output(self) -> BinaryIO:
        """Open the log for appending; on a disk that takes no log (read-only, damaged) the process runs without one."""
        try:
            return self.log.open("ab")
        except OSError as error:
            with contextlib.suppress(OSError):  # what it is printed to may lie on the same disk
                print(f"supervisor: the {self.name} runs without a log: {error}", file=sys.stderr, flush=True)
            return Path(os.devnull).open("ab")

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
        sentence = f"supervisor: the {self.name} does not answer; process {self.process.pid} is ended\n"
        with self._output() as out:
            out.write(sentence.encode())
        self.process.kill()
        self.process.wait()
        return True

    def restart(self) -> str:
        """End the process in order, start it anew on the same socket, and return what its ready line says."""
        self.end(RESTART_TIMEOUT_S)
        self.retry_at = 0.0
        self.start()
        return self.ready_line(READY_TIMEOUT_S)

    def terminate(self) -> None:
        """Tell the process to end; `end` waits for it."""
        if self.watch is not None:
            self.watch.stop()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

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
            self.urls["server"] = self._begun("server", port=self.settings.port).ready_line(READY_TIMEOUT_S)
            (self.home / "server.url").write_text(self.urls["server"])
            self.token = (self.home / "owner.token").read_text().strip()
            front = self._begun("gateway", port=self.settings.gateway_port)
            worker = self._begun("worker")
            self.urls["gateway"] = front.ready_line(READY_TIMEOUT_S)
            (self.home / "gateway.url").write_text(self.urls["gateway"])
            worker.ready_line(READY_TIMEOUT_S)
            self._watch()
        except BaseException:
            self.stop()
            raise

    def take_over(self, handover: Handover) -> None:
        """Go on with the processes of the program before, and replace each by one of the program that runs now."""
        self._lock = os.fdopen(handover.lock, "a+")
        try:
            self.urls, self.token = handover.urls, handover.token
            for handed in handover.children:
                self._child(handed.name).adopt(handed)
            self._watch()
            self.restart()
        except BaseException:
            self.stop()
            raise

    def _watch(self) -> None:
        probes: dict[str, Probe] = {
            "server": answers(f"{self.urls['server']}/health"),
            "gateway": answers(f"{self.urls['gateway']}/v2/health/live"),
            "worker": Beats(self.home / WORKER_BEAT),
        }
        for child in self.children:
            child.watch = Watch(probes[child.name])

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

    def _begun(self, name: str, *, port: int | None = None) -> Child:
        child = self._child(name)
        if port is not None:
            child.listen(self.settings, port)
        child.start()
        return child

    def _child(self, name: str) -> Child:
        environment = {**os.environ, "HELICLINE_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        environment[parent_process.VARIABLE] = str(os.getpid())
        if self.token:
            environment.setdefault("HELICLINE_TOKEN", self.token)
        log = self.home / "logs" / f"{name}.log"
        child = Child(name, [sys.executable, *self._arguments(name)], log=log, environment=environment)
        self.children.append(child)
        return child

    def _arguments(self, name: str) -> list[str]:
        if name == "server":
            return ["-m", "helicline.server.main"]
        url, settings = self.urls["server"], self.settings
        if name == "worker":
            return ["-m", "helicline.engine.worker", "--server", url, "--slots", str(settings.worker_slots)]
        place = ["--host", settings.host, "--port", str(settings.gateway_port)]
        return ["-m", "helicline.gateway", "--home", str(self.home), "--server", url, *place]

    def tend(self) -> None:
        """Restart ended processes until `stopping` is set."""
        while not self.stopping:
            if self.restart_asked:
                self.replace()
            for child in self.children:
                child.tend()
                log_files.bound(child.log)
            log_files.bound(self.home / SUPERVISOR_LOG)
            time.sleep(0.2)

    def replace(self) -> None:
        """Have the installed program take over (`take_over`); where it cannot, go on and say why."""
        self.restart_asked = False
        if self._lock is None:
            return
        children = tuple(child.handed() for child in self.children)
        handover = Handover(lock=self._lock.fileno(), children=children, urls=self.urls, token=self.token)
        try:
            handover.give({**os.environ, "HELICLINE_HOME": str(self.home)})
        except Unavailable as error:
            self._say_failure(error)

    def restart(self) -> None:
        """Restart one process after the other; their sockets stay open, so that clients wait and none is refused.

        A process that does not come up is started again and again, as always; the first failure ends the restart.
        """
        try:
            for child in sorted(self.children, key=lambda child: RESTART_ORDER.index(child.name)):
                child.restart()
        except Unavailable as error:
            self._say_failure(error)
        else:
            (self.home / RESTARTING).unlink(missing_ok=True)

    def _say_failure(self, error: Unavailable) -> None:
        with contextlib.suppress(OSError):
            (self.home / RESTARTING).write_text(str(error))

    def stop(self) -> None:
        """Stop gateway and worker together, then the server, which they report to, and release the home."""
        self.stopping = True
        for child in self.children:
            if child.name != "server":
                child.terminate()
        for child in reversed(self.children):
            child.terminate()
            child.end()
            if child.listener is not None:
                child.listener.close()
        forget_addresses(self.home)
        if self._lock is not None:
            self._lock.close()


def forget_addresses(home: Path) -> None:
    """Remove the files that name the addresses of a home, since nobody serves there."""
    for file_name in ("server.url", "gateway.url"):
        (home / file_name).unlink(missing_ok=True)


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
