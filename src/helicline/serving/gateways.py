"""What the gateways of a server report, each for itself, and what follows from all of them together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from helicline.records.deployment import RevisionStatus, Sighting, VariantCounts
from helicline.store import nouns
from helicline.store.noun import column_value
from helicline.store.unit import Reader

LIVE_S = 30.0
_WORST_FIRST = ("QUARANTINED", "FAILED", "PENDING", "LOADING", "READY", "STOPPED")


def sightings(tx: Reader) -> list[Sighting]:
    """Return the newest reports first."""
    return nouns.SIGHTINGS.select(tx, order=[nouns.SIGHTINGS.table.c.seen_at.desc()], limit=50)


def live(tx: Reader) -> list[Sighting]:
    """Return the last report of each gateway that has reported lately, the newest first; one report a gateway."""
    column = nouns.SIGHTINGS.table.c
    since = column_value(tx.now - timedelta(seconds=LIVE_S))
    recent = nouns.SIGHTINGS.select(tx, column.seen_at >= since, order=[column.seen_at.desc()])
    newest: dict[str, Sighting] = {}
    for sighting in recent:
        newest.setdefault(sighting.gateway, sighting)
    return list(newest.values())


def combined_status(reports: Iterable[Sighting], deployment: str, revision: int) -> RevisionStatus | None:
    """Return the state of a revision over all gateways: the worst, with the gateway where it is so.

    A revision is READY where every gateway that has it says so; which of them reported last makes no difference.
    """
    statuses = [
        (sighting.gateway, status)
        for sighting in reports
        for status in sighting.observed.revisions
        if (status.deployment, status.revision) == (deployment, revision)
    ]
    if not statuses:
        return None
    gateway, worst = min(statuses, key=lambda pair: (_WORST_FIRST.index(pair[1].state), pair[0]))
    if len(statuses) == 1 or worst.state in ("READY", "STOPPED"):
        return worst
    return msgspec.structs.replace(worst, reason=f"at gateway {gateway}: {worst.reason}".rstrip(": "))


def counts_by_deployment(reports: Iterable[Sighting]) -> dict[str, list[VariantCounts]]:
    """Return what each gateway counted, by deployment."""
    groups: dict[str, list[VariantCounts]] = {}
    for sighting in reports:
        for counts in sighting.observed.counts:
            groups.setdefault(counts.deployment, []).append(counts)
    return groups


def summed_counts(reported: Iterable[VariantCounts]) -> list[VariantCounts]:
    """Return the counts of a deployment's variants, summed over gateways."""
    totals: dict[tuple[int, int, int], VariantCounts] = {}
    for counts in reported:
        key = (counts.revision, counts.rollout, counts.stage)
        totals[key] = _sum(totals[key], counts) if key in totals else counts
    return list(totals.values())


def _sum(first: VariantCounts, second: VariantCounts) -> VariantCounts:
    bounds = first.latency_us.keys() | second.latency_us.keys()
    return msgspec.structs.replace(
        first,
        requests=first.requests + second.requests,
        errors=first.errors + second.errors,
        slow=first.slow + second.slow,
        replayed=first.replayed + second.replayed,
        user_errors=first.user_errors + second.user_errors,
        latency_us={bound: first.latency_us.get(bound, 0) + second.latency_us.get(bound, 0) for bound in bounds},
    )
