"""What the workers of a gateway may reach: the model files, their environments, and a scratch folder of their own."""

from __future__ import annotations

import itertools
import json
import logging
import os
import shutil
from pathlib import Path

from helicline import isolation
from helicline.settings import Settings
from helicline.store.durable import make_folder

_log = logging.getLogger("helicline.gateway")
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Sandbox:
    """Prepares the start of workers: their environment, their scratch folder, and the boundary that they enter."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._home, self._settings = home, settings
        self._scratch = home / "scratch"
        self._counter = itertools.count(1)

    def prepare(self) -> None:
        """Make the folders that workers reach, and remove what workers of an earlier gateway have left."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        for folder in (self._home / "models", self._home / "envs", self._scratch):
            make_folder(folder)
        system = isolation.support()
        if self._settings.isolation and system.landlock and system.other_user:
            # workers of another user pass through the home; what else is in it stays behind their boundary
            os.chown(self._home, -1, isolation.GID)
            self._home.chmod(0o710)
        _log.info("models run %s", system.sentence if self._settings.isolation else "without restrictions")

    def new_scratch(self) -> Path:
        """Return a new folder for the temporary files of one worker."""
        folder = self._scratch / f"worker-{next(self._counter)}"
        make_folder(folder)
        return folder

    def environment(self, scratch: Path) -> dict[str, str]:
        """Return the environment variables of a worker: an allow-list, without any of the gateway's secrets."""
        inherited = isolation.environment(os.environ, passed=self._settings.passed_environment_patterns)
        own = {"TMPDIR": str(scratch), "HOME": str(scratch)}
        return {**dict.fromkeys(_THREADS, "1"), **_QUIET, **inherited, **own}

    def boundary(self, scratch: Path) -> str:
        """Return the boundary as an argument of the worker, which adds the packages of its interpreter; "" for none."""
        if not self._settings.isolation:
            return ""
        readable = (str(self._home / "models"), str(self._home / "envs"), *self._settings.readable_folders)
        writable = (str(scratch), *self._settings.writable_folders)
        return json.dumps(isolation.Boundary(readable, writable, (str(self._home),)))
