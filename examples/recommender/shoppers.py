"""Users of the shop: they are served recommendations, and those who buy are told of."""

from __future__ import annotations

import json
import random
import threading
import time

import urllib3


class Shoppers(threading.Thread):
    """Sends users to the gateway, one after the other; how many of them buy depends on the version that served them."""

    def __init__(self, gateway_url: str, *, conversions: dict[int, float], otherwise: float, seed: int = 7) -> None:
        super().__init__(daemon=True)
        self.conversions, self.otherwise = conversions, otherwise
        self.served, self.failed = 0, 0
        self._chance, self._ended = random.Random(seed), threading.Event()
        self._gateway_url, self._http = gateway_url, urllib3.PoolManager(maxsize=2)

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self._visit(f"user-{self.served}")
            except urllib3.exceptions.HTTPError:
                self.failed += 1
            self.served += 1

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _visit(self, user: str) -> None:
        answer = self._post(
            "/endpoints/recommender/invocations",
            {"dataframe_records": [{"user": self._chance.randrange(2000)}]},
            {"X-Assignment-Key": user},
        )
        if answer.status != 200:
            self.failed += 1
            return
        version = int(answer.headers["x-model-version"])
        if self._chance.random() < self.conversions.get(version, self.otherwise):
            self._post(
                "/v1/feedback", {"unit": user, "deployment": "recommender", "name": "conversion", "value": 1}, {}
            )
        time.sleep(0.001)  # the program shares the machine with its users

    def _post(self, path: str, body: dict[str, object], headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json", **headers}
        return self._http.request("POST", self._gateway_url + path, body=json.dumps(body), headers=headers, timeout=60)
