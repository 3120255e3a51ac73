"""The client of the zygote (note 0007): starts the process of a task, and reports its exit."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helicline import isolation
from helicline.errors import Unavailable

START_PATIENCE_S = 120.0


class Process:
    """A task's process, a child of the zygote, which reports its exit code."""

    def __init__(self) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self.started, self.ended = threading.Event(), threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code, or None where the process does not end within the time."""
        self.ended.wait(timeout_s)
        return self.returncode

    def tell(self, pid: int, code: int | None) -> None:
        self.pid = pid
        self.started.set()
        if code is not None:
            self.returncode = code
            self.ended.set()


class ForkServerClient:
    """Keeps one zygote alive and starts tasks through it."""

    def __init__(self, *, passed: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        self._passed = passed
        self._zygote: subprocess.Popen[bytes] | None = None
        self._tasks: dict[str, Process] = {}

    def start(self, folder: Path, *, preload: list[str]) -> Process:
        """Start the task whose `order.json` and `start.json` are in `folder`.

        Raises:
            Unavailable: no process can be started.
        """
        process = Process()
        request = {"folder": str(folder), "preload": preload}
        with self._lock:
            self._tasks[str(folder)] = process
            self._ask(request)
        if not process.started.wait(START_PATIENCE_S):
            raise Unavailable("a process for the task", "none was made in time")
        return process

    def warm(self, modules: Sequence[str]) -> None:
        """Import modules in the zygote before the first task needs them."""
        with self._lock:
            self._ask({"folder": "", "preload": list(modules)})

    def _ask(self, request: dict[str, Any]) -> None:
        zygote = self._alive()
        assert zygote.stdin is not None
        try:
            zygote.stdin.write(json.dumps(request).encode() + b"\n")
            zygote.stdin.flush()
        except BrokenPipeError:
            self._forget(zygote)

    def close(self) -> None:
        with self._lock:
            if self._zygote is not None and self._zygote.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._zygote.stdin.close()

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._zygote is None or self._zygote.poll() is not None:
            # a task is a fork of it, and could read whatever it holds
            environment = isolation.environment(os.environ, passed=("PYTHONPATH", *self._passed))
            environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "GIT_PYTHON_REFRESH": "quiet"}
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "helicline.engine.zygote"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
            threading.Thread(target=self._listen, args=(self._zygote,), daemon=True).start()
        return self._zygote

    def _listen(self, zygote: subprocess.Popen[bytes]) -> None:
        assert zygote.stdout is not None
        for line in zygote.stdout:
            answer: dict[str, Any] = json.loads(line)
            process = self._tasks.get(answer["folder"])
            if process is not None:
                process.tell(answer["pid"], answer.get("code"))
            if "code" in answer:
                self._tasks.pop(answer["folder"], None)
        zygote.wait()
        with self._lock:
            self._forget(zygote)

    def _forget(self, zygote: subprocess.Popen[bytes]) -> None:
        """Record every task of a dead zygote as killed, because its tasks end with it."""
        if self._zygote is zygote:
            self._zygote = None
            for process in self._tasks.values():
                process.tell(process.pid, -9)
            self._tasks.clear()


def imports_of(bundle: Path) -> list[str]:
    """Return the modules that the files of a code bundle import and do not hold themselves, read but never run."""
    with tarfile.open(bundle) as archive:
        members = [member for member in archive if member.isfile() and member.name.endswith(".py")]
        sources = {member.name: archive.extractfile(member) for member in members}
        texts = {name: file.read().decode(errors="replace") for name, file in sources.items() if file is not None}
    own = {name.split("/")[0].removesuffix(".py") for name in texts}
    names: dict[str, None] = {}
    for text in texts.values():
        with contextlib.suppress(SyntaxError):
            names |= dict.fromkeys(_imported(ast.parse(text)))
    return [module for module in names if module.split(".")[0] not in own]


def _imported(tree: ast.Module) -> list[str]:
    modules: list[str] = []
    for node in ast.walk(tree):  # steps often import what they need themselves
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules.append(node.module)
    return modules
