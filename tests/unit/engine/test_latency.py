"""Latency of models: what a call takes by itself, apart from what the host makes of it."""

import multiprocessing
import os
import time

import numpy as np
import pytest

from helicline.engine import latency


def spin(until):
    while not until.is_set():
        sum(range(1000))


@pytest.fixture
def busy_host():
    """Four processes a core that want the processor all the time."""
    context = multiprocessing.get_context("fork")
    until = context.Event()
    spinners = [context.Process(target=spin, args=(until,)) for _ in range(4 * (os.cpu_count() or 1))]
    for spinner in spinners:
        spinner.start()
    yield
    until.set()
    for spinner in spinners:
        spinner.join()


def works(processor_s):
    """Return a call that needs that much of the processor."""

    def call(_number):
        end = time.thread_time() + processor_s
        while time.thread_time() < end:
            pass

    return call


def test_calls_on_a_busy_host_are_told_by_the_quiet_ones(busy_host):
    measured = latency.measure({"candidate": works(0.002)}, budget_s=5.0)["candidate"]
    assert measured.waited > 0.3
    assert measured.clock_p99_ms > 4
    assert measured.processor_p50_ms == pytest.approx(2.0, rel=0.5)
    if measured.quiet_count >= latency.LEAST_QUIET_CALLS:
        assert measured.quantiles_ms["p50"] < measured.clock_p99_ms


def test_a_slow_call_is_slow_however_it_spends_its_time():
    models = {"sleeps": lambda _: time.sleep(0.02), "works": works(0.0)}  # a model that waits for another service
    measured = latency.measure(models, budget_s=0.0)
    assert measured["sleeps"].call_count == measured["works"].call_count == 100
    assert measured["sleeps"].quantiles_ms["p50"] >= 20
    assert measured["sleeps"].processor_p50_ms < 10
    assert measured["works"].quantiles_ms["p50"] < 20


def test_the_interval_of_a_quantile_covers_it():
    chance = np.random.default_rng(3)
    truth = -np.log(0.01)
    intervals = [latency.interval(list(chance.exponential(size=1000))) for _ in range(300)]
    covered = sum(low <= truth <= high for low, high in intervals)
    assert 0.9 <= covered / 300 <= 1.0


def test_calls_get_rows_of_growing_numbers():
    numbers = []
    latency.measure({"candidate": numbers.append}, budget_s=0.0)
    assert numbers[: latency.WARM_UP_CALLS] == list(range(latency.WARM_UP_CALLS))
    assert numbers[latency.WARM_UP_CALLS :] == list(range(len(numbers) - latency.WARM_UP_CALLS))


def test_a_very_slow_model_is_called_a_few_times_only():
    calls = {"slow": lambda _: time.sleep(0.05)}  # the call's own time, which is measured
    measured = latency.measure(calls, budget_s=0.1, slow_budget_s=0.2)["slow"]
    assert 1 <= measured.call_count < 20
    assert measured.quantiles_ms["p50"] > 10  # a sleep counts, less what the host took from it
    assert measured.low_ms <= measured.high_ms
