"""The memory of a step in a real worker: measured, limited, and told of where it ran out."""

import pytest

from support.worker_harness import WorkerHarness

SOURCE = """
import subprocess, sys, time
import helicline as hl

FILL = "x = bytearray(400_000_000); import time; time.sleep(60)  # until the watch ends it"

@hl.step
def small() -> hl.Metrics:
    block = bytearray(200_000_000)
    time.sleep(2)  # long enough for the watch to look twice
    return hl.Metrics(size=len(block))

@hl.step(memory="300MB", timeout="TIMEOUT")
def large(small: hl.Metrics, *, how: str = "HOW") -> hl.Model:
    if how == "itself":
        exec(FILL)
    if how == "child":
        subprocess.run([sys.executable, "-c", FILL])
        time.sleep(60)  # until the watch ends it
    return "no model"

@hl.pipeline
def NAME():
    return hl.candidate(large(small()))

loop = hl.Loop("NAME", pipeline=NAME)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    harness = WorkerHarness(tmp_path_factory.mktemp("memory"), SOURCE)
    for how in ("itself", "child"):
        harness.begin(how, how)
    yield harness
    harness.close()


@pytest.mark.parametrize("how", ["itself", "child"])
def test_a_step_that_passes_its_limit_is_ended_and_told_as_out_of_memory(shop, how):
    turn = shop.turn(how, "FAILED")
    attempts = {attempt["step"]: attempt for attempt in shop.detail(turn)["attempts"]}
    assert attempts["large"]["state"] == "OUT_OF_MEMORY"
    assert attempts["large"]["peak_bytes"] > 300_000_000
    assert "step large: it ran out of memory: its limit is 300 MB, and " in turn["result"]
    assert 'Give it more: @hl.step(memory="...")' in turn["result"]


def test_the_most_memory_of_a_step_is_recorded(shop):
    turn = shop.turn("itself", "FAILED")
    (attempt,) = [attempt for attempt in shop.detail(turn)["attempts"] if attempt["step"] == "small"]
    assert 200_000_000 < attempt["peak_bytes"] < 600_000_000
