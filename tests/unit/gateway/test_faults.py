"""Workers that die while they load, that hang, or that are slow: whom it costs what."""

import contextlib
import json
import os
import re
import signal
import threading
from http.client import HTTPConnection

import pytest

from support.gateway_harness import GatewayHarness, kill_worker, route, worker_pids
from support.wait import wait_for

JSON = {"content-type": "application/json"}


def body(a, b):
    return json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [[float(a), float(b)]]}})


SUM = body(1, 2)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """One gateway whose workers count as hanging after 1.5 s."""
    harness = GatewayHarness(tmp_path_factory.mktemp("faults"), HELICLINE_HANG_S="1.5", HELICLINE_PROBE_S="0.2")
    yield harness
    harness.close()


def ask(harness, name, content=SUM, **headers):
    return harness.client.post(f"/endpoints/{name}/invocations", content=content, headers={**JSON, **headers})


def until_calls_wait(harness, count):
    line = f"helicline_calls_waiting {count}\n"
    wait_for(lambda: line in harness.client.get("/metrics").text, f"{count} calls that wait for their answer")


class Asking:
    """Calls that are asked at once, each by a caller of its own; `order` has the names as the answers come."""

    def __init__(self, harness, name):
        self._harness, self._name = harness, name
        self.answers, self.order, self._threads = {}, [], []

    def ask(self, label, content, **headers):
        def run():
            self.answers[label] = ask(self._harness, self._name, content, **headers)
            self.order.append(label)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def finish(self):
        for thread in self._threads:
            thread.join()
        return {label: answer.status_code for label, answer in self.answers.items()}


def kill_until(harness, condition, event, *, spare):
    """Kill every worker but one, those that still load too, until the condition holds."""

    def killed():
        for pid in worker_pids(harness.gateway):
            if pid != spare:
                kill_worker(pid)
        return condition()

    wait_for(killed, event)


def test_stable_comes_back_after_its_replacement_was_killed_and_previous_answers_meanwhile(zoo):
    zoo.deploy("back", "sums", "alone")
    zoo.plane.applied(zoo.reroute(route("back", 1, previous=2)))
    spare = zoo.plane.status("back", 2).pid
    failed = lambda: zoo.plane.status("back", 1).state == "FAILED"  # noqa: E731
    kill_until(zoo, failed, "a load that failed", spare=spare)
    answer = ask(zoo, "back")
    assert (answer.status_code, answer.headers["x-served-by"], answer.json()) == (200, "2", {"predictions": [3.0]})
    assert answer.headers["x-fallback-reason"] == "stable_down"
    assert "while loading" in zoo.plane.status("back", 1).reason
    zoo.plane.until("back", 1, "READY")
    answer = ask(zoo, "back")
    assert (answer.headers["x-served-by"], "x-fallback-reason" in answer.headers) == ("1", False)


def test_a_candidate_is_loaded_three_times_and_fails_with_the_reason(zoo):
    desired = zoo.plane.desired
    zoo.plane.want([*desired.orders, zoo.plane.order("candidate", 1, "damaged")], desired.routes)
    reason = zoo.plane.until("candidate", 1, "FAILED").reason
    assert reason.startswith("3 loads failed; the last: ")
    assert "UnpicklingError" in reason


def test_an_answer_leaves_when_it_is_ready(zoo):
    zoo.deploy("queue", "alone")
    asking = Asking(zoo, "queue")
    asking.ask("first", body(0.3, 9))
    until_calls_wait(zoo, 1)
    asking.ask("quick", SUM, **{"x-request-timeout-ms": "19000"})
    asking.ask("hangs", body(600, 9), **{"x-request-timeout-ms": "20000"})
    assert asking.finish() == {"first": 200, "quick": 200, "hangs": 504}
    assert asking.order == ["first", "quick", "hangs"]


def test_what_cannot_be_in_time_is_refused_at_once_with_the_time_to_try_again(zoo):
    zoo.deploy("busy", "alone")
    assert ask(zoo, "busy", body(1.0, 9)).status_code == 200
    asking = Asking(zoo, "busy")
    for number in range(8):
        asking.ask(number, body(1.0, 9), **{"x-request-timeout-ms": "3500"})
    statuses = asking.finish()
    refused = [answer for answer in asking.answers.values() if answer.status_code == 503]
    assert {200, 503} <= set(statuses.values()) <= {200, 503, 504}
    assert "cannot answer within 3.5 s" in refused[0].json()["message"]
    assert int(refused[0].headers["retry-after"]) >= 1


def test_a_predict_that_hangs_blocks_its_own_caller_only(zoo):
    zoo.deploy("hang", "alone")
    pid = zoo.plane.status("hang", 1).pid
    asking = Asking(zoo, "hang")
    asking.ask("hangs", body(600, 9), **{"x-request-timeout-ms": "20000"})
    until_calls_wait(zoo, 1)
    assert ask(zoo, "hang").json() == {"predictions": [3.0]}
    assert asking.answers == {}
    assert zoo.plane.until("hang", 1, "READY").pid != pid
    assert asking.finish() == {"hangs": 504}
    wait_for(lambda: pid not in worker_pids(zoo.gateway), "the end of the worker that hung")


def test_models_that_never_finish_loading_hold_up_no_other(zoo):
    desired = zoo.plane.desired
    stuck = [zoo.plane.order(f"stuck-{number}", 1, "hanging") for number in range(3)]
    zoo.plane.want([*desired.orders, *stuck], desired.routes)
    for order in stuck:
        zoo.plane.until(order.deployment, 1, "LOADING")
    zoo.deploy("free", "sums")
    pid = zoo.plane.status("free", 1).pid
    kill_worker(pid)
    assert ask(zoo, "free").status_code == 200
    assert wait_for(lambda: (s := zoo.plane.status("free", 1)).pid not in (0, pid) and s.state, "the repair") == "READY"


def test_a_request_that_ends_a_worker_twice_is_refused_and_everyone_else_is_answered(zoo):
    zoo.deploy("deadly", "crashing")
    asking = Asking(zoo, "deadly")
    for number in range(4):
        asking.ask(number, body(number, 1))
    first = ask(zoo, "deadly", body(666, 1), **{"user-agent": "mallory"})
    assert set(asking.finish().values()) == {200}
    assert first.status_code == 422
    assert "has ended the worker of revision 1 of 'deadly' twice" in first.json()["message"]
    assert ask(zoo, "deadly").status_code == 200
    # the report of the worker that ended may come after the answer
    alive = lambda: (pid := zoo.plane.status("deadly", 1).pid) in worker_pids(zoo.gateway) and pid  # noqa: E731
    pid = wait_for(alive, "the report of the worker that answers")
    again = ask(zoo, "deadly", body(666, 1))
    assert (again.status_code, again.json()["error_code"]) == (422, "INVALID_PARAMETER_VALUE")
    assert ask(zoo, "deadly").status_code == 200
    assert pid in worker_pids(zoo.gateway)
    assert re.search(
        r"from 127\.0\.0\.1:\d+ \(mallory, no token\) ended a worker of deadly#1 twice", zoo.gateway.errors.read_text()
    )


def test_a_quarantined_revision_that_serves_is_probed_by_itself(zoo):
    zoo.deploy("fragile", "crashing")
    statuses = [ask(zoo, "fragile", body(666, number)).status_code for number in range(5)]
    assert statuses == [422, 422, 422, 422, 503]
    assert "5 crashes in 10 minutes" in zoo.plane.until("fragile", 1, "QUARANTINED").reason
    zoo.plane.until("fragile", 1, "READY")
    assert ask(zoo, "fragile").status_code == 200


def test_the_reason_of_a_crash_is_the_one_that_happened(zoo):
    zoo.deploy("reasons", "picky")
    assert "negative a" in ask(zoo, "reasons", body(-1, 1)).json()["message"]
    kill_worker(zoo.plane.status("reasons", 1).pid)
    status = wait_for(lambda: (s := zoo.plane.status("reasons", 1)).state != "READY" and s, "the crash")
    assert status.reason == "the worker was killed by SIGKILL (by a person, or for want of memory)"


def test_a_crash_in_native_code_says_which(zoo):
    zoo.deploy("native", "crashing")
    os.kill(zoo.plane.status("native", 1).pid, signal.SIGABRT)
    status = wait_for(lambda: (s := zoo.plane.status("native", 1)).state != "READY" and s, "the crash")
    assert status.reason == "the worker ended with signal 6 (Aborted): Fatal Python error: Aborted"


def test_what_a_caller_that_leaves_has_asked_for_is_not_begun(zoo):
    zoo.deploy("leaving", "alone")
    asking = Asking(zoo, "leaving")
    asking.ask("first", body(1.0, 9))
    until_calls_wait(zoo, 1)
    with contextlib.closing(HTTPConnection(*zoo.gateway.address)) as caller:
        caller.request("POST", "/endpoints/leaving/invocations", body(600, 9), JSON)
        until_calls_wait(zoo, 2)
    until_calls_wait(zoo, 1)
    assert asking.finish() == {"first": 200}
    assert ask(zoo, "leaving").status_code == 200
