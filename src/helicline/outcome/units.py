"""Counts the units of a rollout, or of a revision's time, from the prediction log: one value of each, in its window.

Nothing is kept between two looks: all is read again from the files of the rollout's time, in two columns of moments.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np

from helicline.records.outcome import OutcomeSpec, Sample, StageSample, Units
from helicline.serving.prediction_log import sql
from helicline.serving.prediction_log.files import again_when_merged, label_files, listed, paths_of

CAP_QUANTILE = 0.999  # of stable's units: larger values count as this one
CAPPED_FROM = 100  # units; the quantile of fewer is a guess
_VALUES = {
    "last": "arg_max(number, (happened_at, received_ts))",
    "max": "max(number)",
    "sum": "sum(number)",
    "count": "count(number)",
}
ALL = 10_000  # basis points


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls make the units: those from `since`, up to but without `until`, of which the log is `complete`.

    Units that were first served before `counted_from`, or from `counted_until` on, do not count. Of a rollout, units
    count by stage and variant; `largest_share` (basis points) is the most that the candidate got so far beside stable.
    Without a rollout they are those of `revision`, in stage 1 as the variant `stable`.
    """

    deployment: str
    since: datetime
    until: datetime
    complete: datetime
    rollout: int = 0
    revision: int = 0
    largest_share: int = 0
    counted_from: datetime | None = None
    counted_until: datetime | None = None


@again_when_merged
def count(home: Path, span: Span, spec: OutcomeSpec) -> Units:
    """Return the units of a span with the moments of an outcome.

    A unit belongs to the stage of its first call, and counts once its window is over, `window_s` after that call.
    Feedback by unit key, by the id of any of its calls, late or corrected, counts once: by its event id, else the last
    value of a prediction or unit.
    """
    calls = listed(home, "predictions", deployment=span.deployment, since=span.since, until=span.until)
    if not calls:
        return Units()
    labels = label_files(home, span.deployment, span.since)
    query = _query(span, spec, calls=paths_of(calls), labels=paths_of(labels))
    rows = sql.fetch(query)
    names = [name for name in rows if name not in _TOTALS]
    stages = [dict(zip(names, values, strict=True)) for values in zip(*(rows[name] for name in names), strict=True)]
    totals = {name: rows[name][0] for name in _TOTALS} if stages else {}
    return Units(
        stages=tuple(
            StageSample(
                index=int(row["stage"]),
                stable=Sample(count=int(row["n_a"]), total=float(row["s_a"]), total_squares=float(row["q_a"])),
                candidate=Sample(count=int(row["n_b"]), total=float(row["s_b"]), total_squares=float(row["q_b"])),
                stable_served=int(row["all_a"]),
                candidate_served=int(row["all_b"]),
            )
            for row in stages
        ),
        **{name: int(value) for name, value in totals.items() if name != "cap"},
        cap=_number(totals.get("cap")),
    )


_PLACES = ("waiting", "both", "moved", "burn_in", "unanswered")
_TOTALS = (*_PLACES, "not_numbers", "strangers", "keyless", "cap")


def _number(value: object) -> float | None:
    return None if value is None or value is np.ma.masked else float(str(value))


def _query(span: Span, spec: OutcomeSpec, *, calls: Iterable[Path], labels: Iterable[Path]) -> str:
    window = f"to_microseconds({round(spec.window_s * 1e6)})"
    number = "CASE lower(value) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE TRY_CAST(value AS DOUBLE) END"
    missing = "NULL" if spec.missing is None else repr(float(spec.missing))
    value = f"coalesce({_VALUES[spec.kind]}, {missing})"
    is_rollout = span.rollout > 0
    counted_from = sql.timestamp(span.counted_from or span.since)
    counted_until = sql.timestamp(span.counted_until or span.until)
    of_calls = f"rollout = {span.rollout}" if is_rollout else f"revision = {span.revision}"
    stage, variant = ("stage", "variant") if is_rollout else ("1", "'stable'")
    # a step of all traffic compares nothing: who is served by the candidate then stays where he was before
    compares = f"weight_bp < {ALL}" if is_rollout else "TRUE"
    # files of earlier versions lack the columns of units: the empty table gives them
    return f"""
    WITH calls AS MATERIALIZED (
        SELECT coalesce(nullif(unit_key_hash, ''), prediction_id) AS unit, prediction_id, ts,
               unit_key_hash = '' AS alone, {stage} AS stage, {variant} AS variant, coalesce(point, -1) AS point,
               {compares} AS compares
        FROM ((SELECT NULL::INTEGER AS point WHERE FALSE) UNION ALL BY NAME SELECT * FROM {sql.parquet(calls)})
        WHERE row = 0 AND status = 200 AND {of_calls}
          AND ts >= {sql.timestamp(span.since)} AND ts < {sql.timestamp(span.until)}),
    units AS MATERIALIZED (
        SELECT unit, min(ts) AS first_ts, arg_min(stage, ts) AS stage, arg_min(variant, ts) AS variant,
               count(DISTINCT variant) > 1 AS is_both,
               arg_min(variant, ts) = 'stable' AND max(point) BETWEEN 0 AND {span.largest_share - 1} AS is_moved
        FROM calls WHERE compares GROUP BY unit),
    {_events(labels, spec.name, number)},
    valued AS MATERIALIZED (
        SELECT u.unit, {value} AS y
        FROM units u LEFT JOIN events e
          ON e.unit = u.unit AND e.happened_at >= u.first_ts AND e.happened_at < u.first_ts + {window}
        GROUP BY u.unit),
    judged AS MATERIALIZED (
        SELECT u.*, v.y, CASE WHEN is_both THEN 'both' WHEN is_moved THEN 'moved'
            WHEN first_ts < {counted_from} THEN 'burn_in'
            WHEN first_ts >= {counted_until} OR first_ts + {window} > {sql.timestamp(span.complete)} THEN 'waiting'
            WHEN v.y IS NULL THEN 'unanswered' ELSE 'counts' END AS place
        FROM units u JOIN valued v USING (unit)),
    cap AS (
        SELECT CASE WHEN count(*) >= {CAPPED_FROM} AND bool_or(y NOT IN (0, 1))
                    THEN quantile_cont(y, {CAP_QUANTILE}) END AS cap
        FROM judged WHERE place = 'counts' AND variant = 'stable'),
    totals AS (
        SELECT {", ".join(f"count(*) FILTER (place = '{place}') AS {place}" for place in _PLACES)},
               (SELECT count(*) FROM raw_events WHERE number IS NULL) AS not_numbers,
               (SELECT count(DISTINCT unit) FROM raw_events
                WHERE by_key AND unit NOT IN (SELECT unit FROM calls)) AS strangers,
               (SELECT count(*) FROM calls WHERE alone) AS keyless, (SELECT any_value(cap) FROM cap) AS cap
        FROM judged)
    SELECT stage,
           {_moments("stable", "a")}, {_moments("candidate", "b")},
           count(*) FILTER (variant = 'stable' AND NOT is_both) AS all_a,
           count(*) FILTER (variant = 'candidate' AND NOT is_both) AS all_b,
           {", ".join(f"any_value(totals.{total}) AS {total}" for total in _TOTALS)}
    FROM judged, totals GROUP BY stage ORDER BY stage"""


def _moments(variant: str, suffix: str) -> str:
    """Return the SQL of count, sum and sum of squares of the capped values of a variant."""
    counts = f"FILTER (place = 'counts' AND variant = '{variant}')"
    capped = "least(y, coalesce(totals.cap, y))"
    return (
        f"count(*) {counts} AS n_{suffix}, coalesce(sum({capped}) {counts}, 0.0) AS s_{suffix}, "
        f"coalesce(sum({capped} * {capped}) {counts}, 0.0) AS q_{suffix}"
    )


def _events(labels: Iterable[Path], name: str, number: str) -> str:
    """Return the SQL of the feedback as events: each once, with its unit, its number, and when it happened."""
    paths = list(labels)
    empty = """SELECT '' AS prediction_id, 0 AS row, '' AS value, NULL::TIMESTAMP AS ts, '' AS name,
               NULL::TIMESTAMP AS received_ts, '' AS unit_key_hash, '' AS event_id WHERE FALSE"""
    source = f"{empty} UNION ALL BY NAME SELECT * FROM {sql.parquet(paths)}" if paths else empty
    return f"""
    labels AS MATERIALIZED (
        SELECT prediction_id, row, value, ts, received_ts, coalesce(unit_key_hash, '') AS unit_key_hash,
               coalesce(event_id, '') AS event_id FROM ({source}) WHERE name = {sql.literal(name)}),
    found AS (
        SELECT c.unit, greatest(l.ts, c.ts) AS happened_at, l.received_ts, l.value, FALSE AS by_key,
               CASE WHEN event_id <> '' THEN event_id ELSE l.prediction_id || ':' || l.row END AS event
        FROM labels l JOIN calls c ON c.prediction_id = l.prediction_id WHERE l.unit_key_hash = ''
        UNION ALL BY NAME
        SELECT unit_key_hash AS unit, ts AS happened_at, received_ts, value, TRUE AS by_key, event_id AS event
        FROM labels WHERE unit_key_hash <> ''),
    raw_events AS MATERIALIZED (
        SELECT unit, event, bool_or(by_key) AS by_key, max(received_ts) AS received_ts,
               arg_max(happened_at, received_ts) AS happened_at, arg_max({number}, received_ts) AS number
        FROM found GROUP BY unit, event),
    events AS (SELECT * FROM raw_events WHERE isfinite(number))"""
