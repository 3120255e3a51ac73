"""Writes of metrics a second: Helicline's server and the stock `mlflow server`, raw and through the stock client.

usage: python bench/tracking.py [--database postgresql] [--seconds 3] [--alone]

Both are durable: SQLite with synchronous=FULL, PostgreSQL with its defaults. Both run at once and are loaded in turn.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.queues import Queue

import uvloop
from load import Rate, in_turn, measure, request
from servers import Server, arguments, pair

API = "/api/2.0/mlflow"
counter = itertools.count(1)
CLIENT = """
import sys, time
import mlflow
client = mlflow.MlflowClient(sys.argv[1])
run = client.create_run("0").info.run_id
from mlflow.entities import Metric
print("ready", flush=True)
input()
kind, end, done = sys.argv[2], time.perf_counter() + float(sys.argv[3]), 0
while time.perf_counter() < end:
    if kind == "metric":
        client.log_metric(run, "loss", 0.5, step=done)
        done += 1
    else:
        client.log_batch(run, [Metric("loss", 0.5, 1700000000000 + done + at, done + at) for at in range(1000)])
        done += 1000
print(done)
"""


def post(server: Server, path: str, body: dict) -> dict:
    data = json.dumps(body).encode()
    http_request = urllib.request.Request(
        server.url + API + path, data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(http_request, timeout=60) as answer:
        return json.load(answer)


def new_run(server: Server) -> str:
    return post(server, "/runs/create", {"experiment_id": "0", "start_time": int(time.time() * 1000)})["run"]["info"][
        "run_id"
    ]


def one_metric(server: Server) -> Callable[[], bytes]:
    run = new_run(server)

    def following() -> bytes:
        step = next(counter)
        body = {
            "run_id": run,
            "key": f"m{step % 8}",
            "value": step / 7,
            "timestamp": 1700000000000 + step,
            "step": step,
        }
        return request("POST", f"{API}/runs/log-metric", json.dumps(body).encode())

    return following


def batch(server: Server, keys: int) -> Callable[[], bytes]:
    """Return what makes batches of 1000 points of so many keys."""
    run = new_run(server)

    def following() -> bytes:
        start = next(counter) * 1000
        metrics = [
            {"key": f"m{at % keys}", "value": at / 7, "timestamp": 1700000000000 + at, "step": at}
            for at in range(start, start + 1000)
        ]
        return request("POST", f"{API}/runs/log-batch", json.dumps({"run_id": run, "metrics": metrics}).encode())

    return following


def prepared(make: Callable[[], bytes], count: int) -> Callable[[], bytes]:
    """Make the requests before the clock runs; the client's work must not be what is measured."""
    return iter([make() for _ in range(count)]).__next__


def compare(label: str, own: Callable[[], Rate], peer: Callable[[], Rate] | None, unit: int = 1) -> None:
    if peer is None:
        rate = own()
        print(
            f"{label:<44} {rate.per_second * unit:>10.0f}/s  p99 {rate.p99_ms:.1f} ms  failed {rate.failed}", flush=True
        )
        return
    a, b = in_turn((own, peer))
    print(
        f"{label:<44} {a.per_second * unit:>10.0f} {b.per_second * unit:>9.0f} {a.per_second / b.per_second:>7.1f}x"
        f"  p99 {a.p99_ms:.1f} / {b.p99_ms:.1f} ms  failed {a.failed} / {b.failed}",
        flush=True,
    )


def through_client(url: str, kind: str, seconds: float, processes: int) -> Rate:
    """Let so many processes log with the stock client, all of them at the same time."""
    command = [sys.executable, "-c", CLIENT, url, kind, str(seconds)]
    # the client's telemetry can fail a request of its own
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    for client in started:
        if client.stdout.readline() != "ready\n":
            raise RuntimeError("a client does not come up")
    for client in started:
        client.stdin.write("go\n")
        client.stdin.flush()
    done = sum(int(client.communicate(timeout=120)[0]) for client in started)
    return Rate(done / seconds, 0, 0, 0, 0)


class Nothing(asyncio.Protocol):
    """Answers every request at once, and keeps nothing: what is measured then is the client alone."""

    BODY = json.dumps({"run": {"info": {"run_id": "0" * 32, "experiment_id": "0", "status": "RUNNING"}}}).encode()
    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        sizes = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and len(body) >= int(sizes[0] if sizes else 0):
            self.received = b""
            self.transport.write(self.ANSWER)


async def answer_nothing(ready: Queue) -> None:
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    ready.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@contextmanager
def nothing() -> Iterator[str]:
    """Give the address of a server that does nothing, a process of its own."""
    context = get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=_run_nothing, args=(ready,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ready.get(timeout=60)}"
    finally:
        process.terminate()
        process.join()


def _run_nothing(ready: Queue) -> None:
    uvloop.run(answer_nothing(ready))


def main() -> None:
    options = arguments(__doc__, clients="8")
    most_clients = int(options.clients)
    with pair(options.database, alone=options.alone) as (own_server, peer_server, _):
        print(f"{options.database}; {'':<34} {'helicline':>8} {'mlflow':>9} {'ratio':>8}")

        def both(label: str, act: Callable[[Server], Rate], unit: int = 1) -> None:
            compare(label, lambda: act(own_server), None if peer_server is None else lambda: act(peer_server), unit)

        def points(server: Server) -> Callable[[], bytes]:
            return prepared(one_metric(server), int(25_000 * options.seconds) + 2_000)

        for connections in (1, 8, 64):
            both(
                f"raw log-metric, {connections} connections",
                lambda server, n=connections: measure(server.port, n, options.seconds, points(server)),
            )
        for keys in (1, 20, 1000):
            # as many as a server could do at most in the time
            both(
                f"raw log-batch of 1000, {keys} keys, points",
                lambda server, n=keys: measure(
                    server.port, 4, options.seconds, prepared(batch(server, n), int(600 * options.seconds) + 50)
                ),
                1000,
            )
        with nothing() as url:
            for kind, processes in (("metric", 1), ("metric", most_clients), ("batch", 1)):
                both(
                    f"stock client, {processes} processes, log_{kind}",
                    lambda server, k=kind, n=processes: through_client(server.url, k, options.seconds, n),
                )
                most = through_client(url, kind, options.seconds, processes).per_second
                print(f"  the client's own ceiling, a server that does nothing {most:>12.0f}", flush=True)
        # what has been logged above must make no write dearer
        for connections in (1, 8):
            both(
                f"raw log-metric again, {connections} connections",
                lambda server, n=connections: measure(server.port, n, options.seconds, points(server)),
            )
        print(f"resident memory: {own_server.resident_mb():.0f} MB", end="")
        print("" if peer_server is None else f" / {peer_server.resident_mb():.0f} MB")


if __name__ == "__main__":
    main()
