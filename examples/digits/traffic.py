"""Traffic: held-out scans posted to the gateway over two protocols, and their true labels somewhat later."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque

import httpx
import numpy as np
from scans import PIXELS, Scans, aged

RATE = 120.0
LABEL_DELAY_S = 1.5
KEYS = 400


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
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)

    @property
    def accuracy(self) -> float:
        return sum(self.right) / len(self.right) if self.right else float("nan")

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        async with httpx.AsyncClient(base_url=self.url, limits=limits, timeout=20, trust_env=False) as client:
            under_way: set[asyncio.Task[None]] = set()
            next_at = time.monotonic()
            while not self._stop.is_set():
                task = asyncio.create_task(self._one(client))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                next_at = max(next_at + 1 / RATE, time.monotonic() - 0.25)
                await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            await asyncio.gather(*under_way)

    async def _one(self, client: httpx.AsyncClient) -> None:
        at = int(self._chance.integers(len(self.scans.future)))
        pixels = self.scans.future[at : at + 1].astype(float)
        pixels = aged(pixels, self._chance) if self.old_scanner else pixels
        label = int(self.scans.future_labels[at])
        headers = {"X-Assignment-Key": f"clerk-{self._chance.integers(KEYS)}"}
        self.sent += 1
        try:
            response = await self._post(client, pixels, headers)
            response.raise_for_status()
        except httpx.HTTPError as error:
            self.failed += 1
            self.first_failure = (
                self.first_failure or f"{error!r} {getattr(error, 'response', None) and error.response.text}"
            )
            return
        body = response.json()
        predicted = body["outputs"][0]["data"][0] if "outputs" in body else body["predictions"][0]
        prediction_id = response.headers["X-Prediction-Id"]
        self.by_version[response.headers["X-Model-Version"]] += 1
        self.right.append(int(predicted) == label)
        await asyncio.sleep(LABEL_DELAY_S)
        await self._label(client, prediction_id, label)
        self.last_prediction[response.headers["X-Model-Version"]] = prediction_id

    async def _post(self, client: httpx.AsyncClient, pixels: np.ndarray, headers: dict[str, str]) -> httpx.Response:
        """Every second call speaks the Open Inference Protocol, the others MLflow's."""
        if self.sent % 2:
            tensor = {"name": "pixels", "shape": [1, 64], "datatype": "FP64", "data": pixels[0].tolist()}
            path = f"/v2/models/{self.deployment}/infer"
            return await client.post(path, json={"inputs": [tensor]}, headers=headers)
        rows = {"columns": PIXELS, "data": pixels.tolist()}
        path = f"/endpoints/{self.deployment}/invocations"
        return await client.post(path, json={"dataframe_split": rows}, headers=headers)

    async def _label(self, client: httpx.AsyncClient, prediction_id: str, label: int) -> None:
        body = {"prediction_id": prediction_id, "name": "label", "value": label}
        try:
            (await client.post("/v1/feedback", json=body)).raise_for_status()
            self.labelled += 1
        except httpx.HTTPError as error:
            self.failed += 1
            self.first_failure = self.first_failure or f"feedback: {error!r}"
