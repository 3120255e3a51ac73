"""All metrics that the checks of a loop name, of both models: a failure of one says its name and stops no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from helicline.engine.measuring import built_in, own
from helicline.engine.measuring.measured import Judged, Measured, compare, difference_of
from helicline.errors import HeliclineError
from helicline.gate import bootstrap
from helicline.records.gate import Comparison
from helicline.records.metric import MetricSpec

CALLS_S = 240.0  # of all functions together, on both models
RESAMPLING_S = 60.0  # of the processor, of all comparisons together
SLOWER = 4.0  # as long as that, times this, on the clock: a function may wait

Loader = Callable[[MetricSpec], own.Function]


class Results(msgspec.Struct):
    """What was measured, by metric, and why the rest was not."""

    metrics: dict[str, float] = {}
    champion_metrics: dict[str, float] = {}
    comparisons: dict[str, Comparison] = {}
    failures: dict[str, str] = {}


def measure_all(
    specs: Sequence[MetricSpec],
    candidate: Judged,
    champion: Judged | None = None,
    *,
    compared: Collection[str] = (),
    load: Loader,
) -> Results:
    """Return the metrics of the candidate, and of those that are `compared` the champion's and the paired test.

    `load` returns the function of a spec that has one.
    """
    results, share = Results(), 1 / max(1, len(specs))
    for spec in specs:
        try:
            of = _measurer(spec, load, seconds=CALLS_S * share / 2)
            measured = of(candidate)
            results.metrics[spec.name] = measured.value
            if champion is not None and spec.name in compared:
                before = of(champion)
                results.champion_metrics[spec.name] = before.value
                results.comparisons[spec.name] = _compared(
                    spec, measured, before, row_count=len(candidate.frame), seconds=RESAMPLING_S * share
                )
        except HeliclineError as error:
            is_of_champion = spec.name in results.metrics
            results.failures[spec.name] = f"of the champion: {error}" if is_of_champion else str(error)
    return results


def _measurer(spec: MetricSpec, load: Loader, *, seconds: float) -> Callable[[Judged], Measured]:
    if not spec.function:
        return lambda judged: built_in.measured(spec, judged)
    function = load(spec)
    return lambda judged: own.measured(function, spec.name, judged, group=spec.group, seconds=seconds)


def _compared(
    spec: MetricSpec, candidate: Measured, champion: Measured, *, row_count: int, seconds: float
) -> Comparison:
    try:
        with own.time_limit(SLOWER * seconds):
            return compare(spec, candidate, champion, row_count=row_count, seconds=seconds)
    except own.TooLong:
        bare = difference_of(spec, candidate, champion, row_count=row_count)
        return bootstrap.untested(bare, f"its resamples take longer than {SLOWER * seconds:.0f} s")
