"""Measures how long single-row calls of models take, so that a busy host is not taken for a slow model.

Candidate and champion are called in turns. Of each call three times are taken: by the clock, of the processor, and what
the threads of this process waited for a core (`/proc/self/task/*/schedstat`, the second number, in ns: see the kernel's
Documentation/scheduler/sched-stats.rst). A call is quiet where that wait is a small part of it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from helicline.records.gate import Latency

WARM_UP_CALLS, ROUND_CALLS, MAX_CALLS = 10, 50, 2000
WARM_UP_S = 10.0
ENOUGH_QUIET_CALLS, LEAST_QUIET_CALLS = 400, 100
BUDGET_S = 20.0
SLOW_BUDGET_S = 40.0  # beyond it, of models whose 100 calls take longer
NARROW = 0.25
QUIET_SHARE, QUIET_NS = 0.1, 50_000
THREADS, MAX_THREADS = Path("/proc/self/task"), 64

Call = Callable[[int], Any]


class Samples:
    """The times of one model's calls, in ms."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.processor: list[float] = []
        self.own: list[float] = []
        self.quiet: list[float] = []
        self.waited_ms = 0.0

    def take(self, call: Call, number: int) -> None:
        """Call once, and note how long it took and whether the host let it run."""
        caller = str(threading.get_native_id())
        waited, before = _waited_ns(), time.perf_counter_ns()
        waited_by_caller, processor = _waited_by(caller), time.thread_time_ns()
        began = time.perf_counter_ns()
        call(number)
        clock_ns = time.perf_counter_ns() - began
        processor_ns = time.thread_time_ns() - processor
        waited_by_caller_ns = _waited_by(caller) - waited_by_caller
        # the wait is of the whole time between its two readings, which may have waited themselves
        own_ns = time.perf_counter_ns() - before - waited_by_caller_ns
        waited_ns = _waited_ns() - waited
        self.clock.append(clock_ns / 1e6)
        self.own.append(max(min(clock_ns, own_ns), processor_ns) / 1e6)
        self.processor.append(processor_ns / 1e6)
        self.waited_ms += waited_ns / 1e6
        if waited_ns <= max(QUIET_NS, clock_ns * QUIET_SHARE):
            self.quiet.append(clock_ns / 1e6)

    @property
    def is_precise(self) -> bool:
        """Whether enough quiet calls give a narrow interval of the p99."""
        if len(self.quiet) < ENOUGH_QUIET_CALLS:
            return False
        low, high = interval(self.quiet)
        return high - low <= NARROW * high

    def result(self, load: float, steal: float) -> Latency:
        """Return the quantiles of the quiet calls; where they are too few, of all calls less their waits."""
        chosen = self.quiet if len(self.quiet) >= LEAST_QUIET_CALLS else self.own
        low, high = interval(chosen)
        return Latency(
            call_count=len(self.clock),
            quiet_count=len(self.quiet),
            clock_p99_ms=_quantile(self.clock, 99),
            processor_p50_ms=_quantile(self.processor, 50),
            quantiles_ms={f"p{quantile}": _quantile(chosen, quantile) for quantile in (50, 90, 99)},
            low_ms=low,
            high_ms=high,
            load=load,
            steal=steal,
            waited=self.waited_ms / max(sum(self.clock), 1e-9),
        )


def measure(
    models: Mapping[str, Call], *, budget_s: float = BUDGET_S, slow_budget_s: float = SLOW_BUDGET_S
) -> dict[str, Latency]:
    """Return the latency of each model by its name; a call gets a number that grows, to choose a row by.

    It goes on until the p99 of every model is known narrowly, but no longer than `budget_s`; each model is called at
    least 100 times, but where that takes longer than another `slow_budget_s`.
    """
    samples = {name: Samples() for name in models}
    _warm_up(models)
    before = _processor_ticks()
    for number in _numbers(samples, budget_s, slow_budget_s):
        for name, call in models.items():
            samples[name].take(call, number)
    steal = _steal(before, _processor_ticks())
    return {name: sample.result(os.getloadavg()[0], steal) for name, sample in samples.items()}


def _warm_up(models: Mapping[str, Call]) -> None:
    end = time.monotonic() + WARM_UP_S
    for number in range(WARM_UP_CALLS):
        for call in models.values():
            call(number)
        if time.monotonic() > end:
            return


def _numbers(samples: dict[str, Samples], budget_s: float, slow_budget_s: float) -> Iterator[int]:
    """Yield the numbers of the calls until all is precise or the time is over; of very slow models, of a few calls."""
    end = time.monotonic() + budget_s
    slow_end = end + slow_budget_s
    for number in range(MAX_CALLS):
        is_over = time.monotonic() > (end if number >= LEAST_QUIET_CALLS else slow_end)
        if number and (
            is_over or (number % ROUND_CALLS == 0 and all(sample.is_precise for sample in samples.values()))
        ):
            return
        yield number


def interval(values: list[float], quantile: float = 0.99) -> tuple[float, float]:
    """Return the 95 % interval of a quantile from order statistics (Conover, Practical Nonparametric Statistics, 3.2).

    With too few values for an upper end, this is the largest of them.
    """
    ordered = np.sort(values)
    ranks = stats.binom.ppf((0.025, 0.975), len(ordered), quantile).astype(int)
    return float(ordered[max(ranks[0] - 1, 0)]), float(ordered[min(ranks[1], len(ordered) - 1)])


def _quantile(values: list[float], quantile: float) -> float:
    return float(np.percentile(values, quantile))


def _waited_ns() -> int:
    """Return what the threads of this process have waited for a core; 0 where the system does not tell."""
    try:
        threads = os.listdir(THREADS)[:MAX_THREADS]
    except OSError:
        return 0
    return sum(_waited_by(thread) for thread in threads)


def _waited_by(thread: str) -> int:
    try:
        return int((THREADS / thread / "schedstat").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):  # the thread has ended
        return 0


def _processor_ticks() -> tuple[int, int]:
    """Return all ticks of the processors, and those that a hypervisor took away (proc(5), /proc/stat)."""
    try:
        ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return sum(ticks), ticks[7] if len(ticks) > 7 else 0


def _steal(before: tuple[int, int], after: tuple[int, int]) -> float:
    return (after[1] - before[1]) / max(after[0] - before[0], 1)
