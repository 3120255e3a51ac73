"""The gateway's numbers as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from helicline.gateway.variant_counters import BOUNDS_US, OVER, VariantCounter, VariantCounters, VariantKey
from helicline.records.deployment import RevisionStatus

_TOTALS = (
    ("requests", "Calls assigned to a variant."),
    ("errors", "Calls the variant failed."),
    ("replayed", "Failed calls that stable answered instead."),
    ("slow", "Calls over the route's limit."),
    ("user_errors", "Calls refused because of their input."),
)


def text(counters: VariantCounters, statuses: Iterable[RevisionStatus], *, gauges: dict[str, int]) -> bytes:
    """Return the exposition: totals and latency by variant, readiness by revision, and `gauges`."""
    return ("\n".join([*_totals(counters), *_latency(counters), *_ready(statuses), *_gauges(gauges)]) + "\n").encode()


def _labels(key: VariantKey) -> str:
    deployment, revision, rollout, stage = key
    return f'deployment="{deployment}",revision="{revision}",rollout="{rollout}",stage="{stage}"'


def _totals(counters: VariantCounters) -> Iterator[str]:
    for name, description in _TOTALS:
        yield f"# HELP helicline_{name}_total {description}"
        yield f"# TYPE helicline_{name}_total counter"
        for key, counter in counters.by_variant.items():
            yield f"helicline_{name}_total{{{_labels(key)}}} {getattr(counter, name)}"


def _latency(counters: VariantCounters) -> Iterator[str]:
    yield "# HELP helicline_latency_seconds Time from the last byte in to the answer."
    yield "# TYPE helicline_latency_seconds histogram"
    for key, counter in counters.by_variant.items():
        yield from _histogram(_labels(key), counter)


def _histogram(labels: str, counter: VariantCounter) -> Iterator[str]:
    total = 0
    for bound, count in zip(BOUNDS_US, counter.buckets, strict=True):
        total += count
        limit = "+Inf" if bound == OVER else f"{bound / 1e6:g}"
        yield f'helicline_latency_seconds_bucket{{{labels},le="{limit}"}} {total}'
    yield f"helicline_latency_seconds_sum{{{labels}}} {counter.total_us / 1e6:g}"
    yield f"helicline_latency_seconds_count{{{labels}}} {total}"


def _ready(statuses: Iterable[RevisionStatus]) -> Iterator[str]:
    yield "# HELP helicline_revision_ready Whether the revision can answer."
    yield "# TYPE helicline_revision_ready gauge"
    for status in statuses:
        labels = f'deployment="{status.deployment}",revision="{status.revision}"'
        yield f"helicline_revision_ready{{{labels}}} {int(status.state == 'READY')}"


def _gauges(gauges: dict[str, int]) -> Iterator[str]:
    for name, value in gauges.items():
        yield f"# TYPE helicline_{name} {'counter' if name.endswith('_total') else 'gauge'}"
        yield f"helicline_{name} {value}"
