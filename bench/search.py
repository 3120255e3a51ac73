"""Search of runs over HTTP at 1k, 10k, 50k and 100k runs: every kind of filter, and orders, against `mlflow server`.

usage: python bench/search.py [--database postgresql] [--runs 1000,10000,50000] [--alone]

Both are asked in turn, in short rounds, and of each the round with the median rate counts. The same runs are put into
both databases by SQL, after which ANALYZE is run (without it, the peer's plans on SQLite are tens of times slower; ours
do not change). The first answer, the median and the 95th percentile of one connection; max_results 100. Our first
answer reads every fact of the runs, later ones read what was laid together of them after it.
"""

import json
import random
import time
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa
from load import Rate, in_turn, measure, request
from servers import Server, arguments, pair
from tracking import post

PATH = "/api/2.0/mlflow/runs/search"
ROUNDS = 5
METRICS = [f"metric_{number}" for number in range(10)]
KINDS = {
    "newest first": {},
    "metric filter + order": {"filter": "metrics.metric_0 > 0.5", "order_by": ["metrics.metric_1 DESC"]},
    "order by metric": {"order_by": ["metrics.metric_2 ASC"]},
    "rare metric": {"filter": "metrics.metric_3 > 0.999"},
    "param equals": {"filter": "params.depth = '7'"},
    "param LIKE": {"filter": "params.name LIKE '%42%'"},
    "tag and metric": {"filter": "tags.team = 'red' AND metrics.metric_4 < 0.1"},
    "attribute": {"filter": "attributes.status = 'FAILED'", "order_by": ["attributes.end_time DESC"]},
    "run name": {"filter": "attributes.run_name ILIKE '%RUN-99%'"},
    "param order": {"order_by": ["params.depth DESC"]},
}


def runs(count: int, start: int):
    """Give what is logged to each run: number, status, times, metrics, params, tags."""
    chance = random.Random(start)
    for number in range(start, start + count):
        yield (
            number,
            "FAILED" if chance.random() < 0.05 else "FINISHED",
            1_700_000_000_000 + number * 1000,
            {key: chance.random() for key in METRICS},
            {"depth": str(number % 20), "lr": f"{chance.random():.4f}", "name": f"n{number}", "opt": "adam"},
            {"team": ("red", "blue", "green")[number % 3], "mlflow.runName": f"run-{number}"},
        )


def fill_ours(engine: sa.Engine, experiment: str, count: int, start: int) -> None:
    rows = {name: [] for name in ("run", "series", "run_param", "run_tag")}
    for number, status, at, metrics, params, tags in runs(count, start):
        run = f"{number:032x}"
        rows["run"].append(
            {"id": run, "experiment": int(experiment), "name": f"run-{number}", "user": "bench", "status": status,
             "lifecycle": "active", "start_ms": at, "end_ms": at + number % 977 * 1000,
             "artifact_uri": f"mlflow-artifacts:/{experiment}/{run}/artifacts"}
        )  # fmt: skip
        latest = {"run": run, "timestamp_ms": at, "step": 1, "is_nan": False, "loose_count": 0}
        rows["series"] += [latest | {"key": key, "value": value} for key, value in metrics.items()]
        for name, facts in (("run_param", params), ("run_tag", tags)):
            rows[name] += [{"run": run, "key": key, "value": value, "head": value} for key, value in facts.items()]
    _insert(engine, rows)


def fill_theirs(engine: sa.Engine, experiment: str, count: int, start: int) -> None:
    rows = {name: [] for name in ("runs", "metrics", "latest_metrics", "params", "tags")}
    for number, status, at, metrics, params, tags in runs(count, start):
        run = f"{number:032x}"
        rows["runs"].append(
            {"run_uuid": run, "name": f"run-{number}", "experiment_id": int(experiment), "status": status,
             "start_time": at, "end_time": at + number % 977 * 1000, "lifecycle_stage": "active", "user_id": "bench",
             "artifact_uri": f"mlflow-artifacts:/{experiment}/{run}/artifacts", "source_type": "LOCAL"}
        )  # fmt: skip
        point = {"run_uuid": run, "timestamp": at, "step": 1, "is_nan": False}
        points = [point | {"key": key, "value": value} for key, value in metrics.items()]
        rows["metrics"] += points
        rows["latest_metrics"] += points
        rows["params"] += [{"run_uuid": run, "key": key, "value": value} for key, value in params.items()]
        rows["tags"] += [{"run_uuid": run, "key": key, "value": value} for key, value in tags.items()]
    _insert(engine, rows)


def _insert(engine: sa.Engine, rows: dict[str, list]) -> None:
    tables = sa.MetaData()
    tables.reflect(engine, only=list(rows))
    with engine.begin() as connection:
        for name, values in rows.items():
            for at in range(0, len(values), 20_000):
                connection.execute(tables.tables[name].insert(), values[at : at + 20_000])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def search_request(experiment: str, kind: dict) -> bytes:
    body = {"experiment_ids": [experiment], "max_results": 100} | kind
    return request("POST", PATH, json.dumps(body).encode())


def first_of(server: Server, experiment: str, kind: dict) -> tuple[int, float]:
    """Return how many runs are found, and how many milliseconds it took when it was asked for the first time."""
    body = {"experiment_ids": [experiment], "max_results": 100} | kind
    began = time.perf_counter()
    count = len(post(server, "/runs/search", body).get("runs", []))
    return count, (time.perf_counter() - began) * 1000


def main() -> None:
    asked_for = arguments(__doc__, runs="1000,10000,50000")
    sizes = [int(size) for size in asked_for.runs.split(",")]
    with pair(asked_for.database, alone=asked_for.alone) as (own_server, peer_server, urls):
        names = [(server, _experiment(server)) for server in (own_server, peer_server) if server]
        our_engine, their_engine = map(sa.create_engine, urls)
        done = 0
        for size in sizes:
            began = time.perf_counter()
            fill_ours(our_engine, names[0][1], size - done, done)
            if peer_server is not None:
                fill_theirs(their_engine, names[1][1], size - done, done)
            done = size
            print(f"\n{asked_for.database}, {size} runs (filled in {time.perf_counter() - began:.0f} s)")
            ours_head, theirs_head = (f"{name} first / p50 / p95" for name in ("helicline", "mlflow"))
            print(f"{'':<26} {'found':>5} {ours_head:>28} {theirs_head:>28} {'ratio':>7}")
            for label, kind in KINDS.items():
                counts, first = zip(*[first_of(server, experiment, kind) for server, experiment in names], strict=True)
                turns = [
                    partial(
                        measure, server.port, 1, asked_for.seconds / ROUNDS, partial(search_request, experiment, kind)
                    )
                    for server, experiment in names
                ]
                _show(label, counts, first, in_turn(turns, rounds=ROUNDS))
        print(f"resident memory of helicline: {own_server.resident_mb():.0f} MB")


def _experiment(server: Server) -> str:
    return post(server, "/experiments/create", {"name": "bench"})["experiment_id"]


def _show(label: str, counts: Sequence[int], first: Sequence[float], rates: list[Rate]) -> None:
    if len(set(counts)) > 1:
        raise RuntimeError(f"{label}: the answers differ in length: {counts}")
    cells = [f"{ms:.1f} / {rate.p50_ms:.1f} / {rate.p95_ms:.1f} ms" for ms, rate in zip(first, rates, strict=True)]
    ratio = f"{rates[1].p50_ms / rates[0].p50_ms:>6.1f}x" if len(rates) > 1 else ""
    print(f"{label:<26} {counts[0]:>5} {cells[0]:>28} {cells[1] if len(cells) > 1 else '':>28} {ratio:>7}", flush=True)


if __name__ == "__main__":
    main()
