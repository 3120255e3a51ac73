"""The cold start of a step over its own work: a chain of steps that do nothing, each in a process of its own.

usage: python bench/pipeline.py [--steps 20] [--rounds 3] [--peers PYTHON]

PYTHON is an interpreter that has the peers, in an environment that can be thrown away:

    uv venv .peers && uv pip install --python .peers/bin/python metaflow dagster

Without it only ours is measured. A chain of one step and one of many are timed from the order to the end, in turns; the
difference by step is what a step costs, without the start of the program that runs the chain. Ours runs in a server
and a worker that are up; Metaflow by its local runtime; Dagster by its multiprocess executor, as a subprocess each.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median

from servers import Server

from helicline.cli.loop_file.apply import record
from helicline.sdk.client import Client

GOAL_S = 0.25
Timer = Callable[[int], float]  # the seconds of a chain of so many steps

HELICLINE = """
import helicline as hl

@hl.step(cache=False)
def first() -> hl.Metrics:
    return {"number": 0.0}

@hl.step(cache=False)
def following(before: hl.Metrics) -> hl.Metrics:
    return {"number": before["number"] + 1}

@hl.pipeline
def chain_COUNT():
    value = first()
    for _ in range(COUNT - 1):
        value = following(value)

loop = hl.Loop("chain_COUNT", pipeline=chain_COUNT)
"""

METAFLOW = """
from metaflow import FlowSpec, step

class Chain(FlowSpec):
    @step
    def start(self):
        self.number = 0.0
        self.next(NEXT0)
STEPS
    @step
    def end(self):
        self.number += 1

if __name__ == "__main__":
    Chain()
"""
METAFLOW_STEP = """
    @step
    def s{number}(self):
        self.number += 1
        self.next(self.{following})
"""

DAGSTER = """
from dagster import DagsterInstance, execute_job, job, multiprocess_executor, op, reconstructable

@op
def first() -> float:
    return 0.0

@op
def following(before: float) -> float:
    return before + 1

@job(executor_def=multiprocess_executor)
def chain():
    value = first()
    for _ in range(COUNT - 1):
        value = following(value)

if __name__ == "__main__":
    with DagsterInstance.get() as instance:
        assert execute_job(reconstructable(chain), instance=instance).success
"""


def helicline(folder: Path, sizes: tuple[int, ...], stack: ExitStack) -> Timer:
    """Start a server and a worker, record a chain of each size, and return their timer."""
    environment = {"HELICLINE_HOME": str(folder / "home")}
    server = Server("helicline", [sys.executable, "-m", "helicline.server.main"], environment, folder)
    stack.callback(server.stop)
    token = (folder / "home" / "owner.token").read_text()
    own = os.environ | environment | {"HELICLINE_TOKEN": token}
    command = [sys.executable, "-m", "helicline.engine.worker", "--server", server.url, "--slots", "1"]
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)
    stack.callback(worker.wait, 30)
    stack.callback(worker.terminate)
    client = Client(server.url, token=token)
    for count in sizes:
        path = folder / f"chain_{count}.py"
        path.write_text(HELICLINE.replace("COUNT", str(count)))
        record(client, path)

    def timer(count: int) -> float:
        began = time.monotonic()
        run = client.post(f"/pipelines/chain_{count}/runs", dict, {"use_cache": False})
        while run["state"] in ("QUEUED", "RUNNING"):
            time.sleep(0.02)
            run = client.get(f"/pipeline-runs/{run['id']}", dict)["run"]
        if run["state"] != "SUCCEEDED":
            raise RuntimeError(run["error"])
        return time.monotonic() - began

    return timer


def metaflow(python: str, folder: Path) -> Timer:
    def timer(count: int) -> float:
        names = [f"s{number}" for number in range(max(count - 2, 0))] + ["end"]
        steps = pairwise(names)
        text = METAFLOW.replace("NEXT0", f"self.{names[0]}").replace(
            "STEPS", "".join(METAFLOW_STEP.format(number=name[1:], following=after) for name, after in steps)
        )
        (folder / "flow.py").write_text(text)
        own = {"METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DEFAULT_METADATA": "local", "USERNAME": "bench"}
        return timed([python, "flow.py", "--no-pylint", "--quiet", "run"], folder, own)

    return timer


def dagster(python: str, folder: Path) -> Timer:
    (folder / "dagster").mkdir()

    def timer(count: int) -> float:
        (folder / "job.py").write_text(DAGSTER.replace("COUNT", str(count)))
        own = {"DAGSTER_HOME": str(folder / "dagster"), "DAGSTER_DISABLE_TELEMETRY": "1"}
        return timed([python, "job.py"], folder, own)

    return timer


def timed(command: list[str], folder: Path, variables: dict[str, str]) -> float:
    began = time.monotonic()
    environment = os.environ | variables | {"DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="", help="a Python that has metaflow and dagster (default: only ours)")
    options = parser.parse_args()
    short, long = 2, max(options.steps, 3)  # a flow of Metaflow has a start and an end
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        timers = {"helicline": helicline(folder, (short, long), stack)}
        if options.peers:
            python = str(Path(options.peers).absolute())
            timers |= {"metaflow": metaflow(python, folder), "dagster": dagster(python, folder)}
        for timer in timers.values():
            timer(short)  # the files of each are read once
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name in timers}
        for _ in range(options.rounds):
            for name, timer in timers.items():
                rows[name].append((timer(short), timer(long)))
    print(f"\n{'':12}{f'{short} steps':>10}{f'{long} steps':>11}{'a step':>10}{'ratio':>8}")
    costs = {name: median((more - few) / (long - short) for few, more in pairs) for name, pairs in rows.items()}
    for name, pairs in rows.items():
        few, more = (median(column) for column in zip(*pairs, strict=True))
        print(f"{name:12}{few:9.2f}s{more:10.2f}s{costs[name]:9.3f}s{costs[name] / costs['helicline']:7.1f}x")
    print(f"median of {options.rounds}; goal: a step of helicline costs at most {GOAL_S} s")
    if not options.peers:
        print("without the peers: give their interpreter with --peers")


if __name__ == "__main__":
    main()
