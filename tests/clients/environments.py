"""The clients that are tried, each in an environment of its own, which is kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WORKFLOWS = Path(__file__).with_name("workflows.py")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "helicline" / "clients"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
}


@dataclass(frozen=True)
class ClientVersion:
    """A version of the client; what it needs beside itself to start; whether `make test` tries it (without extras)."""

    version: str
    beside: tuple[str, ...] = ()
    is_brief: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split(".")[:2])

    def packages(self, *, brief: bool) -> list[str]:
        return [f"mlflow{'-skinny' if brief else ''}=={self.version}", *self.beside]


CLIENTS = (
    # its span processor does not start with newer ones
    ClientVersion("2.22.0", ("opentelemetry-sdk==1.30.0", "opentelemetry-api==1.30.0"), is_brief=True),
    ClientVersion("3.4.0", is_brief=True),
    ClientVersion("3.11.1"),
    ClientVersion("3.17.2"),
)


def python_of(packages: list[str], name: str) -> Path:
    """Return the Python of an environment with these packages, made now if it is not there yet."""
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    folder = CACHE / f"{name}-{digest}-py{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.is_file():
        uv = [sys.executable, "-m", "uv"]
        for command in (["venv", "-q", "--allow-existing", "-p", sys.executable, str(folder)],
                        ["pip", "install", "-q", "-p", str(folder), *packages]):  # fmt: skip
            result = subprocess.run([*uv, *command], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
        done.touch()
    return python


def results_of(client: ClientVersion, url: str, *, brief: bool) -> dict[str, str]:
    """Return what came of each workflow with a client on a server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")} | QUIET
    python = python_of(client.packages(brief=brief), client.version)
    command = [str(python), "-W", "ignore", str(WORKFLOWS), url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["version"] == client.version
    return report["results"]
