"""A stock MLflow's SQLite file or `mlruns` folder, served by the stock server from a copy."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from helicline.errors import Invalid, Unavailable

WAIT_S = 180
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
HINT = (
    "Install it here (pip install mlflow), or run `mlflow server --backend-store-uri URI` where it is installed and"
    " name that server's address instead."
)


def is_local(uri: str) -> bool:
    """Return whether the URI is a local file or folder, and not a server."""
    return uri.startswith(("sqlite:///", "file:")) or "://" not in uri


@contextmanager
def stock_server(uri: str, *, artifacts: Path | None = None) -> Iterator[str]:
    """Yield the address of a server with the data of the database or folder; it is stopped at the end."""
    path = _path(uri)
    if importlib.util.find_spec("mlflow") is None:
        raise Unavailable("mlflow", "it is not installed, and reading its files takes its server", HINT)
    folder = Path(tempfile.mkdtemp(prefix="helicline-import-"))
    process = None
    try:
        _copy_folder(path, folder) if path.is_dir() else _copy(path, folder / "copy.db")
        folder_of_artifacts = artifacts or path.parent / "mlartifacts"
        if artifacts is not None or path.is_file():
            _check_artifacts(folder_of_artifacts, folder / "copy.db")
        process, url = _start(folder, path.parent, folder_of_artifacts)
        _wait(process, url, folder / "log")
        yield url
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _path(uri: str) -> Path:
    path_text = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri.removeprefix("sqlite:///")
    path = Path(path_text).expanduser().resolve()
    if not (path.is_file() if uri.startswith("sqlite:///") else path.is_dir()):
        allowed = "http://HOST:PORT, a file that exists as sqlite:///mlflow.db, or a folder that exists as ./mlruns"
        raise Invalid("URI", uri, allowed)
    return path


def _copy_folder(path: Path, folder: Path) -> None:
    """Convert MLflow's file store to a database, by MLflow's own tool."""
    if not any(path.glob("*/meta.yaml")):
        raise Invalid("URI", str(path), "a folder of MLflow (this one has no experiments in it)")
    command = [sys.executable, "-m", "mlflow", "migrate-filestore", "--no-progress", "--source", str(path)]
    result = subprocess.run(
        [*command, "--target", f"sqlite:///{folder / 'copy.db'}"],
        env=os.environ | QUIET,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        last_line = (result.stdout + result.stderr).strip().splitlines()[-1:] or ["it said nothing"]
        raise Unavailable("mlflow migrate-filestore", last_line[0], "Look at the folder with mlflow.")


def _copy(path: Path, target: Path) -> None:
    try:
        source, copy = sqlite3.connect(f"file:{path}?mode=ro", uri=True), sqlite3.connect(target)
        source.backup(copy)
        has_schema = copy.execute("SELECT count(*) FROM sqlite_master WHERE name = 'experiments'").fetchone()[0]
        source.close()
        copy.close()
    except sqlite3.Error as error:
        raise Invalid("URI", str(path), f"a database of MLflow ({error})") from None
    if not has_schema:
        raise Invalid("URI", str(path), "a database of MLflow (this one has no experiments in it)")


def _check_artifacts(folder: Path, database: Path) -> None:
    """Raise Invalid where the server's artifact folder does not exist, which would look like runs without files."""
    if folder.is_dir():
        return
    with closing(sqlite3.connect(database)) as copy:
        proxied = copy.execute("SELECT 1 FROM runs WHERE artifact_uri LIKE 'mlflow-artifacts:%' LIMIT 1").fetchone()
    if proxied:
        hint = "Name it with --artifacts FOLDER; an empty one if no run has a file."
        raise Invalid("artifacts", str(folder), "the folder that the database's server kept artifacts in", hint)


def _start(folder: Path, place: Path, artifacts: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database, mlflow = f"sqlite:///{folder / 'copy.db'}", [sys.executable, "-m", "mlflow"]
    server = [*mlflow, "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    server += ["--backend-store-uri", database, "--artifacts-destination", str(artifacts)]
    environment = os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        # upgrades the schema of an older release in the copy
        subprocess.run(
            [*mlflow, "db", "upgrade", database], cwd=place, env=environment, stdout=log, stderr=log, check=False
        )
        # -P: modules in that folder are not ours, and must not be imported
        guard = [sys.executable, "-P", "-m", "helicline.cli.transfer.guard", str(folder)]
        process = subprocess.Popen(
            guard + server, cwd=place, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    return process, f"http://127.0.0.1:{port}"


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    last_line = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
    raise Unavailable(
        "the stock mlflow server", f"it does not come up: {last_line[0]}", "Look at the database with mlflow."
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe of the guard, which then stops the server."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
