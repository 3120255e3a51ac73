"""Artifacts over the proxied wire: Helicline's server and the stock `mlflow server`, loaded in turn.

usage: python bench/artifacts.py [--database postgresql] [--seconds 3] [--alone]

Small files are put and got one after the other by each of 8 connections; large ones by 2, and through the stock
client. Helicline answers a put when the bytes are on the disk (fsync); MLflow when they are in the system's cache.
"""

import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import urllib3
from load import Rate
from servers import Server, arguments, pair
from tracking import compare, new_run

API = "/api/2.0/mlflow-artifacts/artifacts"
SMALL, LARGE = os.urandom(4096), os.urandom(64 * 2**20)
numbers = itertools.count()


class Place:
    """A run of one server, and requests for its artifacts."""

    def __init__(self, server: Server) -> None:
        self.server, self.run = server, new_run(server)
        self.http = urllib3.PoolManager(maxsize=16, retries=False)
        self.root = f"0/{self.run}/artifacts"

    def put(self, body: bytes) -> None:
        self._response("PUT", f"{API}/{self.root}/many/{next(numbers)}", body=body)

    def fetch(self, name: str) -> None:
        self._response("GET", f"{API}/{self.root}/{name}")

    def listed(self) -> None:
        self._response("GET", f"/api/2.0/mlflow/artifacts/list?run_id={self.run}&path=thousand")

    def filled(self) -> "Place":
        for name, body in (("small", SMALL), ("large", LARGE), *((f"thousand/{at}", b"x") for at in range(1000))):
            self._response("PUT", f"{API}/{self.root}/{name}", body=body)
        return self

    def _response(self, method: str, path: str, body: bytes | None = None) -> None:
        answer = self.http.request(method, self.server.url + path, body=body)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:200]!r}")


def measured(act: Callable[[], None], connections: int, seconds: float) -> Rate:
    """Return how often a second so many threads are done with `act`."""
    times: list[float] = []
    began = time.perf_counter()

    def repeat() -> None:
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            act()
            times.append((time.perf_counter() - start) * 1000)

    threads = [threading.Thread(target=repeat) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, ordered = time.perf_counter() - began, sorted(times)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
    return Rate(len(times) / elapsed, *at, 0)


def through_client(server: Server) -> Callable[[], None]:
    """Return what sends a large file and gets it back by the stock client."""
    import mlflow

    run = new_run(server)
    folder = Path(tempfile.mkdtemp(prefix="helicline-bench-"))
    (folder / "large.bin").write_bytes(LARGE)

    def there_and_back() -> None:
        client = mlflow.MlflowClient(server.url)
        client.log_artifact(run, str(folder / "large.bin"))
        downloaded = Path(client.download_artifacts(run, "large.bin", str(folder)))
        if downloaded.stat().st_size != len(LARGE):
            raise RuntimeError("the file came back cut short")

    return there_and_back


def main() -> None:
    options = arguments(__doc__)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with pair(options.database, alone=options.alone) as (own_server, peer_server, _):
        print(f"{options.database}; {'':<34} {'helicline':>8} {'mlflow':>9} {'ratio':>8}")
        places = {server: Place(server).filled() for server in (own_server, peer_server) if server is not None}
        clients = {server: through_client(server) for server in places}

        def both(label: str, act: Callable[[Server], Callable[[], None]], connections: int, unit: int = 1) -> None:
            def rate(server: Server) -> Rate:
                return measured(act(server), connections, options.seconds)

            compare(label, lambda: rate(own_server), None if peer_server is None else lambda: rate(peer_server), unit)

        both("put 4 kB, 8 connections, files", lambda server: lambda: places[server].put(SMALL), 8)
        both("get 4 kB, 8 connections, files", lambda server: lambda: places[server].fetch("small"), 8)
        both("list a folder of 1000, 1 connection", lambda server: places[server].listed, 1)
        both("put 64 MB, 2 connections, MB", lambda server: lambda: places[server].put(LARGE), 2, 64)
        both("get 64 MB, 2 connections, MB", lambda server: lambda: places[server].fetch("large"), 2, 64)
        both("stock client, 64 MB there and back, MB", lambda server: clients[server], 1, 128)
        print(
            f"memory: {own_server.resident_mb():.0f} MB"
            + ("" if peer_server is None else f" / {peer_server.resident_mb():.0f} MB")
        )


if __name__ == "__main__":
    main()
