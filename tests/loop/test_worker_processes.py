"""Steps in real processes: a server, a worker, and code that fails in every way code fails."""

import os
import signal
import socket
import time

import msgspec
import psutil
import pytest

from helicline.cli.loop_file.apply import record
from helicline.errors import Conflict
from support.wait import wait_for
from support.worker_harness import WorkerHarness

SOURCE = """
import os, sys, time
from pathlib import Path
import helicline as hl

@hl.step
def numbers() -> hl.Metrics:
    return hl.Metrics(one=1.0)

@hl.step(timeout="TIMEOUT")
def make(numbers: hl.Metrics, *, how: str = "HOW", marker: str = "MARKER") -> hl.Model:
    print("now it", how, flush=True)
    if how == "raises":
        raise ZeroDivisionError("no zero today")
    if how == "hangs":
        time.sleep(60)  # longer than the timeout of the step
    if how == "exits":
        sys.exit(3)
    if how == "writes_nothing":
        os._exit(0)
    if how == "is_killed":
        os.kill(os.getpid(), 9)
    if how == "returns_text":
        return "a model"
    if how == "waits" and not Path(marker).exists():
        Path(marker).write_text("begun")
        time.sleep(2)  # long enough for the test to kill the worker meanwhile
    if how == "lingers" and not Path(marker).exists():
        Path(marker).write_text("begun")
        time.sleep(60)  # until the worker is stopped

    if how == "leaves_a_daemon":
        import subprocess
        daemon = "import os, signal; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); signal.pause()"
        subprocess.run([sys.executable, "-c", daemon, "NAME-daemon"])

@hl.pipeline
def NAME():
    return hl.candidate(make(numbers()))

loop = hl.Loop("NAME", pipeline=NAME)
"""
ENDINGS = {
    "raises": "ZeroDivisionError: no zero today",
    "hangs": "it ran longer than 2 s",
    "exits": "exited with status 3",
    "writes_nothing": "exited with status 0 without a result: now it writes_nothing",
    "is_killed": "killed by SIGKILL",
    "returns_text": "step make, output 1: got 'str'",
    "returns_nothing": "step make returned: got 'nothing'",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    opened = WorkerHarness(tmp_path_factory.mktemp("shop"), SOURCE)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def failures(shop):
    """Every way to fail, at once."""
    for how in ENDINGS:
        shop.begin(how, how)
    return {how: shop.turn(how, "FAILED") for how in ENDINGS}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_turn_says_how_its_step_failed(failures, how):
    assert f"step make: {ENDINGS[how]}" in failures[how]["result"] or ENDINGS[how] in failures[how]["result"]


def test_what_a_step_prints_can_be_read_while_and_after_it_runs(shop, failures):
    attempts = [attempt for attempt in shop.detail(failures["raises"])["attempts"] if attempt["step"] == "make"]
    printed = shop.client.send("GET", f"/attempts/{attempts[-1]['id']}/log").text
    assert "now it raises" in printed
    assert "ZeroDivisionError" in printed


def test_a_step_whose_code_and_inputs_are_the_same_is_not_run_again(shop, failures):
    shop.client.post("/loops/raises/turns", dict, {})
    again = shop.turn("raises~2", "FAILED")
    states = {step["step"]: step["state"] for step in shop.detail(again)["steps"]}
    assert states == {"numbers": "CACHED", "make": "FAILED"}


def test_a_task_that_cannot_be_started_says_so(shop):
    path = shop.folder / "lost_loop.py"
    path.write_text(SOURCE.replace("NAME", "lost").replace("HOW", "raises").replace("TIMEOUT", "120s"))
    [(spec, _)] = record(shop.client, path)
    without = msgspec.structs.replace(spec.pipeline.code, bundle="0" * 64)
    pipeline = msgspec.structs.replace(spec.pipeline, code=without)
    shop.client.post("/loops", dict, msgspec.structs.replace(spec, pipeline=pipeline))
    shop.client.post("/loops/lost/turns", dict, {})
    assert "it could not be started: No blob named" in shop.turn("lost", "FAILED")["result"]


def test_a_cancelled_turn_stops_its_process(shop):
    shop.begin("cancelled", "hangs")
    leased(shop, "cancelled")
    shop.client.post("/turns/cancelled/cancel", dict, {"reason": "enough"})
    turn = shop.turn("cancelled", "CANCELLED")
    wait_for(lambda: shop.detail(turn)["run"]["state"] == "CANCELLED", "the run to be cancelled", interval_s=0.1)
    assert [attempt["state"] for attempt in shop.detail(turn)["attempts"] if attempt["step"] == "make"] in (
        ["CANCELLED"],
        ["TIMED_OUT"],
    )


def test_the_work_of_a_killed_worker_is_taken_over_and_its_late_report_refused(shop):
    shop.begin("waits", "waits")
    first = leased(shop, "waits")
    os.killpg(shop.workers[0].pid, signal.SIGKILL)
    shop.workers[0].wait(10)
    shop.workers.append(shop.worker())
    turn = shop.turn("waits", "FAILED")  # the second try returns nothing, which says so
    states = [attempt["state"] for attempt in shop.detail(turn)["attempts"] if attempt["step"] == "make"]
    assert (states[0], states[-1]) == ("LOST", "FAILED")
    late = {"fence": first["fence"], "ok": False}
    with pytest.raises(Conflict, match="not held by fence"):
        shop.client.post(f"/attempts/{first['id']}/complete", dict, late)


def leased(shop, name):
    """Return the attempt of `make` once its process has begun."""

    def attempt():
        turn = shop.client.get(f"/turns/{name}", dict)
        attempts = shop.detail(turn)["attempts"] if turn["pipeline_run"] else []
        last = next((attempt for attempt in reversed(attempts) if attempt["step"] == "make"), None)
        if last is None or last["state"] != "LEASED":
            return None
        return last if "now it" in shop.client.send("GET", f"/attempts/{last['id']}/log").text else None

    return wait_for(attempt, f"the lease of {name}", limit_s=60, interval_s=0.05)


def test_a_worker_that_is_stopped_hands_its_step_back_and_the_turn_goes_on(shop):
    """What `hl down` does in the middle of a step: the next worker does it, and it counts as no try."""
    shop.begin("stopped", "lingers")
    leased(shop, "stopped")
    shop.workers[-1].terminate()
    shop.workers[-1].wait(30)
    turn = shop.client.get("/turns/stopped", dict)
    (attempt,) = [attempt for attempt in shop.detail(turn)["attempts"] if attempt["step"] == "make"]
    assert (attempt["state"], attempt["worker"]) == ("READY", ""), attempt["error"]
    shop.workers.append(shop.worker())
    turn = shop.turn("stopped", "FAILED")  # the second try returns nothing, which says so
    attempts = [attempt for attempt in shop.detail(turn)["attempts"] if attempt["step"] == "make"]
    assert [(attempt["state"], attempt["number"]) for attempt in attempts] == [("FAILED", 1)]


def test_a_step_that_ends_while_the_server_is_away_loses_nothing(shop):
    """The server is stopped in the middle of a step and comes back after the lease has run out."""
    shop.begin("away", "waits")
    leased(shop, "away")
    shop.server.kill()
    wait_for((shop.folder / "markers" / "away").exists, "the step to go on")
    time.sleep(6)  # longer than the lease of 4 s, and than the step
    shop.server.start()
    turn = shop.turn("away", "FAILED")  # it returned nothing, which its report says
    attempts = [attempt for attempt in shop.detail(turn)["attempts"] if attempt["step"] == "make"]
    assert [(attempt["state"], attempt["number"]) for attempt in attempts] == [("FAILED", 1)]
    assert ENDINGS["returns_nothing"] in turn["result"]


def test_what_a_step_leaves_running_ends_with_it(shop):
    shop.begin("daemons", "leaves_a_daemon")
    shop.turn("daemons", "FAILED")
    wait_for(lambda: not processes_with("daemons-daemon"), "the end of the daemon")


def processes_with(argument):
    return [process for process in psutil.process_iter(["cmdline"]) if argument in (process.info["cmdline"] or ())]


def test_a_worker_that_has_left_while_it_waited_for_a_task_gets_none(tmp_path):
    """The server would lease the next task to nobody, and it would be lost until that lease runs out."""
    harness = WorkerHarness(tmp_path, SOURCE)
    try:
        os.killpg(harness.workers[0].pid, signal.SIGKILL)
        harness.workers[0].wait(10)
        body = b'{"worker": "gone", "wait_s": 30}'
        head = "POST /api/v1/attempts/lease HTTP/1.1\r\nhost: localhost\r\n"
        head += f"authorization: Bearer {harness.token.strip()}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", harness.server.port)) as connection:
            connection.sendall(head.encode() + body)
            connection.settimeout(1)
            with pytest.raises(TimeoutError):
                connection.recv(1)  # it waits for a task
        harness.workers.append(harness.worker())
        harness.begin("after", "raises")
        turn = harness.turn("after", "FAILED")
        assert {attempt["state"] for attempt in harness.detail(turn)["attempts"]} == {"SUCCEEDED", "FAILED"}
    finally:
        harness.close()
