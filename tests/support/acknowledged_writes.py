"""Writers that remember every acknowledgement of a server, and find what it lost afterwards."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import httpx
import msgspec
from blake3 import blake3

from support.records import loop_spec
from support.server_process import ServerProcess

API, MLFLOW = "/api/v1", "/api/2.0/mlflow"


class Writers:
    """Threads that write to the server all the time, each kind in its own way, and keep what was acknowledged."""

    def __init__(self, server: ServerProcess) -> None:
        self.server, self.stopping = server, threading.Event()
        self.acknowledged: dict[str, list[Any]] = {name: [] for name in ("run", *self.kinds())}
        self.threads: list[threading.Thread] = []
        self.run_id = ""

    @staticmethod
    def kinds() -> tuple[str, ...]:
        return ("metric", "batch", "param", "tag", "artifact", "model", "span", "dataset", "loop", "token")

    def begin(self) -> None:
        with self.client() as client:
            response = client.post(f"{MLFLOW}/runs/create", json={"experiment_id": "0"})
            response.raise_for_status()
            self.run_id = response.json()["run"]["info"]["run_id"]
        self.remember("run", self.run_id)
        for name in self.kinds():
            self.threads.append(threading.Thread(target=self._write, args=(name,), daemon=True))
            self.threads[-1].start()

    def end(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, timeout=20, trust_env=False)

    def _write(self, name: str) -> None:
        client, act = self.client(), getattr(self, f"_{name}")
        for at in itertools.count():
            if self.stopping.is_set():
                break
            try:
                value = act(client, at)
            except httpx.HTTPError:
                time.sleep(0.05)  # the server is down: the next call comes a little later
                continue
            if value is not None:
                self.remember(name, value)
        client.close()

    def remember(self, name: str, value: Any) -> None:
        self.acknowledged[name].append(value)

    def _metric(self, client: httpx.Client, at: int) -> Any:
        body = {"run_id": self.run_id, "key": "loss", "value": float(at), "timestamp": 1000 + at, "step": at}
        return at if client.post(f"{MLFLOW}/runs/log-metric", json=body).status_code == 200 else None

    def _batch(self, client: httpx.Client, at: int) -> Any:
        """Points of two series at once: enough of one to be packed, a few of the other."""
        points = [{"key": "packed", "value": 0.5, "timestamp": 1000 + at, "step": at * 40 + n} for n in range(40)]
        points += [{"key": "few", "value": 0.5, "timestamp": 1000 + at, "step": at * 40 + n} for n in range(3)]
        body = {"run_id": self.run_id, "metrics": points}
        return at if client.post(f"{MLFLOW}/runs/log-batch", json=body).status_code == 200 else None

    def _tag(self, client: httpx.Client, at: int) -> Any:
        body = {"run_id": self.run_id, "key": f"t{at % 50}", "value": str(at)}
        return at if client.post(f"{MLFLOW}/runs/set-tag", json=body).status_code == 200 else None

    def _model(self, client: httpx.Client, at: int) -> Any:
        client.post(f"{MLFLOW}/registered-models/create", json={"name": "crashed"})  # there already, but for once
        body = {
            "name": "crashed",
            "source": f"runs:/{self.run_id}/model",
            "run_id": self.run_id,
            "description": str(at),
        }
        response = client.post(f"{MLFLOW}/model-versions/create", json=body)
        return (response.json()["model_version"]["version"], str(at)) if response.status_code == 200 else None

    def _span(self, client: httpx.Client, at: int) -> Any:
        span = {
            "traceId": f"{at + 1:032x}",
            "spanId": f"{at + 1:016x}",
            "name": "call",
            "startTimeUnixNano": str(10**18),
        }
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [span | {"endTimeUnixNano": str(10**18 + at)}]}]}]}
        sent = client.post("/v1/traces", json=body, headers={"x-mlflow-experiment-id": "0"})
        return f"tr-{at + 1:032x}" if sent.status_code == 200 else None

    def _param(self, client: httpx.Client, at: int) -> Any:
        body = {"run_id": self.run_id, "key": f"p{at}", "value": str(at)}
        return at if client.post(f"{MLFLOW}/runs/log-parameter", json=body).status_code == 200 else None

    def _artifact(self, client: httpx.Client, at: int) -> Any:
        path = f"0/{self.run_id}/artifacts/file{at}"
        url = f"/api/2.0/mlflow-artifacts/artifacts/{path}"
        return (url, at) if client.put(url, content=b"artifact %d" % at).status_code == 200 else None

    def _dataset(self, client: httpx.Client, at: int) -> Any:
        content = b"rows %d" % at
        digest = blake3(content).hexdigest()
        client.put(f"{API}/blobs", content=content).raise_for_status()
        body = {"files": [["rows.csv", len(content), digest]]}
        response = client.post(f"{API}/datasets/customers/versions", json=body)
        return (response.json()["id"], digest) if response.status_code == 201 else None

    def _loop(self, client: httpx.Client, at: int) -> Any:
        spec = msgspec.to_builtins(loop_spec(label=f"label{at}"))
        response = client.post(f"{API}/loops", json=spec)
        return response.json()["loop"]["spec_version"] if response.status_code == 200 else None

    def _token(self, client: httpx.Client, at: int) -> Any:
        owner = {"Authorization": f"Bearer {(self.server.home / 'owner.token').read_text()}"}
        response = client.post(f"{API}/tokens", json={"name": f"t{at}", "role": "viewer"}, headers=owner)
        return response.json()["id"] if response.status_code == 201 else None

    def lost(self) -> dict[str, list[Any]]:
        """Return what was acknowledged and is not there exactly once."""
        with self.client() as client:
            if client.get(f"{MLFLOW}/runs/get", params={"run_id": self.run_id}).status_code != 200:
                return {"run": [self.run_id]}  # and with it what hangs on it
            return {name: lost for name in self.kinds() if (lost := getattr(self, f"_lost_{name}")(client))}

    def _lost_metric(self, client: httpx.Client) -> list[Any]:
        return _not_once(self.acknowledged["metric"], self._steps(client, "loss"))

    def _lost_batch(self, client: httpx.Client) -> list[Any]:
        positions = self.acknowledged["batch"]
        packed = _not_once([at * 40 + n for at in positions for n in range(40)], self._steps(client, "packed"))
        return packed + _not_once([at * 40 + n for at in positions for n in range(3)], self._steps(client, "few"))

    def _steps(self, client: httpx.Client, key: str) -> list[int]:
        steps: list[int] = []
        token = ""
        while True:
            query = {"run_id": self.run_id, "metric_key": key, "max_results": 25_000, "page_token": token}
            page = client.get(f"{MLFLOW}/metrics/get-history", params={k: v for k, v in query.items() if v}).json()
            steps += [point.get("step", 0) for point in page.get("metrics", [])]
            token = page.get("next_page_token", "")
            if not token:
                return steps

    def _lost_tag(self, client: httpx.Client) -> list[Any]:
        """A tag is the last one that was set; one that was not acknowledged may have been set after it."""
        run = client.get(f"{MLFLOW}/runs/get", params={"run_id": self.run_id}).json()["run"]
        now = {tag["key"]: int(tag["value"]) for tag in run["data"]["tags"] if tag["key"][1:].isdigit()}
        last = {f"t{at % 50}": at for at in self.acknowledged["tag"]}
        return [key for key, at in last.items() if now.get(key, -1) < at]

    def _lost_model(self, client: httpx.Client) -> list[Any]:
        versions: list[tuple[str, str]] = []
        token = ""
        while True:
            query = {"filter": "name = 'crashed'", "max_results": 500, "page_token": token}
            page = client.get(f"{MLFLOW}/model-versions/search", params={k: v for k, v in query.items() if v}).json()
            versions += [
                (version["version"], version.get("description", "")) for version in page.get("model_versions", [])
            ]
            token = page.get("next_page_token", "")
            if not token:
                return _not_once(self.acknowledged["model"], versions)

    def _lost_span(self, client: httpx.Client) -> list[Any]:
        trace_ids: list[str] = []
        acknowledged = self.acknowledged["span"]
        for start in range(0, len(acknowledged), 100):
            query = {"trace_ids": acknowledged[start : start + 100]}
            page = client.get("/api/3.0/mlflow/traces/batchGet", params=query).json()
            trace_ids += [
                trace["trace_info"]["trace_id"] for trace in page.get("traces", []) if len(trace["spans"]) == 1
            ]
        return _not_once(acknowledged, trace_ids)

    def _lost_param(self, client: httpx.Client) -> list[Any]:
        run = client.get(f"{MLFLOW}/runs/get", params={"run_id": self.run_id}).json()["run"]
        return _not_once(self.acknowledged["param"], [int(param["value"]) for param in run["data"].get("params", [])])

    def _lost_artifact(self, client: httpx.Client) -> list[Any]:
        acknowledged = self.acknowledged["artifact"]
        return [url for url, at in acknowledged if client.get(url).content != b"artifact %d" % at]

    def _lost_dataset(self, client: httpx.Client) -> list[Any]:
        # where no commit was acknowledged the dataset need not exist
        versions = client.get(f"{API}/datasets/customers/versions", params={"limit": 1000}).json().get("items", [])
        ids = [version["id"] for version in versions]
        sequences = sorted(version["sequence"] for version in versions)
        recent = self.acknowledged["dataset"][-900:]
        lost = _not_once([version_id for version_id, _ in recent], ids)
        missing = [digest for _, digest in recent[-50:] if client.get(f"{API}/blobs/{digest}").status_code != 200]
        return lost + missing + (["gap"] if len(set(sequences)) != len(sequences) else [])

    def _lost_loop(self, client: httpx.Client) -> list[Any]:
        acknowledged = self.acknowledged["loop"]
        if not acknowledged:
            return []
        response = client.get(f"{API}/loops/churn")
        now = response.json()["loop"]["spec_version"] if response.status_code == 200 else 0
        return [] if now >= max(acknowledged) and len(set(acknowledged)) == len(acknowledged) else [max(acknowledged)]

    def _lost_token(self, client: httpx.Client) -> list[Any]:
        ids = [token["id"] for token in client.get(f"{API}/tokens").json()["items"]]
        return _not_once(self.acknowledged["token"], ids)


def _not_once(acknowledged: list[Any], stored: list[Any]) -> list[Any]:
    counts: dict[Any, int] = {}
    for value in stored:
        counts[value] = counts.get(value, 0) + 1
    return [value for value in acknowledged if counts.get(value, 0) != 1]
