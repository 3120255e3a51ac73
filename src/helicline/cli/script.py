"""`hl run -- python train.py`: runs any program as a tracked one.

The program is not changed. Its environment has the address of the server, and tags that the stock MLflow client sets on
every run (the variable MLFLOW_RUN_CONTEXT); its output is stored as a file of those runs. A program without a run after
ten seconds gets a run of its own, with its output and exit code; this run is deleted if the program creates one later.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from helicline.cli.show import connect, say
from helicline.errors import Invalid
from helicline.ids import new_run_id
from helicline.sdk.client import Client

SCRIPT_TAG, LOG_FILE = "helicline.script", "output.log"
UPLOAD_INTERVAL_S, BYTES_PER_SECOND = 3.0, 500_000
MAX_LOG_BYTES = 50_000_000
MAX_DATASETS = 50
OWN_RUN_AFTER_S = 10.0


def run_script(*command: str, name: str = "", experiment: str = "") -> None:
    """Run a program; its tracked runs get its code state, its data and its output.

    A program that has tracked nothing after ten seconds gets a run of its own.

    Example: `hl run --name "deeper trees" -- python train.py --depth 9`

    Parameters
    ----------
    command
        The program and its arguments, after `--`.
    name
        The name of runs that the program does not name itself.
    experiment
        The experiment of runs for which the program sets none.
    """
    if not command:
        raise Invalid("command", "nothing", "a program after --", "Like this: hl run -- python train.py")
    script = Script(connect(), command, name=name, experiment=experiment)
    code = script.run()
    run_ids = script.finish(code)
    if not script.log.endswith(b"\n"):
        say("")
    for run_id in run_ids:
        say("run {} {}/runs/{}", run_id, script.client.url, run_id)
    sys.exit(code)


class Script:
    """One execution of a program, and its runs."""

    def __init__(self, client: Client, command: Sequence[str], *, name: str, experiment: str) -> None:
        self.client, self.command, self.name, self.experiment = client, list(command), name, experiment
        self.id = new_run_id()
        self.began = time.time()
        self.tags = self._tags()
        self.log = bytearray()
        self.sent_length = -1
        self.own_run: dict[str, Any] | None = None
        self.ended = threading.Event()

    def _tags(self) -> dict[str, str]:
        from helicline.sdk.code import git_state

        state = git_state(Path.cwd())
        tags = {
            SCRIPT_TAG: self.id,
            "mlflow.source.name": shlex.join(self.command),
            "mlflow.source.type": "LOCAL",
            "mlflow.user": getpass.getuser(),
        }
        if state:
            tags |= {"mlflow.source.git.commit": state["commit"], "mlflow.source.git.branch": state["branch"]}
            tags |= {"helicline.git.dirty": "true"} if state["dirty"] else {}
        if self.name:
            tags["mlflow.runName"] = self.name
        for summary in self.client.items("/datasets", dict[str, Any])[:MAX_DATASETS]:
            name = summary["dataset"]["name"]
            heads = [ref["target"] for ref in summary["refs"] if ref["name"] == "main"]
            tags |= {f"helicline.data.{name}": f"{name}@{head}" for head in heads}
        return tags

    def environment(self) -> dict[str, str]:
        """Return the program's environment: the present one with the address of the server and the tags."""
        variables = {
            "MLFLOW_TRACKING_URI": self.client.url,
            "MLFLOW_REGISTRY_URI": self.client.url,  # a version lies where its run does
            "MLFLOW_RUN_CONTEXT": json.dumps(self.tags),
            "HELICLINE_URL": self.client.url,
            "PYTHONUNBUFFERED": "1",
        }
        if self.experiment:
            variables["MLFLOW_EXPERIMENT_NAME"] = self.experiment
        if token := os.environ.get("HELICLINE_TOKEN", ""):
            variables["MLFLOW_TRACKING_TOKEN"] = token
        return {**os.environ, **variables}

    def run(self) -> int:
        """Run the program to its end, copy its output to the terminal, and return its exit code."""
        try:
            process = subprocess.Popen(
                self.command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise Invalid("command", self.command[0], f"a program that can be run ({error.strerror})") from None
        assert process.stdout is not None
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        uploader = threading.Thread(target=self._upload_loop, daemon=True)
        uploader.start()
        try:
            self._copy(process.stdout)
        except KeyboardInterrupt:  # the program got the signal too, and may need time to finish
            self._copy(process.stdout)
        finally:
            code = process.wait()
            signal.signal(signal.SIGTERM, before)
            self.ended.set()
            uploader.join()
        return code if code >= 0 else 128 - code

    def _copy(self, output: IO[bytes]) -> None:
        while piece := os.read(output.fileno(), 65_536):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            if len(self.log) < MAX_LOG_BYTES:
                self.log += piece

    def _upload_loop(self) -> None:
        # each upload sends the whole log, so a long log is sent less often
        while not self.ended.wait(max(UPLOAD_INTERVAL_S, len(self.log) / BYTES_PER_SECOND)):
            try:
                self._send_log(self._runs(wait_s=OWN_RUN_AFTER_S))
            except Exception as error:  # a failed upload must not stop the program
                print(f"hl run: the log could not be sent: {error}", file=sys.stderr)

    def _send_log(self, runs: Sequence[dict[str, Any]]) -> None:
        content = bytes(self.log)
        if not runs or len(content) == self.sent_length:
            return
        for run in runs:
            path = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
            self.client.wire("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}/{LOG_FILE}", content=content)
        self.sent_length = len(content)

    def _runs(self, wait_s: float) -> list[dict[str, Any]]:
        """Return the program's runs, or its own run where it has none `wait_s` after its start."""
        runs = self._program_runs()
        if runs and self.own_run is not None:
            self.client.wire("POST", "/api/2.0/mlflow/runs/delete", body={"run_id": self.own_run["info"]["run_id"]})
            self.own_run = None
        if runs or time.time() - self.began < wait_s:
            return runs
        self.own_run = self.own_run or self._own_run()
        return [self.own_run]

    def _program_runs(self) -> list[dict[str, Any]]:
        own_run = "" if self.own_run is None else self.own_run["info"]["run_id"]
        body = {
            "experiment_ids": [experiment["experiment_id"] for experiment in self._experiments()],
            "filter": f"tags.`{SCRIPT_TAG}` = '{self.id}' AND attributes.run_id != '{own_run}'",
            "max_results": 1000,
        }
        runs: list[dict[str, Any]] = self.client.wire("POST", "/api/2.0/mlflow/runs/search", body=body).get("runs", [])
        return runs

    def _experiments(self) -> list[dict[str, Any]]:
        page = self.client.wire("POST", "/api/2.0/mlflow/experiments/search", body={"max_results": 10_000})
        return list(page.get("experiments", []))

    def finish(self, code: int) -> list[str]:
        """Send the rest of the log, end the runs that are still active, and return their ids."""
        status = "FINISHED" if code == 0 else "KILLED" if code > 128 else "FAILED"
        runs = self._runs(wait_s=0)
        self.sent_length = -1
        self._send_log(runs)
        for run in runs:
            run_id = run["info"]["run_id"]
            tag = {"run_id": run_id, "key": "helicline.exit_code", "value": str(code)}
            self.client.wire("POST", "/api/2.0/mlflow/runs/set-tag", body=tag)
            if run["info"]["status"] == "RUNNING":
                body = {"run_id": run_id, "status": status, "end_time": int(time.time() * 1000)}
                self.client.wire("POST", "/api/2.0/mlflow/runs/update", body=body)
        return [run["info"]["run_id"] for run in runs]

    def _own_run(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "experiment_id": self._experiment_id(),
            "run_name": self.name,
            "start_time": int(self.began * 1000),
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
        }
        run: dict[str, Any] = self.client.wire("POST", "/api/2.0/mlflow/runs/create", body=body)["run"]
        return run

    def _experiment_id(self) -> str:
        if not self.experiment:
            return "0"
        for experiment in self._experiments():
            if experiment["name"] == self.experiment:
                return str(experiment["experiment_id"])
        created = self.client.wire("POST", "/api/2.0/mlflow/experiments/create", body={"name": self.experiment})
        return str(created["experiment_id"])
