"""Traffic: held-out scans posted to the gateway over two protocols, and their true labels somewhat later."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import urllib3
from scans import PIXELS, Scans, aged

RATE = 150.0
LABEL_DELAY_S, LABEL_EVERY_S = 1.0, 0.1
KEYS = 400
CALLS = 24  # requests that may be under way at once


class Traffic:
    """Posts scans until stopped. `old_scanner` switches to what the ageing scanner delivers."""

    def __init__(self, url: str, deployment: str, scans: Scans) -> None:
        self.url, self.deployment, self.scans = url, deployment, scans
        self.old_scanner = False
        self.sent = self.failed = self.labelled = 0
        self.by_version: Counter[str] = Counter()
        self.right: deque[bool] = deque(maxlen=200)
        self.last_prediction: dict[str, str] = {}
        self.first_failure = ""
        self._chance = np.random.default_rng(11)
        self._http = urllib3.PoolManager(maxsize=CALLS, timeout=20, retries=False)
        self._waiting: deque[tuple[float, str, str, int]] = deque()
        self._under_way = threading.Semaphore(2 * CALLS)  # a busy machine gets fewer requests, not a queue of them
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=act, daemon=True) for act in (self._send_scans, self._send_labels)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    @property
    def accuracy(self) -> float:
        return sum(self.right) / len(self.right) if self.right else float("nan")

    def _send_scans(self) -> None:
        with ThreadPoolExecutor(CALLS) as pool:
            next_at = time.monotonic()
            while not self._stop.wait(max(0.0, next_at - time.monotonic())):
                at = int(self._chance.integers(len(self.scans.future)))
                pixels = self.scans.future[at : at + 1].astype(float)
                pixels = aged(pixels, self._chance) if self.old_scanner else pixels
                key = f"clerk-{self._chance.integers(KEYS)}"
                self._under_way.acquire()
                self.sent += 1
                pool.submit(self._call, self.sent, pixels, int(self.scans.future_labels[at]), key)
                next_at = max(next_at + 1 / RATE, time.monotonic() - 0.25)

    def _call(self, number: int, pixels: np.ndarray, label: int, key: str) -> None:
        try:
            self._predict(number, pixels, label, key)
        finally:
            self._under_way.release()

    def _predict(self, number: int, pixels: np.ndarray, label: int, key: str) -> None:
        path, body = self._question(number, pixels)
        headers, answer = self._post(path, body, {"X-Assignment-Key": key})
        if answer is None:
            return
        predicted = answer["outputs"][0]["data"][0] if "outputs" in answer else answer["predictions"][0]
        version = headers["X-Model-Version"]
        self.by_version[version] += 1
        self.right.append(int(predicted) == label)
        self._waiting.append((time.monotonic() + LABEL_DELAY_S, headers["X-Prediction-Id"], version, label))

    def _question(self, number: int, pixels: np.ndarray) -> tuple[str, dict]:
        """Every second call speaks the Open Inference Protocol, the others MLflow's."""
        if number % 2:
            tensor = {"name": "pixels", "shape": [1, 64], "datatype": "FP64", "data": pixels[0].tolist()}
            return f"/v2/models/{self.deployment}/infer", {"inputs": [tensor]}
        rows = {"columns": PIXELS, "data": pixels.tolist()}
        return f"/endpoints/{self.deployment}/invocations", {"dataframe_split": rows}

    def _send_labels(self) -> None:
        """Tell the gateway the truth about each prediction, somewhat later: a batch at a time."""
        while not self._stop.is_set():
            time.sleep(LABEL_EVERY_S)
            batch = list(self._due_labels())
            lines = [
                json.dumps({"prediction_id": prediction_id, "name": "label", "value": label})
                for prediction_id, _, label in batch
            ]
            if lines and self._post_lines("/v1/feedback:batch", lines):
                self.labelled += len(batch)
                self.last_prediction |= {version: prediction_id for prediction_id, version, _ in batch}

    def _due_labels(self) -> Iterator[tuple[str, str, int]]:
        """Yield (prediction id, version, label) of the predictions whose truth is known by now."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            yield self._waiting.popleft()[1:]

    def _post(self, path: str, body: dict, headers: dict[str, str]) -> tuple[urllib3.HTTPHeaderDict, dict | None]:
        """Return the answer's headers and body; a call that fails is counted, and its body is None."""
        answer = self._send(path, json.dumps(body), {"Content-Type": "application/json"} | headers)
        return (answer.headers, answer.json()) if answer is not None else (urllib3.HTTPHeaderDict(), None)

    def _post_lines(self, path: str, lines: list[str]) -> bool:
        return self._send(path, "\n".join(lines), {"Content-Type": "application/x-ndjson"}) is not None

    def _send(self, path: str, body: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse | None:
        try:
            answer = self._http.request("POST", self.url + path, body=body, headers=headers)
            if answer.status < 300:
                return answer
            why = answer.data.decode()[:300]
        except urllib3.exceptions.HTTPError as error:
            why = repr(error)
        self.failed += 1
        self.first_failure = self.first_failure or f"{path}: {why}"
        return None


def _feedback(prediction_id: str, label: int) -> str:
    return json.dumps({"prediction_id": prediction_id, "name": "label", "value": label})
