import itertools
import json
import os
import signal
import threading
import time
from http.client import HTTPConnection

import pytest

from support.gateway_harness import GatewayHarness, route
from support.wait import wait_for

BODY = json.dumps({"dataframe_split": {"columns": ["sl", "sw", "pl", "pw"], "data": [[5.1, 3.5, 1.4, 0.2]]}})
SLOWLY = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[5.0, 2.0]]}})
SUM = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}})
TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}
BAD = json.dumps({"dataframe_split": {"columns": ["a"], "data": [[1.0]]}})
JSON = {"content-type": "application/json"}


class Load:
    """Clients that ask all the time, each on its own connection."""

    def __init__(self, address, path, body, clients=16):
        self.outcomes, self.answered = {}, 0
        self._path, self._body, self._lock = path, body, threading.Lock()
        self._going = True
        self._threads = [threading.Thread(target=self._ask, args=(address,)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, address):
        tally = {}
        connection = HTTPConnection(*address, timeout=60)
        while self._going:
            connection.request("POST", self._path, self._body, JSON)
            answer = connection.getresponse()
            outcome = (answer.status, answer.read())
            tally[outcome] = tally.get(outcome, 0) + 1
            with self._lock:
                self.answered += 1
        connection.close()
        with self._lock:
            for outcome, count in tally.items():
                self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    def more(self, count):
        """Wait until the clients have `count` more answers."""
        enough = self.answered + count
        wait_for(lambda: self.answered >= enough, f"{count} more answers")

    def stop(self):
        self._going = False
        for thread in self._threads:
            thread.join()
        return self.outcomes


SUMS, BROKEN, SLOW, PICKY, IRIS, SHIFTED = range(1, 7)
_rollouts = itertools.count(100)


class Rollout:
    """Traffic of the deployment `d` between two of its revisions, counted apart from all other tests."""

    def __init__(self, harness, stable, candidate=0, weight_bp=10_000, **more):
        self.harness, self.candidate, self.number = harness, candidate, next(_rollouts)
        weight = weight_bp if candidate else 0
        self.route = route("d", stable, candidate, weight, rollout=self.number, salt=str(self.number), **more)
        harness.plane.applied(harness.reroute(self.route))

    def weigh(self, weight_bp):
        changed = route("d", self.route.stable, self.candidate, weight_bp, rollout=self.number)
        self.harness.plane.applied(self.harness.reroute(changed))

    def counted(self, condition):
        def matching_counts():
            counts = self.harness.counts("d", self.candidate, self.number)
            return counts if counts and condition(counts) else None

        return wait_for(
            matching_counts, f"the counts; they are {self.harness.counts('d', self.candidate, self.number)}"
        )


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """One gateway with a deployment `d` of six revisions."""
    own = GatewayHarness(tmp_path_factory.mktemp("zoo"))
    own.deploy("d", "sums", "broken", "slow", "picky", "iris", "iris-next")
    yield own
    own.close()


def ask(harness, body=SUM, **headers):
    return harness.client.post("/endpoints/d/invocations", content=body, headers={**JSON, **headers})


def killed(harness, revision):
    """Kill a worker and wait until its successor is ready."""
    pid = harness.plane.status("d", revision).pid
    os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: (s := harness.plane.status("d", revision)).state == "READY" and s.pid not in (0, pid),
        "the new worker",
    )


def test_no_request_fails_while_weights_flip_and_the_candidate_is_killed(zoo):
    rollout = Rollout(zoo, IRIS, SHIFTED, 5000)
    load = Load(zoo.gateway.address, "/endpoints/d/invocations", BODY)
    for weight in (10_000, 0, 5000, 100, 10_000):
        rollout.weigh(weight)
        load.more(100)
    killed(zoo, SHIFTED)
    outcomes = load.stop()
    assert set(outcomes) == {(200, b'{"predictions": [0]}'), (200, b'{"predictions": [10]}')}
    assert rollout.counted(lambda c: c.errors == c.replayed > 0)


def test_no_request_fails_while_stable_is_killed_and_comes_back(zoo):
    Rollout(zoo, IRIS)
    load = Load(zoo.gateway.address, "/endpoints/d/invocations", BODY, clients=8)
    load.more(100)
    killed(zoo, IRIS)
    assert set(load.stop()) == {(200, b'{"predictions": [0]}')}


def test_a_failing_candidate_costs_nobody_an_error_and_is_counted(zoo):
    rollout = Rollout(zoo, SUMS, BROKEN, stage=2)
    answers = [ask(zoo) for _ in range(5)]
    assert {(a.status_code, a.text) for a in answers} == {(200, '{"predictions": [3.0]}')}
    assert {(a.headers["x-variant"], a.headers["x-served-by"]) for a in answers} == {("candidate", "1")}
    counts = rollout.counted(lambda c: c.replayed == 5)
    assert (counts.stage, counts.requests, counts.errors) == (2, 5, 5)


def test_a_slow_candidate_is_answered_by_stable_at_half_the_deadline(zoo):
    rollout = Rollout(zoo, SUMS, SLOW, slow_ms=100.0)
    answer = ask(zoo, SLOWLY, **{"x-request-timeout-ms": "800"})
    assert (answer.status_code, answer.headers["x-served-by"]) == (200, "1")
    counts = rollout.counted(lambda c: c.replayed == 1)
    assert (counts.errors, counts.slow) == (1, 1)


def test_a_callers_mistake_is_not_held_against_the_candidate(zoo):
    rollout = Rollout(zoo, SUMS, PICKY)
    assert ask(zoo, BAD).status_code == 400
    counts = rollout.counted(lambda c: c.user_errors == 1)
    assert (counts.requests, counts.errors) == (0, 0)


def test_a_candidate_that_rejects_what_stable_takes_has_failed(zoo):
    rollout = Rollout(zoo, SUMS, IRIS)
    assert ask(zoo).json() == {"predictions": [3.0]}
    counts = rollout.counted(lambda c: c.replayed == 1)
    assert (counts.errors, counts.user_errors) == (1, 0)


def test_a_failing_stable_says_so_in_the_protocols_shape(zoo):
    Rollout(zoo, BROKEN)
    answer = ask(zoo)
    assert answer.status_code == 500
    assert answer.json()["message"] == "the model failed: RuntimeError: this model always fails"
    infer = {"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [1.0]} for n in "ab"]}
    assert zoo.client.post("/v2/models/d/infer", json=infer).json()["error"].startswith("the model failed")


def test_a_deadline_ends_a_slow_call_with_504(zoo):
    Rollout(zoo, SLOW)
    answer = ask(zoo, SLOWLY, **{"x-request-timeout-ms": "200"})
    assert (answer.status_code, answer.json()["error_code"]) == (504, "DEADLINE_EXCEEDED")
    assert ask(zoo, **{"x-request-timeout-ms": "soon"}).status_code == 400


def test_a_key_stays_with_its_variant_and_a_v2_parameter_is_a_key(zoo):
    Rollout(zoo, IRIS, SHIFTED, 5000)
    for key in ("ann", "bob", "cyd", "dan", "eve", "fay"):
        revision = ask(zoo, BODY, **{"x-assignment-key": key}).headers["x-served-by"]
        infer = {"inputs": [TENSOR], "parameters": {"user_id": key}}
        assert zoo.client.post("/v2/models/d/infer", json=infer).headers["x-served-by"] == revision


def test_a_pinned_version_takes_no_part_in_the_rollout(zoo):
    rollout = Rollout(zoo, IRIS, SHIFTED, 0)
    answer = zoo.client.post("/v2/models/d/versions/6/infer", json={"inputs": [TENSOR]})
    assert (answer.json()["outputs"][0]["data"], answer.json()["model_version"]) == ([10], "6")
    assert zoo.client.post("/v2/models/d/versions/9/infer", json={"inputs": [TENSOR]}).status_code == 404
    assert zoo.counts("d", SHIFTED, rollout.number) is None


def test_a_revision_that_leaves_the_orders_finishes_its_calls_then_stops(zoo):
    Rollout(zoo, SLOW)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(zoo, SLOWLY)))
    asking.start()
    time.sleep(0.4)  # the call is now in the slow model, which takes 1.5 s; nothing outside shows that
    keep = [order for order in zoo.plane.desired.orders if order.revision != SLOW]
    zoo.plane.want(keep, [route("d", SUMS)])
    asking.join()
    assert answers[0].json() == {"predictions": [7.0]}
    zoo.plane.until("d", SLOW, "STOPPED")
