"""Faults against a live loop under traffic: each process is killed, ended or stopped at each stage of a turn.

python bench/faults.py [--only TARGET:SIGNAL:STAGE ...] [--json]

For each fault: the requests that failed, the longest time without an answer, how the turn ended, and the processes that
were left over. Exit code 1 where a fault cost more than it may (see `verdict`).
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil

from helicline import Client, parent_process

PATIENCE_S = 240.0
STOPPED_S = 20.0
CALLERS, EVERY_S, CALL_TIMEOUT_S = 4, 0.05, 60.0
TARGETS = ("server", "worker", "gateway", "model", "step", "supervisor")
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
STAGES = {"training": "TRAINING", "gate": "GATING", "rollout": "ROLLING_OUT", "promoted": "PROMOTED", "idle": ""}
LOOP = """
import time
import mlflow
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
import helicline as hl

FEATURES = ["a", "b", "c", "d"]

def flowers() -> pd.DataFrame:
    data = load_iris()
    return pd.DataFrame(data.data, columns=FEATURES).assign(label=data.target)

@hl.step
def rows() -> tuple[hl.Table, hl.Table]:
    table = flowers().sample(frac=1.0, random_state=0)
    return table.head(100), table.tail(50)

@hl.step(retries=3)
def train(data: hl.Table, *, seed: int = SEED, seconds: float = 2.0) -> hl.Model:
    table = data.pandas()
    time.sleep(seconds)  # a training takes its time
    model = LogisticRegression(max_iter=500, random_state=seed).fit(table[FEATURES], table["label"])
    signature = mlflow.models.infer_signature(table[FEATURES], model.predict(table[FEATURES]))
    return mlflow.sklearn.log_model(
        model, name="model", signature=signature, input_example=table[FEATURES].head(2), pip_requirements=[]
    )

@hl.step(retries=3)
def evaluate(model: hl.Model, holdout: hl.Table) -> hl.Metrics:
    table = holdout.pandas()
    return hl.Metrics(accuracy=float((model.load().predict(table[FEATURES]) == table["label"]).mean()))

@hl.pipeline
def flowers_pipeline():
    data, holdout = rows()
    model = train(data)
    return hl.candidate(model, metrics=evaluate(model, holdout), holdout=holdout)

loop = hl.Loop(
    "flowers",
    pipeline=flowers_pipeline,
    gates=[hl.at_least("accuracy", 0.8), hl.not_worse("accuracy", than="champion", margin=0.05)],
    rollout=hl.canary(25, 100, min_requests=10, min_time="3s", max_time="5m", guard=[hl.max_error_rate(0.5)]),
)
"""
BODY = json.dumps({"dataframe_split": {"columns": list("abcd"), "data": [[5.1, 3.5, 1.4, 0.2]]}})


class Fault(NamedTuple):
    """What is done to which process, at which stage of a turn."""

    target: str
    how: str
    stage: str

    def __str__(self) -> str:
        return ":".join(self)


class Cost(NamedTuple):
    """What one fault cost; `first` is the first failure, in the words that a caller saw."""

    fault: str
    sent: int
    failed: int
    silence_s: float
    turn: str
    orphans: int
    first: str

    @property
    def verdict(self) -> str:
        """Say what the fault cost that it may not cost, or ok.

        Nothing fails but what the front itself had in flight; a supervisor that ends takes the front with it.
        """
        allowed = {"gateway": CALLERS, "supervisor": self.sent}.get(self.fault.partition(":")[0], 0)
        wrong = [f"{self.failed} requests failed"] if self.failed > allowed else []
        wrong += [f"the turn is {self.turn}"] if self.turn != "PROMOTED" else []
        wrong += [f"{self.orphans} orphans"] if self.orphans else []
        return ", ".join(wrong) or "ok"


class Traffic:
    """Callers that ask the gateway for a prediction again and again, each over one connection, with no second try."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc
        self.answers: list[tuple[float, float, str]] = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._call_on, daemon=True) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def _call_on(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=CALL_TIMEOUT_S)
        while not self._ending.wait(EVERY_S):
            began, failure = time.monotonic(), ""
            try:
                connection.request("POST", "/endpoints/flowers/invocations", BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                failure = "" if answer.status == 200 else f"{answer.status}: {text[:200].decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
                connection.close()
            self.answers.append((began, time.monotonic(), failure))

    def between(self, began: float, ended: float) -> tuple[int, list[str], float]:
        """Return how many requests were answered in that time, what failed, and the longest time without an answer."""
        calls = [call for call in self.answers if began <= call[1] <= ended]
        good = sorted(end for _, end, failure in calls if not failure)
        moments = [began, *good, ended]
        silence_s = max(after - before for before, after in itertools.pairwise(moments))
        return len(calls), [failure for _, _, failure in calls if failure], silence_s

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(CALL_TIMEOUT_S)


class LiveLoop:
    """A home that runs, its loop and its traffic."""

    def __init__(self, folder: Path) -> None:
        parent_process.adopt_orphans()
        self.folder, self.home, self.turns = folder, folder / "home", 0
        self.environment = {**os.environ, "HELICLINE_HOME": str(self.home), "HELICLINE_LEASE_S": "5"}
        self.environment |= {"HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"}
        self.up()
        # the next ones take the same addresses, as they would where the ports are the default ones
        self.environment["HELICLINE_PORT"] = (self.home / "server.url").read_text().rpartition(":")[2]
        self.environment["HELICLINE_GATEWAY_PORT"] = (self.home / "gateway.url").read_text().rpartition(":")[2]
        token = (self.home / "owner.token").read_text()
        self.client = Client((self.home / "server.url").read_text(), token=token, retry_s=PATIENCE_S)

    def up(self) -> None:
        """Start everything, and return once it is ready."""
        (self.home / "gateway.url").unlink(missing_ok=True)
        with (self.folder / "up.log").open("ab") as log:
            command = [sys.executable, "-m", "helicline.cli.app", "up"]
            self.supervisor = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until("the start", lambda: (self.home / "gateway.url").is_file() or self._has_ended("hl up"))

    def _has_ended(self, what: str) -> bool:
        if self.supervisor.poll() is not None:
            raise SystemExit(f"{what} ended: {(self.folder / 'up.log').read_text()[-2000:]}")
        return False

    def begin_turn(self) -> None:
        """Begin a turn that has something to train: its parameter is a new one."""
        self.turns += 1
        path = self.folder / "flowers_loop.py"
        path.write_text(LOOP.replace("SEED", str(self.turns)))
        self.hl("apply", str(path))
        self.client.post("/loops/flowers/turns", dict[str, Any], {})

    def hl(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "helicline.cli.app", *arguments]
        subprocess.run(command, env=self.environment, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def turn(self) -> dict[str, Any]:
        return self.client.get(f"/turns/flowers~{self.turns}", dict[str, Any])

    def reach(self, stage: str) -> None:
        """Begin a turn and wait for that stage of it; idle is after it."""
        self.begin_turn()
        if not STAGES[stage]:
            self.ended_turn()
            return
        state_of_stage = STAGES[stage]

        def reached() -> bool:
            state = self.turn()["state"]
            if state in ("FAILED", "REJECTED", "ROLLED_BACK"):
                raise SystemExit(f"the turn ended before any fault: {self.turn()['result']}")
            return state == state_of_stage

        until(f"a turn that is {state_of_stage}", reached, every_s=0.05)

    def ended_turn(self) -> str:
        """Return how the present turn ended, or where it stands when it does not end."""
        ended: dict[str, Any] = {}

        def over() -> bool:
            ended.update(self.turn())
            return ended["finished_at"] is not None or ended["state"] == "REJECTED"

        try:
            until("the end of the turn", over)
        except TimeoutError:
            return f"{ended.get('state', 'unknown')} for {PATIENCE_S:.0f} s"
        return ended["state"] if ended["state"] == "PROMOTED" else f"{ended['state']} ({ended['result'][:200]})"

    def processes(self, target: str) -> list[psutil.Process]:
        """Return the processes of that kind, the oldest first."""
        main = psutil.Process(self.supervisor.pid)
        if target == "supervisor":
            return [main]
        words = {"server": "helicline.server.main", "worker": "helicline.engine.worker", "gateway": "helicline.gateway"}
        if target in words:
            return [child for child in main.children() if words[target] in child.cmdline()]
        if target == "model":
            front = self.processes("gateway")
            return [child for child in front[0].children() if any("launch.py" in part for part in child.cmdline())]
        worker = self.processes("worker")
        return [step for fork_server in worker[0].children() for step in fork_server.children()] if worker else []

    def strike(self, fault: Fault) -> None:
        """Do it, and see that what has to be started by hand is started."""
        candidates = until(f"a process of the {fault.target}", lambda: self.processes(fault.target), every_s=0.01)
        victim = candidates[0]
        victim.send_signal(SIGNALS[fault.how])
        if fault.how == "stop":
            time.sleep(STOPPED_S)  # that long it hangs; it may have been replaced meanwhile
            if victim.is_running():
                victim.send_signal(signal.SIGCONT)
        if fault.target == "supervisor" and fault.how != "stop":
            self.supervisor.wait(60)
            self.up()  # as the init system of the machine would

    def settle(self) -> None:
        """Wait until everything answers again and no more than what is needed runs."""

        def ready() -> bool:
            status = self.client.get("/status", dict[str, Any])
            gateway_age_s = status["gateway_seen_s"]
            reports = gateway_age_s is not None and gateway_age_s < 5
            return reports and all(self.processes(name) for name in ("worker", "gateway"))

        until("the loop to be whole again", ready)

    def orphans(self) -> int:
        """Return how many processes are left that nobody supervises: they are children of this one now."""

        def survivors() -> list[psutil.Process]:
            alive = [child for child in psutil.Process().children() if child.pid != self.supervisor.pid]
            for child in alive:
                if child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)
            return [child for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

        try:
            until("the end of what nobody supervises", lambda: not survivors(), patience_s=15)
        except TimeoutError:
            return len(survivors())
        return 0

    def stop(self) -> None:
        self.client.close()
        self.supervisor.terminate()
        self.supervisor.wait(60)


def until(event: str, probe: Callable[[], Any], *, patience_s: float = PATIENCE_S, every_s: float = 0.2) -> Any:
    """Return what `probe` returns once that is true; a server that is away is asked again. Raises TimeoutError."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if result := probe():
            return result
        time.sleep(every_s)
    raise TimeoutError(f"{event} did not come within {patience_s:.0f} s")


def measure(loop: LiveLoop, traffic: Traffic, fault: Fault) -> Cost:
    """Return what one fault cost, from the moment of the fault until its turn has ended and everything is whole."""
    loop.reach(fault.stage)
    began = time.monotonic()
    loop.strike(fault)
    if fault.stage in ("promoted", "idle"):
        loop.settle()
        loop.begin_turn()  # the loop goes on turning
    turn = loop.ended_turn()
    loop.settle()
    sent, failures, silence_s = traffic.between(began, time.monotonic())
    return Cost(str(fault), sent, len(failures), silence_s, turn, loop.orphans(), failures[0] if failures else "")


def faults(only: list[str]) -> Iterator[Fault]:
    """Yield those of the matrix that were asked for; a step runs in training and at the gate."""
    for stage, target, how in itertools.product(STAGES, TARGETS, SIGNALS):
        fault = Fault(target, how, stage)
        possible = target != "step" or stage in ("training", "gate")
        if possible and (not only or str(fault) in only):
            yield fault


def main(arguments: list[str]) -> int:
    """Return 1 where a fault cost more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", default=[], metavar="TARGET:SIGNAL:STAGE", help="like server:kill:gate")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each fault")
    parsed = parser.parse_args(arguments)
    chosen = list(faults(parsed.only))
    if unknown := set(parsed.only) - {str(fault) for fault in chosen}:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is stopped then too
    with tempfile.TemporaryDirectory() as folder:
        loop = LiveLoop(Path(folder))
        try:
            loop.begin_turn()
            loop.ended_turn()
            traffic = Traffic((loop.home / "gateway.url").read_text())
            verdicts = [_shown(measure(loop, traffic, fault), as_json=parsed.json) for fault in chosen]
            traffic.stop()
        finally:
            loop.stop()
    return 0 if all(verdict == "ok" for verdict in verdicts) else 1


def _shown(cost: Cost, *, as_json: bool) -> str:
    if as_json:
        print(json.dumps(cost._asdict() | {"verdict": cost.verdict}), flush=True)
    else:
        print(
            f"{cost.fault:28} {cost.sent:6} sent {cost.failed:4} failed {cost.silence_s:6.1f} s without an answer   "
            f"{cost.verdict}   {cost.first}",
            flush=True,
        )
    return cost.verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
