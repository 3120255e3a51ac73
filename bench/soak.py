"""A long mixed load on one home: predictions, feedback, runs that are logged, turns; what each process holds meanwhile.

python bench/soak.py [--minutes 60] [--away MINUTES] [--growth SHARE]

Prints resident memory and open descriptors of each process at the start (the second turn has ended), in the middle and
at the end. With `--away` the server is gone for so long from the middle on: predictions are answered throughout, and a
turn that is under way goes on when it is back. Exit code 1 where a request failed, a prediction or label is missing in
the log, a turn did not end as PROMOTED, or a process holds more at the end than `--growth` allows.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import duckdb
import psutil
from faults import BODY, CALL_TIMEOUT_S, CALLERS, EVERY_S, LiveLoop, children_of, command_of, live_loop, until

TURN_EVERY_S, RUN_EVERY_S, LABEL_EACH = 60.0, 0.5, 10
SLACK_MB, SLACK_DESCRIPTORS = 24, 24
ROLES = {
    "server": "helicline.server.main", "worker": "helicline.engine.worker", "gateway": "helicline.gateway",
    "sealer": "helicline.gateway.log_sealer", "fork server": "helicline.engine.zygote", "model": "launch.py",
}  # fmt: skip
JSON = {"Content-Type": "application/json"}


class Load:
    """Threads that do one thing each until the end, and what came of it."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.failures: dict[str, list[str]] = {}
        self.last_answer, self.silence_s = time.monotonic(), 0.0
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def note(self, what: str, failure: str = "") -> None:
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            if failure:
                self.failures.setdefault(what, []).append(failure)
            elif what == "predictions":
                now = time.monotonic()
                self.silence_s, self.last_answer = max(self.silence_s, now - self.last_answer), now

    def stop(self) -> None:
        self.ending.set()
        for thread in self._threads:
            thread.join(2 * CALL_TIMEOUT_S)


def predict(load: Load, address: str) -> None:
    """Ask for predictions, and send the true label of some; nothing is tried a second time."""
    connection = http.client.HTTPConnection(address, timeout=CALL_TIMEOUT_S)
    for number in itertools.count():
        if load.ending.wait(EVERY_S):
            return
        answer = _sent(load, connection, "predictions", path="/endpoints/flowers/invocations", body=BODY)
        if answer and number % LABEL_EACH == 0:
            label = {"prediction_id": answer, "deployment": "flowers", "name": "label", "value": 0}
            _sent(load, connection, "labels", path="/v1/feedback", body=json.dumps(label))


def _sent(load: Load, connection: http.client.HTTPConnection, what: str, *, path: str, body: str) -> str:
    """Return the id of the prediction that was answered; empty where the request failed."""
    try:
        connection.request("POST", path, body, JSON)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        load.note(what, repr(error))
        return ""
    good = answer.status in (200, 202)
    load.note(what, "" if good else f"{answer.status}: {text[:200].decode(errors='replace')}")
    return answer.headers.get("x-prediction-id", "") if good else ""


def log_runs(load: Load, loop: LiveLoop) -> None:
    """Log a run with ten metrics again and again, as the MLflow client does; a server that is away is waited for."""
    while not load.ending.wait(RUN_EVERY_S):
        try:
            run = loop.client.wire("POST", "/api/2.0/mlflow/runs/create", body={"experiment_id": "0"})["run"]
            run_id, now = run["info"]["run_id"], int(time.time() * 1000)
            metrics = [{"key": f"m{key}", "value": key, "timestamp": now, "step": 0} for key in range(10)]
            loop.client.wire("POST", "/api/2.0/mlflow/runs/log-batch", body={"run_id": run_id, "metrics": metrics})
            end = {"run_id": run_id, "status": "FINISHED", "end_time": now}
            loop.client.wire("POST", "/api/2.0/mlflow/runs/update", body=end)
        except Exception as error:
            load.note("runs while the server was away" if loop.is_away else "runs", repr(error))
        else:
            load.note("runs")


class Held(NamedTuple):
    """What the processes of one role hold: how many they are, and the most of any."""

    processes: int
    resident_mb: float
    descriptors: int


def holdings(loop: LiveLoop) -> dict[str, Held]:
    """Return what each role holds now."""
    main = psutil.Process(loop.supervisor.pid)
    by_role: dict[str, list[psutil.Process]] = {"supervisor": [main]}
    for child in children_of(main, recursive=True):
        words = command_of(child)
        role = next((name for name, part in reversed(ROLES.items()) if any(part in word for word in words)), "")
        if role:
            by_role.setdefault(role, []).append(child)
    return {role: _most(processes) for role, processes in by_role.items()}


def _most(processes: list[psutil.Process]) -> Held:
    sizes = []
    for process in processes:
        try:
            sizes.append((process.memory_info().rss / 2**20, process.num_fds()))
        except psutil.Error:
            continue
    return Held(len(sizes), max((size for size, _ in sizes), default=0), max((count for _, count in sizes), default=0))


def logged(home: Path, table: str) -> int:
    """Return how many rows of that table of the log are sealed."""
    folder = home / "tables" / table
    if not any(folder.rglob("*.parquet")):
        return 0
    query = f"SELECT count(DISTINCT prediction_id) FROM read_parquet('{folder}/**/*.parquet', union_by_name=true)"
    return int(duckdb.sql(query).fetchall()[0][0])


def send_server_away(loop: LiveLoop, seconds: float) -> None:
    """Kill the server, with a supervisor that starts no other meanwhile."""
    supervisor = psutil.Process(loop.supervisor.pid)
    (server,) = loop.processes("server")
    supervisor.suspend()
    loop.is_away = True
    server.send_signal(signal.SIGKILL)
    time.sleep(seconds)
    supervisor.resume()
    loop.settle()
    loop.is_away = False


class Soak:
    """The course of the load, and what it left."""

    def __init__(self, loop: LiveLoop, *, seconds: float, away_s: float) -> None:
        self.loop, self.load = loop, Load()
        self.seconds, self.away_s = seconds, away_s
        self.turns: list[str] = []
        self.samples: list[dict[str, Held]] = []

    def run(self) -> None:
        address = urlsplit((self.loop.home / "gateway.url").read_text()).netloc
        for _ in range(CALLERS):
            self.load.begin(lambda: predict(self.load, address))
        self.load.begin(lambda: log_runs(self.load, self.loop))
        self._turn()
        began = time.monotonic()
        self.samples.append(holdings(self.loop))
        self._turn_until(began + self.seconds / 2)
        self.samples.append(holdings(self.loop))
        if self.away_s:
            self.loop.begin_turn()
            self.loop.reach("training")
            send_server_away(self.loop, self.away_s)
            self.turns.append(self.loop.ended_turn())
        self._turn_until(began + self.seconds)
        self.load.stop()
        self.samples.append(holdings(self.loop))

    def _turn(self) -> None:
        self.loop.begin_turn()
        self.turns.append(self.loop.ended_turn())

    def _turn_until(self, end: float) -> None:
        while (began := time.monotonic()) < end:
            self._turn()
            time.sleep(max(0.0, min(end, began + TURN_EVERY_S) - time.monotonic()))

    def missing(self) -> list[str]:
        """Return what was answered and is not in the log once everything had its time to be sealed."""
        answered = {
            "predictions": self.load.counts["predictions"] - len(self.load.failures.get("predictions", ())),
            "labels": self.load.counts["labels"] - len(self.load.failures.get("labels", ())),
        }

        def complete() -> bool:
            return all(logged(self.loop.home, table) >= count for table, count in answered.items())

        try:
            until("the log of everything that was answered", complete, patience_s=60, every_s=1)
        except TimeoutError:
            counts = {table: logged(self.loop.home, table) for table in answered}
            return [f"{counts[table]} of {count} {table} are in the log" for table, count in answered.items()]
        return []

    def grown(self, share: float) -> list[str]:
        """Return the processes that hold more at the end than in the middle, beyond what is allowed."""
        _, middle, end = self.samples
        return [
            f"{role} grew"
            for role in middle.keys() & end.keys()
            if end[role].resident_mb > middle[role].resident_mb * (1 + share) + SLACK_MB
            or end[role].descriptors > middle[role].descriptors * (1 + share) + SLACK_DESCRIPTORS
        ]


def shown(soak: Soak, share: float) -> list[str]:
    """Print the numbers; return what is wrong with them."""
    print(f"{'process':12} {'start':>22} {'middle':>22} {'end':>22}   (processes: MB, descriptors of the largest)")
    for role in soak.samples[0]:
        cells = [sample.get(role, Held(0, 0, 0)) for sample in soak.samples]
        print(f"{role:12} " + " ".join(f"{n:>4}: {mb:>8.1f} {count:>7}" for n, mb, count in cells))
    for what, count in sorted(soak.load.counts.items()):
        failures = soak.load.failures.get(what, [])
        print(f"{what}: {count}, failed {len(failures)} {failures[0] if failures else ''}")
    print(f"longest time without a prediction: {soak.load.silence_s:.2f} s; turns: {len(soak.turns)}", flush=True)
    wrong = [f"{len(failures)} {what} failed" for what, failures in soak.load.failures.items() if "away" not in what]
    wrong += [f"a turn is {turn}" for turn in soak.turns if turn != "PROMOTED"]
    return [*wrong, *soak.missing(), *soak.grown(share)]


def main(arguments: list[str]) -> int:
    """Return 1 where something failed, is missing or grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--away", type=float, default=0.0, metavar="MINUTES", help="for so long there is no server")
    parser.add_argument("--growth", type=float, default=0.1, help="share by which a process may grow after the middle")
    parsed = parser.parse_args(arguments)
    with live_loop() as loop:
        soak = Soak(loop, seconds=parsed.minutes * 60, away_s=parsed.away * 60)
        soak.run()
        wrong = shown(soak, parsed.growth)
    print(", ".join(wrong) or "ok", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
