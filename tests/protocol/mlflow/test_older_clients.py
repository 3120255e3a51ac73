"""Clients of other versions, each in an environment of its own, which is kept between runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.mlflow_wire_server import MlflowWireServer

SMOKE = Path(__file__).parents[2] / "clients" / "smoke.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "helicline" / "clients"
CLIENTS = {
    "3.4.0": ["mlflow-skinny==3.4.0"],
    # its span processor does not start with newer ones
    "2.22.0": ["mlflow-skinny==2.22.0", "opentelemetry-sdk==1.30.0", "opentelemetry-api==1.30.0"],
}
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
}


def environment_of(version: str) -> Path:
    """Return the Python of that client's environment, made now if it is not there yet."""
    digest = hashlib.sha256(" ".join(CLIENTS[version]).encode()).hexdigest()[:8]
    folder = CACHE / f"{version}-{digest}-py{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.is_file():
        uv = [sys.executable, "-m", "uv"]
        for command in (["venv", "-q", "--allow-existing", "-p", sys.executable, str(folder)],
                        ["pip", "install", "-q", "-p", str(folder), *CLIENTS[version]]):  # fmt: skip
            result = subprocess.run([*uv, *command], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
        done.touch()
    return python


@pytest.fixture
def fresh(tmp_path: Path):
    running = MlflowWireServer(tmp_path)
    yield running
    running.close()


@pytest.mark.parametrize("version", CLIENTS)
def test_an_older_client_works_unchanged(fresh, version: str):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | QUIET
    command = [str(environment_of(version)), "-W", "ignore", str(SMOKE), fresh.url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.stdout.strip().endswith(f"fine with {version}"), done.stderr[-3000:]
