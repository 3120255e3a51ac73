"""A running Helicline with a small history, made through its public interfaces only."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from sklearn.datasets import load_iris

from support.wait import wait_for

HERE = Path(__file__).parent
PATIENCE_S = 90.0
RUNS = 420
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

BAD_MODEL = """
import mlflow, sklearn
from sklearn.dummy import DummyClassifier
from world import flowers
rows = flowers()
features = rows.drop(columns="label")
mlflow.set_experiment("by-hand")
with mlflow.start_run(run_name="always the same"):
    model = DummyClassifier(strategy="most_frequent").fit(features, rows["label"])
    logged = mlflow.sklearn.log_model(
        model, name="model", input_example=features.head(3),
        signature=mlflow.models.infer_signature(features, rows["label"]),
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    )
mlflow.register_model(logged.model_uri, "flowers")
"""


def flowers() -> pd.DataFrame:
    """Return the iris rows under plain names, in an order that mixes the kinds."""
    frame = load_iris(as_frame=True).frame
    frame.columns = [*FEATURES, "label"]
    return frame.sample(frac=1.0, random_state=1).reset_index(drop=True)


class World:
    """The server's addresses, and what tests do to it besides the browser."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = self.gateway = self.long_run = ""

    def start(self) -> None:
        environment = {**os.environ, **self._environment(), "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"}
        log = (self.folder / "up.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "helicline.cli.app", "up"], env=environment, cwd=HERE, stdout=log, stderr=log
        )
        note = self.home / "gateway.url"
        self.until("the start", lambda: note.is_file() or self.process.poll() is not None)  # type: ignore[union-attr]
        assert note.is_file(), (self.folder / "up.log").read_text()
        self.url, self.gateway = (self.home / "server.url").read_text(), note.read_text()
        owner = {"Authorization": f"Bearer {(self.home / 'owner.token').read_text()}"}
        self.http = httpx.Client(base_url=self.url, headers=owner, trust_env=False, timeout=30)

    def _environment(self) -> dict[str, str]:
        return {"HELICLINE_HOME": str(self.home), "HELICLINE_LOG_SEAL_S": "0.3", "GIT_PYTHON_REFRESH": "quiet"}

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(40)

    def hl(self, *arguments: str) -> str:
        environment = {**os.environ, **self._environment(), "HELICLINE_URL": self.url}
        done = subprocess.run(
            [sys.executable, "-m", "helicline.cli.app", *arguments],
            cwd=HERE, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(f"/api/v1{path}", params=query).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(f"/api/v1{path}", json=body).raise_for_status().json()

    def until(self, event: str, probe: Callable[[], Any]) -> Any:
        return wait_for(probe, event, limit_s=PATIENCE_S, interval_s=0.1)

    def turn(self, number: int, *states: str) -> dict[str, Any]:
        """Wait for a turn to come to one of the states, and return it."""

        def turn_in_state() -> dict[str, Any] | None:
            turns = [turn for turn in self.get("/turns", loop="flowers")["items"] if turn["number"] == number]
            assert not turns or turns[0]["state"] not in {"FAILED", "CANCELLED"} - set(states), turns
            return turns[0] if turns and turns[0]["state"] in states else None

        return self.until(f"turn {number} {' or '.join(states)}", turn_in_state)

    # --- history ----------------------------------------------------------------------------------------------------

    def commit(self, rows: pd.DataFrame, name: str, message: str) -> None:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        rows.to_parquet(folder / f"{name}.parquet", index=False)
        self.hl("data", "commit", "flowers", str(folder), "--message", message)

    def begin_turn(self) -> None:
        self.hl("apply", "loop.py")
        self.http.post("/api/v1/loops/flowers/turns", json={}).raise_for_status()

    def mlflow(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(f"/api/2.0/mlflow/{path}", json=body).raise_for_status().json()

    def log_run(
        self, experiment: str, name: str, *, points: int, params: dict[str, str], start_ms: int | None = None
    ) -> str:
        """Log a run over the MLflow wire, with a loss that falls."""
        now = int(time.time() * 1000) if start_ms is None else start_ms
        response = self.mlflow("runs/create", {"experiment_id": experiment, "run_name": name, "start_time": now})
        run_id: str = response["run"]["info"]["run_id"]
        metrics = [{"key": "loss", "value": 1 / (1 + at), "timestamp": now + at, "step": at} for at in range(points)]
        listed = [{"key": key, "value": value} for key, value in params.items()]
        self.mlflow("runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": listed})
        self.mlflow("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": now + points})
        return run_id

    def log_runs(self) -> None:
        """Log many small runs and one with a history."""
        sweep = self.mlflow("experiments/create", {"name": "sweep"})["experiment_id"]
        first_ms = int(time.time() * 1000) - RUNS  # one after the other, in whatever order they are logged
        with ThreadPoolExecutor(8) as pool:
            for at in range(RUNS):
                params = {"lr": str(at / 100), "seed": "1"}
                pool.submit(self.log_run, sweep, f"try-{at:03}", points=1, params=params, start_ms=first_ms + at)
        self.long_run = self.log_run(sweep, "long-run", points=300, params={"lr": "0.5", "seed": "1"})

    def register_bad_model(self) -> None:
        addresses = dict.fromkeys(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"), self.url)
        environment = {**os.environ, **addresses, "GIT_PYTHON_REFRESH": "quiet"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)  # the program imports this module
        done = subprocess.run(
            [sys.executable, "-c", BAD_MODEL], cwd=HERE, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def predict(self, *, shift: float = 0.0, count: int = 60) -> None:
        rows = flowers()[FEATURES].head(count) + shift
        path = f"{self.gateway}/endpoints/flowers/invocations"
        with httpx.Client(trust_env=False, timeout=30) as client:
            for row in rows.to_numpy().tolist():
                client.post(path, json={"dataframe_split": {"columns": FEATURES, "data": [row]}}).raise_for_status()
