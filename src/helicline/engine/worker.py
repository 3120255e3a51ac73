"""`python -m helicline.engine.worker`: leases attempts over HTTP and runs each in a process of its own.

A worker never touches the database. It may run on any machine that reaches the server and holds no state: when it dies,
its leases expire and others take over.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import threading
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

import helicline
from helicline import isolation, parent_process
from helicline import settings as settings_file
from helicline.engine.fork_server_client import ForkServerClient, Process, imports_of
from helicline.engine.memory import process_tree
from helicline.engine.memory.watch import MemoryWatch, reason
from helicline.engine.secret_mask import SecretMask
from helicline.engine.task_files import OutputLog, read_report
from helicline.environments import build as environments
from helicline.errors import Conflict, HeliclineError, NotFound, Unavailable
from helicline.records.pipeline import Completion, TaskSpec
from helicline.sdk.client import Client
from helicline.settings import Settings

log = logging.getLogger("helicline.worker")
MIN_RETRY_S = 60.0
RELEASE_PATIENCE_S = 2.0
TERM_PATIENCE_S = 5.0
LOG_EVERY_S = 0.25
LEASE_WAIT_S = 2.0  # a worker that is told to stop hears it after its call: an answer that it left would be a lost task
WORKER_BEAT = "worker.alive"  # a file of the home that is touched while the worker asks for tasks
ALWAYS = (
    "helicline.engine.step",
    "helicline.engine.judging",
    "helicline.engine.harvest.commit",
    "helicline.engine.checking",
    "httpx",
    "httpcore",  # by the first client of a process
    "duckdb",
)
STOCK = ("mlflow", "mlflow.pyfunc", "mlflow.artifacts")
FLAVOURS = ("sklearn", "xgboost", "lightgbm", "catboost", "statsmodels")
# imported by logging and autologging of a model of the flavour, which takes seconds
WITH_FLAVOUR = {"sklearn": ("skops.io", "sklearn.ensemble", "sklearn.manifold", "sklearn.semi_supervised")}


class Worker:
    """Leases and runs tasks while it has a free slot."""

    def __init__(self, url: str, *, slots: int, name: str = "", settings: Settings | None = None) -> None:
        self.url, self.slots = url, slots
        self.settings = settings or settings_file.load()
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.stopping = threading.Event()
        self.fork_server = ForkServerClient(passed=self.settings.passed_environment_patterns)
        self.preloads: dict[str, list[str]] = {}
        self._free = threading.Semaphore(slots)

    def run(self) -> None:
        """Lease and run tasks until stopped; then stop the running tasks and report them."""
        client, pause = Client(self.url), 0.2
        self.fork_server.warm([*ALWAYS, *STOCK])
        threads: list[threading.Thread] = []
        while not self.stopping.is_set():
            self._beat()
            if not self._free.acquire(timeout=0.2):
                continue
            task = None
            try:
                task = self._lease(client)
                pause = 0.2
            except HeliclineError as error:
                log.info("no task: %s", error)
                self.stopping.wait(pause)
                pause = min(pause * 2, 5.0)
            if task is not None and self.stopping.is_set():
                Task(self, task).release()  # it was leased by a call that was under way when the stop came
                task = None
            if task is None:
                self._free.release()
                continue
            thread = threading.Thread(target=self._run_task, args=(task,), name=task.attempt, daemon=True)
            threads = [*(other for other in threads if other.is_alive()), thread]
            thread.start()
        for thread in threads:
            thread.join(TERM_PATIENCE_S + 2)
        self.fork_server.close()

    def _beat(self) -> None:
        """Touch a file of the home, where there is one: the supervisor and `hl doctor` look at its time."""
        with contextlib.suppress(OSError):
            if self.settings.home_path.is_dir():
                (self.settings.home_path / WORKER_BEAT).touch()

    def preload(self, client: Client, bundle: str, scratch: Path) -> list[str]:
        """Return the modules that the zygote should import for the tasks of a code bundle."""
        if bundle and bundle not in self.preloads:
            imports = imports_of(client.fetch_blob(bundle, scratch / "preload.tar"))
            packages = dict.fromkeys(name.split(".")[0] for name in imports if name.split(".")[0] in FLAVOURS)
            flavours = [module for name in packages for module in (f"mlflow.{name}", *WITH_FLAVOUR.get(name, ()))]
            self.preloads[bundle] = [*imports, *dict.fromkeys(flavours)]
        return [*ALWAYS, *STOCK, *self.preloads.get(bundle, [])]

    def _lease(self, client: Client) -> TaskSpec | None:
        body = {"worker": self.name, "wait_s": LEASE_WAIT_S}
        response = client.send("POST", "/attempts/lease", body=body, timeout_s=20)
        return msgspec.json.decode(response.content, type=TaskSpec) if response.status_code == 200 else None

    def _run_task(self, task: TaskSpec) -> None:
        try:
            Task(self, task).run()
        except Exception:
            log.exception("task %s failed in the worker itself", task.attempt)
        finally:
            self._free.release()


class Task:
    """One leased attempt: its process, its heartbeat, its log."""

    def __init__(self, worker: Worker, spec: TaskSpec) -> None:
        self.worker, self.spec = worker, spec
        self.client = Client(worker.url, retry_s=MIN_RETRY_S + 2 * spec.lease_s)
        self.mask = SecretMask(spec.secrets.values())
        self.limit_bytes = spec.step.memory_bytes if spec.step else 0
        self.cancelled = self.timed_out = self.lost = False

    def run(self) -> None:
        with TemporaryDirectory(prefix="helicline-task-") as folder:
            scratch = Path(folder)
            ended = threading.Event()
            beat = threading.Thread(target=self._beat, args=(ended,), daemon=True)
            beat.start()
            try:
                completion = self._carried_out(scratch)
            finally:
                ended.set()
                beat.join()
            if self.lost:
                return
            if completion is None:
                self.release()
            else:
                self._report(msgspec.structs.replace(completion, error=self.mask.text(completion.error)))
        self.client.close()

    def _carried_out(self, scratch: Path) -> Completion | None:
        """Run the task's process to its end and return its report; a process that cannot be made is a report too.

        None where the worker itself was told to stop: the attempt goes back to whoever comes next.
        """
        # opened before the task runs: by its path, user code could have another file read to us
        with (scratch / "log").open("w+b") as file:
            output = OutputLog(self.client, self.spec.attempt, file, mask=self.mask)
            try:
                process = self._spawn(scratch, self._interpreter(scratch, output))
            except HeliclineError as error:
                return Completion(fence=self.spec.fence, ok=False, error=f"it could not be started: {error}")
            if self.limit_bytes and not process_tree.is_readable():
                file.write(b"the memory limit of this step is not kept: this system has no /proc to measure it by\n")
            with MemoryWatch(process.pid, limit_bytes=self.limit_bytes) as memory:
                self._watch(process, output)
            output.send_rest()
            completion = self._completion(process.returncode or 0, read_report(scratch, self.spec.fence), output)
            return completion and self._with_memory(completion, memory)

    def _with_memory(self, completion: Completion, memory: MemoryWatch) -> Completion:
        """Return the report with what was measured; where memory ran out, that is its reason."""
        completion = msgspec.structs.replace(completion, peak_bytes=memory.peak_bytes)
        if completion.ok or completion.cancelled or completion.timed_out:
            return completion
        if not memory.exceeded and not memory.kernel_killed:
            return completion
        limit_bytes = self.limit_bytes if memory.exceeded else 0
        why = reason(peak_bytes=memory.peak_bytes, limit_bytes=limit_bytes, is_step=self.spec.step is not None)
        error = why if completion.killed else f"{completion.error}; {why}"  # a process that it began was ended
        return msgspec.structs.replace(completion, out_of_memory=True, error=error)

    def _interpreter(self, scratch: Path, output: OutputLog) -> str:
        """Return the interpreter of the step's own environment, which is built where it is not there; "" for none."""
        env = self.spec.step.env if self.spec.step else None
        if env is None:
            return ""

        def stopped() -> bool:
            output.send_new()
            return self.cancelled or self.worker.stopping.is_set()

        folder = self.worker.settings.home_path / "envs" / env.hash
        with (scratch / "log").open("ab", buffering=0) as log_file:
            if not (folder / environments.READY).is_file():
                text = f"building the environment of {env.name}: {len(env.requirements)} packages\n"
                log_file.write(text.encode())
            return str(
                environments.build(
                    folder, python=env.python, requirements=env.requirements, output=log_file, stopped=stopped
                )
            )

    def _spawn(self, scratch: Path, interpreter: str) -> Process:
        order = msgspec.structs.replace(self.spec, secrets={})  # it has them as variables
        (scratch / "order.json").write_bytes(msgspec.json.encode(order))
        preload = self.worker.preload(self.client, self.spec.bundle, scratch)
        start = {
            "environment": self._environment(scratch) | (_package_path(scratch) if interpreter else {}),
            "boundary": self._boundary(scratch, interpreter),
            "interpreter": interpreter,
        }
        (scratch / "start.json").write_bytes(msgspec.json.encode(start))
        return self.worker.fork_server.start(scratch, preload=preload)

    def _environment(self, scratch: Path) -> dict[str, str]:
        """Return the variables of the task: an allow-list, and what points its clients at this server."""
        environment = isolation.environment(os.environ, passed=self.worker.settings.passed_environment_patterns)
        environment |= {"HELICLINE_URL": self.worker.url, "PYTHONUNBUFFERED": "1", "GIT_PYTHON_REFRESH": "quiet"}
        environment |= {"MLFLOW_TRACKING_URI": self.worker.url, "MLFLOW_REGISTRY_URI": self.worker.url}
        environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
        # the temporary folder of user code is removed with the task, and so is what it writes to its home
        for variable, name in (("TMPDIR", "tmp"), ("HOME", "home")):
            (scratch / name).mkdir()
            environment[variable] = str(scratch / name)
        # while the server is away, the task waits for it at least as long as its lease
        environment["HELICLINE_RETRY_S"] = f"{MIN_RETRY_S + 2 * self.spec.lease_s:g}"
        environment |= self.spec.tracking | self.spec.secrets
        if self.spec.token:
            # user code gets a token that expires with the task, never the worker's own token
            environment |= {"HELICLINE_TOKEN": self.spec.token, "MLFLOW_TRACKING_TOKEN": self.spec.token}
        return environment

    def _boundary(self, scratch: Path, interpreter: str) -> isolation.Boundary | None:
        """Return what the task may reach: the installed packages, its own folder, and what the settings add."""
        settings = self.worker.settings
        if not settings.isolation:
            return None
        hidden = (str(settings.home_path),)
        own = (str(Path(interpreter).parents[1]),) if interpreter else ()
        readable = (*isolation.interpreter_paths(hidden=hidden), *own, *settings.readable_folders)
        return isolation.Boundary(readable, (str(scratch), *settings.writable_folders), hidden)

    def _watch(self, process: Process, output: OutputLog) -> None:
        deadline = time.monotonic() + self.spec.timeout_s
        while process.poll() is None:
            process.wait(LOG_EVERY_S)
            output.send_new()
            if time.monotonic() > deadline and process.poll() is None:
                self.timed_out = True
                self._kill(process)
            elif self.cancelled or self.worker.stopping.is_set():
                self._kill(process)
        self._kill_group(process)

    def _kill(self, process: Process) -> None:
        """Stop the whole process group: SIGTERM, and SIGKILL after a timeout."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(TERM_PATIENCE_S)
        self._kill_group(process)
        process.wait(TERM_PATIENCE_S)

    def _kill_group(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def _beat(self, ended: threading.Event) -> None:
        client = Client(self.worker.url)
        while not ended.wait(self.spec.lease_s / 3):
            try:
                body = {"fence": self.spec.fence}
                answer = client.post(f"/attempts/{self.spec.attempt}/heartbeat", dict[str, bool], body)
                self.cancelled = self.cancelled or answer["cancel"]
            except (Conflict, NotFound):
                # another worker has the lease: the server would reject any result of this process
                self.lost = self.cancelled = True
                return
            except Unavailable as error:
                log.info("heartbeat of %s: %s", self.spec.attempt, error)
        client.close()

    def _completion(self, code: int, report: Completion | None, output: OutputLog) -> Completion | None:
        if code == 0 and report is not None:
            return report
        bare = Completion(fence=self.spec.fence, ok=False)
        if self.timed_out:
            error = f"it ran longer than {self.spec.timeout_s:g} s"
            return msgspec.structs.replace(bare, timed_out=True, error=error)
        if self.worker.stopping.is_set() and not self.cancelled:
            return None
        if self.cancelled:
            return msgspec.structs.replace(bare, cancelled=True, error="it was cancelled")
        if report is not None:
            return report
        last_line = output.last_line()
        error = f"{_ending(code)} without a result{f': {last_line}' if last_line else ''}"
        return msgspec.structs.replace(bare, error=error, killed=code < 0)

    def release(self) -> None:
        """Hand the attempt back unfinished; where no server hears of it, its lease runs out, with the same end."""
        client = Client(self.worker.url, retry_s=RELEASE_PATIENCE_S)
        try:
            client.post(f"/attempts/{self.spec.attempt}/release", dict[str, bool], {"fence": self.spec.fence})
        except HeliclineError as error:
            log.info("attempt %s could not be handed back: %s", self.spec.attempt, error)

    def _report(self, completion: Completion) -> None:
        """Send the report until the server accepts it, or rejects it because of a stale fence."""
        for attempt in range(60):
            try:
                self.client.post(f"/attempts/{self.spec.attempt}/complete", dict[str, bool], completion)
                return
            except Unavailable:
                time.sleep(min(0.2 * 2**attempt, 5.0))
            except HeliclineError as error:
                if isinstance(error, Conflict | NotFound) or not completion.ok:
                    log.warning("report of %s refused: %s", self.spec.attempt, error)
                    return
                completion = Completion(fence=self.spec.fence, ok=False, error=str(error))


def _package_path(scratch: Path) -> dict[str, str]:
    """Return the variable by which another interpreter finds this package, and nothing else that is beside it."""
    (scratch / "package").mkdir()
    (scratch / "package" / "helicline").symlink_to(Path(helicline.__file__).parent)
    return {"PYTHONPATH": str(scratch / "package")}


def _ending(code: int) -> str:
    if code < 0:
        return f"the process was killed by {signal.Signals(-code).name}"
    return f"the process exited with status {code}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="helicline-worker")
    parser.add_argument("--server", required=True)
    parser.add_argument("--slots", type=int, default=2)
    arguments = parser.parse_args()
    parent_process.end_with_supervisor()
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel("WARNING")
    worker = Worker(arguments.server, slots=arguments.slots)
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: worker.stopping.set())
    log.info("steps run %s", isolation.support().sentence if worker.settings.isolation else "without restrictions")
    print(f"worker ready {worker.name}", flush=True)
    worker.run()


if __name__ == "__main__":
    main()
