"""`python -m helicline.engine.zygote`: a process that has imported what tasks need, and forks one child a task.

Importing pandas, scikit-learn and mlflow costs seconds; a fork of a process that has them costs milliseconds. Only
installed packages are imported here, never user code. Requests come as JSON lines on standard input:
``{"folder", "preload"}``; answers go out as ``{"folder", "pid"}`` and ``{"folder", "pid", "code"}``. What only the task
may know, its environment and its token, lies in its folder: a later fork could find what it reads.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from helicline import isolation, parent_process
from helicline.engine.memory.process_tree import children_of
from helicline.engine.task import main as run_task
from helicline.sdk.client import tls_context
from helicline.sdk.environment import environment_parts

# packages that start threads or talk to devices when imported do not survive a fork
NEVER = frozenset({"tensorflow", "jax", "jaxlib", "ray", "pyspark", "grpc", "torch", "cupy", "cudf"})
OOM_SCORE = "500"


class Zygote:
    """The loop of the zygote: reads requests, forks, and reports children that ended."""

    def __init__(self) -> None:
        self.children: dict[int, str] = {}
        self.answers = os.fdopen(os.dup(1), "w", buffering=1)
        self.wakeup: tuple[int, int] = os.pipe()
        self.selector = selectors.DefaultSelector()
        os.dup2(2, 1)  # the output of an imported package must not mix with the answers

    def run(self) -> None:
        parent_process.adopt_orphans()
        read_end, write_end = self.wakeup
        os.set_blocking(write_end, False)
        os.set_blocking(read_end, False)
        signal.set_wakeup_fd(write_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(0, selectors.EVENT_READ)
        self.selector.register(read_end, selectors.EVENT_READ)
        pending = b""
        while True:
            for key, _ in self.selector.select():
                if key.fd == read_end:
                    with contextlib.suppress(BlockingIOError):
                        os.read(read_end, 4096)
                    continue
                piece = os.read(0, 1 << 16)
                if not piece:
                    return
                *lines, pending = (pending + piece).split(b"\n")
                for line in lines:
                    self._fork(json.loads(line))
            self._reap()

    def _fork(self, request: dict[str, Any]) -> None:
        for module in request["preload"]:
            preload(module)
        if not request["folder"]:
            return  # the request is only to import the modules
        with contextlib.suppress(Exception):  # the task itself reports it
            environment_parts()  # read here once for all tasks, and again where something was installed
            tls_context()
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self._close()
            become_task(Path(request["folder"]), zygote=os.getppid())
        self.children[pid] = request["folder"]
        self._tell(pid)

    def _close(self) -> None:
        """Close what only the zygote may use: a task must not report for another."""
        self.selector.close()
        for descriptor in (*self.wakeup, self.answers.fileno()):
            os.close(descriptor)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # there is none
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                self._end_orphans()
                if pid in self.children:
                    self._tell(pid, os.waitstatus_to_exitcode(status))
                    del self.children[pid]

    def _end_orphans(self) -> None:
        """End what tasks that are over have left, children of these too: a task that runs has its own orphans."""
        for pid in children_of(os.getpid()) - self.children.keys():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _tell(self, pid: int, code: int | None = None) -> None:
        answer = {"folder": self.children.get(pid, ""), "pid": pid} | ({} if code is None else {"code": code})
        self.answers.write(json.dumps(answer) + "\n")


def preload(module: str) -> None:
    """Import an installed module; a failure is ignored here, and the task itself reports it."""
    if module.split(".")[0] in NEVER or module in sys.modules:
        return
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        return
    except Exception:
        sys.stderr.write(f"preload of {module} failed:\n{traceback.format_exc(limit=1)}")


def become_task(folder: Path, *, zygote: int) -> None:
    """Turn this fork into the task: its own session, environment, folder, output and boundary. Never returns."""
    code = 1
    try:
        os.setsid()
        for kind in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, signal.SIG_DFL)
        os.chdir(folder)
        with contextlib.suppress(OSError):  # where memory runs out, the kernel ends a step before the server
            Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
        start = json.loads((folder / "start.json").read_text())
        os.environ.clear()
        os.environ.update(start["environment"])
        tempfile.tempdir = None  # the zygote may have cached another folder
        with (folder / "log").open("ab", buffering=0) as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        sys.argv = ["task", str(folder)]
        if start["boundary"] is not None:
            isolation.enter(isolation.Boundary(*map(tuple, start["boundary"])))
        parent_process.adopt_orphans()
        parent_process.end_with(zygote)  # a change of user would end the request
        if start["interpreter"]:  # the boundary stays, and this process ends with the zygote as before
            os.execv(start["interpreter"], [start["interpreter"], "-m", "helicline.engine.task", str(folder)])
        run_task()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def main() -> None:
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)  # the worker stops the zygote by closing its input
    Zygote().run()


if __name__ == "__main__":
    main()
