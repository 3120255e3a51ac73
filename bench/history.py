"""Reading a metric's history: 100,000 points of one series, in a store that holds 10 million, beside `mlflow server`.

usage: python bench/history.py [--database postgresql] [--points 10000000] [--alone]

Prints the whole history over HTTP and through the stock client, the data of a chart, and how the cost of a page grows
with the length of the series. Only ours is filled to the brim: the peer takes about 100 bytes and 100 microseconds a
point; it holds the one series and is none the slower for what it does not hold.
"""

import json
import statistics
import time
import urllib.request
from collections.abc import Callable

import mlflow
import numpy as np
import sqlalchemy as sa
from servers import Server, arguments, pair
from tracking import new_run, post

from helicline.store.rows import block

LENGTH = 100_000
BEGAN = 1_700_000_000_000
ROUNDS = 5


def log(server: Server, run: str, count: int) -> float:
    """Log the series over HTTP, 1000 points a request, and return the seconds."""
    began = time.perf_counter()
    for start in range(0, count, 1000):
        metrics = [
            {"key": "loss", "value": 1 / (1 + at), "timestamp": BEGAN + at * 50, "step": at}
            for at in range(start, start + 1000)
        ]
        post(server, "/runs/log-batch", {"run_id": run, "metrics": metrics})
    return time.perf_counter() - began


def fill(url: str, points: int) -> None:
    """Put other series into our store until it holds that many points, as its own packing would have them."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    tables = sa.MetaData()
    tables.reflect(engine, only=["series", "metric_block"])
    chance = np.random.default_rng(1)
    at = np.arange(block.BLOCK_POINTS, dtype=np.int64)
    blocks = points // block.BLOCK_POINTS
    with engine.begin() as connection:
        for first in range(0, blocks, 500):
            rows = []
            for number in range(first, min(first + 500, blocks)):
                body = block.pack(block.Points(BEGAN + at * 50, at, chance.random(block.BLOCK_POINTS)))
                last = int(BEGAN + at[-1] * 50)
                rows.append(
                    {"series": 1_000_000 + number // 25, "number": number % 25 + 1, "point_count": block.BLOCK_POINTS,
                     "first_ms": BEGAN, "last_ms": last, "body": body}
                )  # fmt: skip
            connection.execute(tables.tables["metric_block"].insert(), rows)


def timed(act: Callable[[], object]) -> float:
    """Return the median milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def get(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=300) as answer:
        return answer.read()


def read_history(server: Server, run: str) -> None:
    path = f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss"
    points = json.loads(get(server, path))["metrics"]
    if len(points) != LENGTH:
        raise RuntimeError(f"{server.name} returned {len(points)} points")


def page(server: Server, run: str) -> None:
    get(server, f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss&max_results=1000")


def through_client(server: Server, run: str) -> None:
    points = mlflow.MlflowClient(server.url).get_metric_history(run, "loss")
    if len(points) != LENGTH:
        raise RuntimeError(f"{server.name} returned {len(points)} points")


def main() -> None:
    options = arguments(__doc__, points="10000000")
    with pair(options.database, alone=options.alone) as (own_server, peer_server, urls):
        servers = [server for server in (own_server, peer_server) if server]
        runs = {server.name: new_run(server) for server in servers}
        seconds = [log(server, runs[server.name], LENGTH) for server in servers]
        began = time.perf_counter()
        fill(urls[0], int(options.points))
        took = time.perf_counter() - began
        print(f"{options.database}; ours holds {int(options.points):,} more points, filled in {took:.0f} s")
        _show("log 100,000 points, 1000 a request", [second * 1000 for second in seconds])
        acts = (
            ("whole history, raw", read_history),
            ("whole history, stock client", through_client),
            ("1000 points", page),
        )
        for label, act in acts:
            _show(label, [timed(lambda server=server, act=act: act(server, runs[server.name])) for server in servers])
        chart = f"/api/v1/runs/series?run={runs['helicline']}&key=loss&buckets=800"
        _show("data of a chart of 800 pixels", [timed(lambda: get(own_server, chart))])
        print("cost by length of the series (ours): ", end="")
        for length in (1000, 10_000, 100_000):
            run = new_run(own_server)
            log(own_server, run, length)
            lines = f"/api/v1/runs/series?run={run}&key=loss&buckets=800"
            first, chart_ms = (
                timed(lambda run=run: page(own_server, run)),
                timed(lambda lines=lines: get(own_server, lines)),
            )
            print(f"{length:,}: page {first:.1f} ms, chart {chart_ms:.1f} ms; ", end="", flush=True)
        print(f"\nresident memory of helicline: {own_server.resident_mb():.0f} MB")


def _show(label: str, millis: list[float]) -> None:
    names = " / ".join(f"{value:.1f}" for value in millis)
    ratio = f"  {millis[1] / millis[0]:.1f}x" if len(millis) > 1 else ""
    print(f"{label:<36} {names:>20} ms{ratio}", flush=True)


if __name__ == "__main__":
    main()
