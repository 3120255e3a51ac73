"""The story of `make churn`: a table with an id, dates, gaps and late labels breaks, is mended, and changes for real.

python examples/churn/demo.py [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import pandas as pd
import urllib3
from customers import INPUTS, LABEL, Customers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from story import Home, expect, until  # noqa: E402

LABELS_AFTER_S = 5.0  # a month in the example's time; the loop's monitor waits a little longer
ROWS_PER_CALL, CALLS_PER_S = 20, 10.0
DAYS_PER_MONTH = 30


class Calls:
    """Customers as another program sends them: JSON with gaps and dates. Who left is known later, and is told then."""

    def __init__(self, url: str, customers: Customers) -> None:
        self.customers, self.tenure_in_days = customers, False
        self.sent, self.failures = 0, deque[str](maxlen=5)
        self.right: deque[bool] = deque(maxlen=600)
        self._url, self._http = url, urllib3.PoolManager(timeout=30, retries=False)
        self._labels: deque[tuple[float, list[dict[str, Any]]]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Calls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    @property
    def accuracy(self) -> float:
        return sum(self.right) / max(len(self.right), 1)

    def _run(self) -> None:
        while not self._stop.wait(1 / CALLS_PER_S):
            self._call(self.customers.draw(ROWS_PER_CALL))
            while self._labels and self._labels[0][0] <= time.monotonic():
                lines = "\n".join(map(json.dumps, self._labels.popleft()[1]))
                self._post("/v1/feedback:batch", lines, "application/x-ndjson")

    def _call(self, rows: pd.DataFrame) -> None:
        if self.tenure_in_days:
            rows = rows.assign(tenure_months=rows["tenure_months"] * DAYS_PER_MONTH)
        table = json.loads(rows[list(INPUTS)].to_json(orient="split", date_format="iso", index=False))
        answer = self._post("/endpoints/churn/invocations", json.dumps({"dataframe_split": table}), "application/json")
        if answer is None:
            return
        self.sent += len(rows)
        predicted, truth = answer.json()["predictions"], rows[LABEL].tolist()
        self.right.extend(int(answered) == label for answered, label in zip(predicted, truth, strict=True))
        labels = [
            {"prediction_id": answer.headers["X-Prediction-Id"], "row": row, "name": LABEL, "value": value}
            for row, value in enumerate(truth)
        ]
        self._labels.append((time.monotonic() + LABELS_AFTER_S, labels))

    def _post(self, path: str, body: str, kind: str) -> urllib3.BaseHTTPResponse | None:
        answer = self._http.request("POST", self._url + path, body=body, headers={"Content-Type": kind})
        if answer.status < 300:
            return answer
        self.failures.append(f"{path}: {answer.status} {answer.data.decode()[:300]}")
        return None


def tell(story: Home, calls: Calls) -> None:
    """Go through the story; each line says what came out."""
    first = json.loads(story.hl("run", "churn", "--json"))
    expect(first["state"] == "PROMOTED", f"the first turn ended {first['state']}: {first['result']}")
    print("trained, judged and promoted: churn/1, a class of our own on a table with an id, dates and gaps", flush=True)

    with calls:
        calm = ("ok", "info")
        kinds = ("drift", "quality", "performance")
        until("a calm window", lambda: all(story.newest(kind)["severity"] in calm for kind in kinds))
        left_out = [
            finding["column"] for finding in story.newest("drift")["findings"] if finding["statistic"] == "not_tested"
        ]
        expect(left_out == ["customer_id", "signup"], f"not tested are {left_out}")
        print(f"calm: accuracy {calls.accuracy:.0%}; not tested: {', '.join(left_out)}", flush=True)

        calls.tenure_in_days = True
        quality = until("the alert on quality", lambda: story.firing("quality"))[0]
        print(f"broken upstream, the tenure comes in days: {quality['summary']}", flush=True)
        until("the fall of the accuracy", lambda: story.firing("performance"))
        waits = until("the trigger's answer", lambda: story.trigger()["waits_for"])
        expect(len(story.turns()) == 1, "a turn began on broken data")
        print(f"the accuracy falls too ({calls.accuracy:.0%}), and no turn begins: {waits}", flush=True)

        calls.tenure_in_days = False
        until("the end of every alert", lambda: not story.firing())
        expect(len(story.turns()) == 1, "a turn began on data that was broken")
        print(f"mended: every alert is resolved, still no turn; {story.trigger()['waits_for']}", flush=True)

        calls.customers.rival = True
        second = until("the second turn", lambda: story.turn(2))
        print(f"a rival changes who leaves: {second['cause']['sentence']}", flush=True)
        second = until("its end", lambda: story.turn(2)["finished_at"] and story.turn(2))
        expect(second["state"] == "PROMOTED", f"the second turn ended {second['state']}: {second['result']}")
        until("the better answers", lambda: calls.accuracy >= 0.7)
        print(f"churn/2 was trained on labelled traffic and promoted: accuracy {calls.accuracy:.0%}", flush=True)
    expect(not calls.failures, f"requests failed: {list(calls.failures)}")
    print(f"all came out as the story says; {calls.sent} customers, no request failed", flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the program below stops, too
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the home is made (default: a new temporary folder)")
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp(prefix="helicline-churn-"))
    (folder / "customers").mkdir(parents=True, exist_ok=True)
    customers = Customers()
    customers.draw(8000).to_parquet(folder / "customers" / "history.parquet", index=False)
    with Home(folder, example=HERE) as story:
        story.hl("data", "commit", "customers", str(folder / "customers"), "--message", "customers so far")
        story.hl("apply", "loop.py")
        tell(story, Calls(story.gateway_url, customers))


if __name__ == "__main__":
    main()
