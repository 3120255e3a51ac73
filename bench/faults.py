"""Faults against a live loop under traffic: each process is killed, ended or stopped at each stage of a turn.

python bench/faults.py [--only TARGET:SIGNAL:STAGE ...] [--json]

For each fault: the requests that failed, the longest time without an answer, how the turn ended, and the processes that
were left over. Exit code 1 where a fault cost more than it may (see `verdict`).

One turn takes the faults of one process and signal, in the order in which its stages come by: first what strikes just
after the promotion of the turn before and what strikes the idle loop, then those in training, gate and rollout. A stage
that passed while the loop recovered is struck in the next turn. `--only` with one fault strikes a turn once.
"""

from __future__ import annotations

import argparse
import contextlib
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
BEFORE_TURN = ("promoted", "idle")  # what strikes then, the next turn has to get over
STAGES = {"training": "TRAINING", "gate": "GATING", "rollout": "ROLLING_OUT"}  # in the order of a turn
UNTROUBLED = ("HARVESTING", "REGISTERING", "APPROVING")  # a turn passes them, and none of the faults strikes there
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

        Nothing fails but what the front itself had in flight; a supervisor that is told to end takes the front with it.
        """
        target, how, _ = self.fault.split(":")
        allowed = self.sent if (target, how) == ("supervisor", "term") else {"gateway": CALLERS}.get(target, 0)
        wrong = [f"{self.failed} requests failed"] if self.failed > allowed else []
        wrong += [f"the turn is {self.turn}"] if self.turn != "PROMOTED" else []
        wrong += [f"{self.orphans} orphans"] if self.orphans else []
        return ", ".join(wrong) or "ok"


def call(connection: http.client.HTTPConnection) -> str:
    """Ask for a prediction; return what failed, in the words that a caller sees, or nothing."""
    try:
        connection.request("POST", "/endpoints/flowers/invocations", BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return repr(error)
    return "" if answer.status == 200 else f"{answer.status}: {text[:200].decode(errors='replace')}"


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
            began = time.monotonic()
            failure = call(connection)
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
        self.folder, self.home, self.turns, self.is_away = folder, folder / "home", 0, False
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

    def reach(self, stage: str) -> bool:
        """Wait for that stage of the present turn; return whether it was reached before it had passed."""
        ahead = [*UNTROUBLED, *itertools.takewhile(lambda state: state != STAGES[stage], STAGES.values())]
        until(f"a turn that is {STAGES[stage]}", lambda: self.turn()["state"] not in ahead, every_s=0.05)
        return bool(self.turn()["state"] == STAGES[stage])

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
            return [child for child in children_of(main) if words[target] in command_of(child)]
        if target == "model":
            return self._stable_worker()
        fork_servers = [child for worker in self.processes("worker") for child in children_of(worker)]
        return [step for fork_server in fork_servers for step in children_of(fork_server)]

    def _stable_worker(self) -> list[psutil.Process]:
        """Return the process that answers most callers; those of other revisions are hardly missed."""
        detail = self.client.get("/deployments/flowers", dict[str, Any])
        stable = detail["deployment"]["stable"]
        pids = {revision["pid"] for revision in detail["revisions"] if revision["number"] == stable}
        return [child for front in self.processes("gateway") for child in children_of(front) if child.pid in pids]

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
            runs = all(self.processes(name) for name in ("server", "worker", "gateway"))
            return reports and runs and self._answers()

        until("the loop to be whole again", ready)

    def _answers(self) -> bool:
        address = urlsplit((self.home / "gateway.url").read_text()).netloc
        connection = http.client.HTTPConnection(address, timeout=CALL_TIMEOUT_S)
        try:
            return not call(connection)
        finally:
            connection.close()

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


def command_of(process: psutil.Process) -> list[str]:
    """Return the words of a command line, none where the process has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def children_of(process: psutil.Process, *, recursive: bool = False) -> list[psutil.Process]:
    """Return the children of a process, the oldest first; none where it has ended meanwhile."""
    try:
        return process.children(recursive)
    except psutil.Error:
        return []


@contextlib.contextmanager
def live_loop(*, turns: int = 1) -> Iterator[LiveLoop]:
    """Yield a home that runs, after so many turns; it is stopped at the end, also by SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        loop = LiveLoop(Path(folder))
        try:
            for _ in range(turns):
                loop.begin_turn()
                loop.ended_turn()
            yield loop
        finally:
            loop.stop()


def until(event: str, probe: Callable[[], Any], *, patience_s: float = PATIENCE_S, every_s: float = 0.2) -> Any:
    """Return what `probe` returns once that is true; a server that is away is asked again. Raises TimeoutError."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if result := probe():
            return result
        time.sleep(every_s)
    raise TimeoutError(f"{event} did not come within {patience_s:.0f} s")


class Strike(NamedTuple):
    """A fault that struck, when, and how many processes it left over."""

    fault: Fault
    moment: float
    orphans: int


def strike(loop: LiveLoop, fault: Fault) -> Strike:
    """Do it, and wait until the loop is whole again."""
    moment = time.monotonic()
    loop.strike(fault)
    loop.settle()
    return Strike(fault, moment, loop.orphans())


def measure(loop: LiveLoop, traffic: Traffic, faults: list[Fault]) -> Iterator[Cost]:
    """Yield what each of the faults cost, from its moment to the next one's, or to the end of the turn."""
    waiting = list(faults)
    while waiting:
        strikes = [strike(loop, fault) for fault in waiting if fault.stage in BEFORE_TURN]
        loop.begin_turn()
        in_turn = [fault for fault in waiting if fault.stage in STAGES]
        strikes += [strike(loop, fault) for fault in in_turn if loop.reach(fault.stage)]
        turn, ended = loop.ended_turn(), time.monotonic()
        if not strikes:
            raise SystemExit(f"a turn without any fault did not come to the stage: {turn}")
        ends = [*(later.moment for later in strikes[1:]), ended]
        for (fault, began, orphans), end in zip(strikes, ends, strict=True):
            sent, failures, silence_s = traffic.between(began, end)
            yield Cost(str(fault), sent, len(failures), silence_s, turn, orphans, failures[0] if failures else "")
        struck = {fault for fault, _, _ in strikes}
        waiting = [fault for fault in waiting if fault not in struck]


def rounds(only: list[str]) -> Iterator[list[Fault]]:
    """Yield those of the matrix that were asked for, by process and signal; a step runs in training and at the gate."""
    for how, target in itertools.product(SIGNALS, TARGETS):
        stages = ("training", "gate") if target == "step" else (*BEFORE_TURN, *STAGES)
        faults = [Fault(target, how, stage) for stage in stages]
        if chosen := [fault for fault in faults if not only or str(fault) in only]:
            yield chosen


def main(arguments: list[str]) -> int:
    """Return 1 where a fault cost more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="+", default=[], metavar="TARGET:SIGNAL:STAGE", help="like server:kill:gate")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each fault")
    parsed = parser.parse_args(arguments)
    chosen = list(rounds(parsed.only))
    if unknown := set(parsed.only) - {str(fault) for fault in itertools.chain(*chosen)}:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    with live_loop() as loop:
        traffic = Traffic((loop.home / "gateway.url").read_text())
        costs = itertools.chain.from_iterable(measure(loop, traffic, faults) for faults in chosen)
        verdicts = [_shown(cost, as_json=parsed.json) for cost in costs]
        traffic.stop()
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
