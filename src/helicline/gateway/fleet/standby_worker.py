"""A worker started before it is needed: its imports are done, and it waits for a model to serve.

Importing mlflow and scikit-learn takes seconds, loading a model milliseconds; with a standby worker a rollout waits
only for the latter. It runs in the interpreter of the gateway.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

from helicline.gateway.fleet import worker_process
from helicline.gateway.sandbox import Sandbox

_log = logging.getLogger("helicline.gateway")
_START_DELAY_S = 2.0
_ALWAYS = ("mlflow.pyfunc", "pandas")
_BY_FLAVOUR = {
    "sklearn": ("mlflow.sklearn", "sklearn.pipeline", "sklearn.linear_model", "sklearn.ensemble", "skops.io"),
    "xgboost": ("mlflow.xgboost", "xgboost"),
    "lightgbm": ("mlflow.lightgbm", "lightgbm"),
}


class StandbyWorker:
    """At most one waiting worker; the next is started when a model has taken it and is ready."""

    def __init__(self, logs: Path, sandbox: Sandbox) -> None:
        self._logs, self._sandbox, self._count = logs, sandbox, 0
        self._worker: worker_process.WorkerProcess | None = None
        self._preparing: asyncio.Task[None] | None = None

    def take(self, interpreter: Path) -> worker_process.WorkerProcess | None:
        """Return the waiting worker if that is its interpreter and it is alive, else None."""
        worker = self._worker
        if worker is None or interpreter != Path(sys.executable) or worker.process.poll() is not None:
            return None
        self._worker = None
        return worker

    def prepare(self, interpreter: Path, mlmodel: dict[str, Any]) -> None:
        """Start a worker for the next model of these flavours, once this one has had time for its first calls."""
        if self._worker is None and self._preparing is None and interpreter == Path(sys.executable):
            self._preparing = asyncio.create_task(self._prepare(modules_for(mlmodel)))

    async def _prepare(self, modules: tuple[str, ...]) -> None:
        try:
            await asyncio.sleep(_START_DELAY_S)
            self._count += 1
            log = self._logs / f"worker-standby_worker-{self._count}.log"
            self._worker = await worker_process.spawn(Path(sys.executable), log, sandbox=self._sandbox, preload=modules)
        except OSError as error:
            _log.warning("no spare worker: %s", error)
        finally:
            self._preparing = None

    async def stop(self) -> None:
        """End the waiting worker."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        if self._worker is not None:
            await self._worker.kill()
            self._worker.connection.abort()
            self._worker = None


def modules_for(mlmodel: dict[str, Any]) -> tuple[str, ...]:
    """Return the modules that a model of these flavours imports when it is loaded."""
    flavours = mlmodel.get("flavors") or {}
    of_flavours = [module for name, modules in _BY_FLAVOUR.items() if name in flavours for module in modules]
    return (*_ALWAYS, *of_flavours)
