"""Traces: the info document of the MLflow protocol, spans, tags and links to runs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from helicline.clock import epoch_ms
from helicline.errors import HeliclineError, Invalid, NotFound
from helicline.records.run import Experiment, SpanRecord, TraceRecord
from helicline.store.rows import trace as rows
from helicline.store.rows.experiment import lock_topics
from helicline.store.unit import Reader, Tx
from helicline.trace import derived, usage
from helicline.trace.arrival import Arrival, Rejection, checked_trace_id
from helicline.trace.derived import (
    ARTIFACT_TAG,
    DERIVED_KEY,
    INTERNAL_KEYS,
    LINKED_KEY,
    LOCATION_TAG,
    location_of,
    rfc3339,
)
from helicline.trace.span import unpack_spans
from helicline.tracking.checks import checked_key, checked_time
from helicline.tracking.experiment import active_experiment, experiment_number

STATES = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")
SERVER_TAGS = frozenset({LOCATION_TAG, ARTIFACT_TAG})


def put_trace(tx: Tx, info: dict[str, Any]) -> TraceRecord:
    """Store the info that a client sends before or after the spans; return the merged record.

    It decides which experiment the trace is in: spans that came first move with it.
    """
    trace_id = checked_trace_id(str(info.get("trace_id") or f"tr-{uuid.uuid4().hex}"))
    location = (info.get("trace_location") or {}).get("mlflow_experiment") or {}
    experiment_id = str(location.get("experiment_id") or "")
    experiment = active_experiment(tx, experiment_id)
    before = _lock(tx, trace_id)
    if before is not None and before.experiment_id != experiment_id and not before.info.get(DERIVED_KEY):
        raise Invalid("trace_id", trace_id, "an id that no other experiment uses")
    own_tags = {ARTIFACT_TAG: _artifact_location(experiment, trace_id), LOCATION_TAG: "TRACKING_STORE"}
    document = {key: value for key, value in info.items() if value is not None and key not in INTERNAL_KEYS}
    if before is not None:
        document = derived.from_client(document, before.info)
    document |= {
        "state": document.get("state") or STATES[0],
        "trace_id": trace_id,
        "tags": (document.get("tags") or {}) | own_tags,
    }
    return _save(tx, experiment_id, document)


def add_spans(tx: Tx, items: Sequence[tuple[str, Sequence[Arrival]]]) -> list[HeliclineError | tuple[Rejection, ...]]:
    """Store the spans of each item; a trace without an info from its client gets one from its spans.

    The item's experiment is that of its new traces; spans of a stored trace follow it into its own. A bulk (see
    `Store.gather`): the outcome of an item is what was rejected of it, or the error where that is everything.
    """
    existing = _lock_all(tx, sorted({arrival.trace_id for _, arrivals in items for arrival in arrivals}))
    batch = _SpanBatch(tx, {trace_id: trace.experiment_id for trace_id, trace in existing.items()})
    outcomes = [batch.add(experiment_id, arrivals) for experiment_id, arrivals in items]
    by_trace = batch.by_trace
    rows.add_packs(
        tx,
        {trace_id: arrival.pack for trace_id, arrival in by_trace.items()},
        new_traces=set(by_trace) - set(existing),
    )
    records = (
        _record_of(tx, batch.experiments[trace_id], by_trace[trace_id], existing.get(trace_id))
        for trace_id in sorted(by_trace)
    )
    rows.save_all(tx, [record for record in records if record is not None])
    return outcomes


class _SpanBatch:
    """Arrivals of several requests, one for each trace, and the experiment that each trace is in."""

    def __init__(self, tx: Tx, experiments: dict[str, str]) -> None:
        self.tx, self.experiments = tx, experiments
        self.by_trace: dict[str, Arrival] = {}
        self.errors: dict[str, HeliclineError | None] = {}

    def add(self, experiment_id: str, arrivals: Sequence[Arrival]) -> HeliclineError | tuple[Rejection, ...]:
        rejections, error = [], None
        for arrival in arrivals:
            target = self.experiments.get(arrival.trace_id, experiment_id)
            if rejected := self._error_of(target):
                error = rejected
                rejections.append(Rejection(span_count=arrival.span_count, reason=str(rejected)))
                continue
            self.experiments[arrival.trace_id] = target
            earlier = self.by_trace.get(arrival.trace_id)
            self.by_trace[arrival.trace_id] = arrival if earlier is None else earlier.with_later(arrival)
        return error if error and len(rejections) == len(arrivals) else tuple(rejections)

    def _error_of(self, experiment_id: str) -> HeliclineError | None:
        """Return why no span can be stored in the experiment; it is looked up once."""
        if experiment_id not in self.errors:
            try:
                active_experiment(self.tx, experiment_id)
                self.errors[experiment_id] = None
            except HeliclineError as error:
                self.errors[experiment_id] = error
        return self.errors[experiment_id]


def _record_of(tx: Tx, experiment_id: str, arrival: Arrival, stored: TraceRecord | None) -> TraceRecord | None:
    """Return the trace's record with the data of the spans, or None where it does not change."""
    if stored is None:  # a new trace has no other spans
        metadata = usage.metadata_of(unpack_spans(arrival.trace_id, [arrival.pack])) if arrival.has_usage else {}
        return _record(tx, experiment_id, derived.new_info(experiment_id, arrival, metadata=metadata))
    if stored.info.get(DERIVED_KEY):
        spans = trace_spans(tx, [arrival.trace_id])[arrival.trace_id]
        return _record(tx, experiment_id, derived.derived_again(stored.info, arrival, spans))
    lacks_usage = derived.lacks_usage(stored.info, arrival)
    spans = trace_spans(tx, [arrival.trace_id])[arrival.trace_id] if lacks_usage else []
    info = derived.completed(stored.info, arrival, spans)
    return None if info == stored.info else _record(tx, experiment_id, info)


def _lock_all(tx: Tx, trace_ids: Sequence[str]) -> dict[str, TraceRecord]:
    """Return the existing traces, locked until the end of the unit; the ids must be sorted."""
    lock_topics(tx, *(f"trace:{trace_id}" for trace_id in trace_ids))
    return rows.find_all(tx, trace_ids)


def begin_trace(
    tx: Tx, experiment_id: str, *, timestamp_ms: int, metadata: dict[str, str], tags: dict[str, str]
) -> TraceRecord:
    """Start a trace of a client before MLflow 3; a tag names the artifact where that client stores the spans."""
    experiment = active_experiment(tx, experiment_id)
    trace_id = f"tr-{uuid.uuid4().hex}"
    info = {
        "trace_id": trace_id,
        "trace_location": location_of(experiment_id),
        "request_time": rfc3339(checked_time("timestamp_ms", timestamp_ms)),
        "state": "IN_PROGRESS",
        "trace_metadata": metadata,
        "tags": tags | {ARTIFACT_TAG: _artifact_location(experiment, trace_id)},
    }
    return _save(tx, experiment_id, info)


def _artifact_location(experiment: Experiment, trace_id: str) -> str:
    return f"{experiment.artifact_location.rstrip('/')}/traces/{trace_id}/artifacts"


def end_trace(
    tx: Tx, trace_id: str, *, timestamp_ms: int, state: str, metadata: dict[str, str], tags: dict[str, str]
) -> TraceRecord:
    """End a trace of `begin_trace`; adds to its metadata and tags."""
    _lock(tx, trace_id)
    before = get_trace(tx, trace_id)
    duration_ms = checked_time("timestamp_ms", timestamp_ms) - before.timestamp_ms
    info = before.info | {
        "state": state,
        "execution_duration": f"{max(0, duration_ms) / 1000:.3f}s",
        "trace_metadata": (before.info.get("trace_metadata") or {}) | metadata,
        "tags": (before.info.get("tags") or {}) | tags,
    }
    return _save(tx, before.experiment_id, info)


def link_run(tx: Tx, trace_id: str, run_id: str) -> None:
    """Link the trace to a run, so that searches by the run find it; the metadata keeps the original run."""
    _lock(tx, trace_id)
    change_trace(tx, trace_id, lambda info: info | {LINKED_KEY: sorted({*(info.get(LINKED_KEY) or []), run_id})})


def _lock(tx: Tx, trace_id: str) -> TraceRecord | None:
    lock_topics(tx, f"trace:{trace_id}")
    return rows.find(tx, trace_id)


def _save(tx: Tx, experiment_id: str, info: dict[str, Any]) -> TraceRecord:
    record = _record(tx, experiment_id, info)
    rows.save(tx, record)
    return record


def _record(tx: Tx, experiment_id: str, info: dict[str, Any]) -> TraceRecord:
    state = info.get("state") or "STATE_UNSPECIFIED"
    if state not in STATES:
        raise Invalid("state", state, f"one of {', '.join(STATES)}")
    return TraceRecord(
        trace_id=info["trace_id"],
        experiment_id=experiment_id,
        timestamp_ms=_request_time_ms(info, tx.now),
        duration_ms=_duration(info),
        state=state,
        info=info,
    )


def _request_time_ms(info: dict[str, Any], now: datetime) -> int:
    text = info.get("request_time")
    if text is None:
        return epoch_ms(now)
    try:
        return epoch_ms(datetime.fromisoformat(text))
    except (TypeError, ValueError, OverflowError):
        raise Invalid("request_time", text, "an RFC 3339 time") from None


def _duration(info: dict[str, Any]) -> int | None:
    text = info.get("execution_duration")
    if text is None:
        return None
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?s", text):
        raise Invalid("execution_duration", text, "seconds, e.g. '0.087s'")
    return round(float(text[:-1]) * 1000)


def get_trace(tx: Reader, trace_id: str) -> TraceRecord:
    trace = rows.find(tx, trace_id)
    if trace is None:
        raise NotFound("trace", trace_id)
    return trace


def trace_spans(tx: Reader, trace_ids: Sequence[str]) -> dict[str, list[SpanRecord]]:
    """Return each trace's spans by start time."""
    packs = rows.packs_of(tx, trace_ids)
    return {trace_id: unpack_spans(trace_id, packs[trace_id]) for trace_id in packs}


def change_trace(tx: Tx, trace_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> TraceRecord:
    """Store the info that `change` returns for the present info."""
    trace = get_trace(tx, trace_id)
    updated = msgspec.structs.replace(trace, info=change(dict(trace.info)))
    rows.save(tx, updated)
    return updated


def tag_trace(tx: Tx, trace_id: str, tags: dict[str, str]) -> None:
    for key in tags:
        _check_tag(key)
    shortened = {key: value[:8000] for key, value in tags.items()}
    change_trace(tx, trace_id, lambda info: info | {"tags": (info.get("tags") or {}) | shortened})


def untag_trace(tx: Tx, trace_id: str, key: str) -> None:
    _check_not_fixed(key)
    tags = get_trace(tx, trace_id).info.get("tags") or {}
    if key not in tags:
        raise NotFound("trace tag", key)
    change_trace(tx, trace_id, lambda info: info | {"tags": {tag: tags[tag] for tag in tags if tag != key}})


def _check_not_fixed(key: str) -> None:
    if key in SERVER_TAGS:
        raise Invalid("key", key, "a tag that is not the server's own")


def _check_tag(key: str) -> None:
    _check_not_fixed(key)
    checked_key("key", "key", key)


def delete_traces(
    tx: Tx, experiment_id: str, *, ids: Sequence[str], before_ms: int | None, max_count: int | None
) -> int:
    """Delete the named traces, or the oldest up to `before_ms`; return the number of deleted traces."""
    number = experiment_number(experiment_id)
    if before_ms is None:
        return rows.remove(tx, rows.ids_of(tx, number, ids))
    return rows.remove(tx, rows.ids_until(tx, number, before_ms=before_ms, max_count=max_count))
