"""The verbs of traces: an info document as the MLflow wire knows it, spans, tags and links."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from helicline.clock import epoch_ms, from_epoch_ms
from helicline.errors import HeliclineError, Invalid, NotFound
from helicline.records.run import Experiment, SpanRecord, TraceRecord
from helicline.store.rows import trace as rows
from helicline.store.rows.experiment import hold
from helicline.store.unit import Reader, Tx
from helicline.trace import usage
from helicline.trace.arrival import Arrival, checked_trace_id
from helicline.trace.span import unpacked
from helicline.tracking.checks import checked_key, checked_time
from helicline.tracking.experiment import active_experiment, experiment_number

LOCATION_TAG = "mlflow.trace.spansLocation"
NAME_TAG = "mlflow.traceName"
RUN_KEY = "mlflow.sourceRun"
STATES = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")
ARTIFACT_TAG = "mlflow.artifactLocation"
FIXED_TAGS = frozenset({LOCATION_TAG, ARTIFACT_TAG})
LINKED_KEY = "linked_runs"  # of the info, like `derived` not for the wire
DERIVED_KEY = "derived"


def put_trace(tx: Tx, info: dict[str, Any]) -> TraceRecord:
    """Keep what the client tells of a trace, before or after its spans; return what now stands."""
    trace_id = checked_trace_id(str(info.get("trace_id") or f"tr-{uuid.uuid4().hex}"))
    location = (info.get("trace_location") or {}).get("mlflow_experiment") or {}
    experiment_id = str(location.get("experiment_id") or "")
    experiment = active_experiment(tx, experiment_id)
    before = _locked(tx, trace_id)
    if before is not None and before.experiment_id != experiment_id:
        raise Invalid("trace_id", trace_id, "an id that no other experiment uses")
    own_tags = {ARTIFACT_TAG: _place(experiment, trace_id), LOCATION_TAG: "TRACKING_STORE"}
    tags = (before.info.get("tags") or {}) if before else {}
    document = {key: value for key, value in info.items() if value is not None}
    document |= {
        "state": info.get("state") or STATES[0],
        "trace_id": trace_id,
        "tags": tags | (info.get("tags") or {}) | own_tags,
    }
    if before is not None:
        for name in ("assessments", LINKED_KEY):
            if before.info.get(name):
                document.setdefault(name, before.info[name])
        document["trace_metadata"] = _sums(before.info) | (document.get("trace_metadata") or {})
    return _saved(tx, experiment_id, document)


def _sums(info: dict[str, Any]) -> dict[str, str]:
    """Return what was summed up from the spans; a client that knows better says so."""
    metadata = info.get("trace_metadata") or {}
    return {key: metadata[key] for key in usage.KEYS if key in metadata}


def add_spans(tx: Tx, items: Sequence[tuple[str, Sequence[Arrival]]]) -> list[HeliclineError | None]:
    """Keep what each item's experiment gets; a trace that nobody announced is made from its spans.

    A bulk (see `Store.gather`): all of an item is kept, or nothing and its outcome is the error.
    """
    existing = _all_locked(tx, sorted({arrival.trace_id for _, arrived in items for arrival in arrived}))
    homes = {trace_id: trace.experiment_id for trace_id, trace in existing.items()}
    joined: dict[str, Arrival] = {}
    outcomes = [_join(tx, joined, homes, experiment_id, arrived) for experiment_id, arrived in items]
    rows.add_packs(
        tx, {trace_id: arrival.pack for trace_id, arrival in joined.items()}, fresh=set(joined) - set(existing)
    )
    records = (_record_of(tx, homes[trace_id], joined[trace_id], existing.get(trace_id)) for trace_id in sorted(joined))
    rows.save_all(tx, [record for record in records if record is not None])
    return outcomes


def _join(
    tx: Tx, joined: dict[str, Arrival], homes: dict[str, str], experiment_id: str, arrived: Sequence[Arrival]
) -> HeliclineError | None:
    """Add one item to what is kept, unless something of it is wrong."""
    try:
        active_experiment(tx, experiment_id)
        for arrival in arrived:
            if homes.get(arrival.trace_id, experiment_id) != experiment_id:
                raise Invalid("trace_id", arrival.trace_id, "a trace of this experiment")
    except HeliclineError as error:
        return error
    for arrival in arrived:
        homes[arrival.trace_id] = experiment_id
        earlier = joined.get(arrival.trace_id)
        joined[arrival.trace_id] = arrival if earlier is None else earlier.with_later(arrival)
    return None


def _record_of(tx: Tx, experiment_id: str, arrival: Arrival, stored: TraceRecord | None) -> TraceRecord | None:
    """Return the trace as its spans tell it, or None where they change nothing."""
    if stored is None:  # a trace that is new has no other spans
        sums = usage.summed(unpacked(arrival.trace_id, [arrival.pack])) if arrival.tells else {}
        info = _derived(arrival.trace_id, experiment_id, arrival.start_ns, arrival.root, sums)
        return _derived_record(tx, info, before=None, run_id=arrival.run_id)
    if stored.info.get(DERIVED_KEY):
        spans = trace_spans(tx, [arrival.trace_id])[arrival.trace_id]
        root = next((span for span in spans if not span.body.get("parent_span_id")), None)
        info = _derived(arrival.trace_id, experiment_id, spans[0].start_ns, root, usage.summed(spans))
        return _derived_record(tx, info, before=stored, run_id=arrival.run_id)
    if arrival.tells and not _sums(stored.info):
        sums = usage.summed(trace_spans(tx, [arrival.trace_id])[arrival.trace_id])
        metadata = sums | (stored.info.get("trace_metadata") or {})
        return _record(tx, experiment_id, stored.info | {"trace_metadata": metadata})
    return None


def _all_locked(tx: Tx, trace_ids: Sequence[str]) -> dict[str, TraceRecord]:
    """Return the traces that are there, each held until the end of the unit; the ids are in order."""
    hold(tx, *(f"trace:{trace_id}" for trace_id in trace_ids))
    return rows.find_all(tx, trace_ids)


def _derived_record(tx: Tx, info: dict[str, Any], *, before: TraceRecord | None, run_id: str) -> TraceRecord:
    if before is not None:
        info["tags"] = info["tags"] | before.info.get("tags", {})
        info |= {key: before.info[key] for key in ("assessments", LINKED_KEY) if before.info.get(key)}
    if run_id:
        info["trace_metadata"][RUN_KEY] = run_id
    return _record(tx, info["trace_location"]["mlflow_experiment"]["experiment_id"], info)


def begin_trace(
    tx: Tx, experiment_id: str, *, timestamp_ms: int, metadata: dict[str, str], tags: dict[str, str]
) -> TraceRecord:
    """Begin a trace as clients before MLflow 3 do; its spans will lie in a file at the place its tag names."""
    experiment = active_experiment(tx, experiment_id)
    trace_id = f"tr-{uuid.uuid4().hex}"
    info = {
        "trace_id": trace_id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}},
        "request_time": _rfc3339(checked_time("timestamp_ms", timestamp_ms)),
        "state": "IN_PROGRESS",
        "trace_metadata": metadata,
        "tags": tags | {ARTIFACT_TAG: _place(experiment, trace_id)},
    }
    return _saved(tx, experiment_id, info)


def _place(experiment: Experiment, trace_id: str) -> str:
    return f"{experiment.artifact_location.rstrip('/')}/traces/{trace_id}/artifacts"


def end_trace(
    tx: Tx, trace_id: str, *, timestamp_ms: int, state: str, metadata: dict[str, str], tags: dict[str, str]
) -> TraceRecord:
    """End a trace that `begin_trace` began; metadata and tags are added to what stands."""
    _locked(tx, trace_id)
    before = get_trace(tx, trace_id)
    took = checked_time("timestamp_ms", timestamp_ms) - before.timestamp_ms
    info = before.info | {
        "state": state,
        "execution_duration": f"{max(0, took) / 1000:.3f}s",
        "trace_metadata": (before.info.get("trace_metadata") or {}) | metadata,
        "tags": (before.info.get("tags") or {}) | tags,
    }
    return _saved(tx, before.experiment_id, info)


def link_run(tx: Tx, trace_id: str, run_id: str) -> None:
    """Let searches by the run find the trace; the run that made it stays in its metadata."""
    _locked(tx, trace_id)
    change_trace(tx, trace_id, lambda info: info | {LINKED_KEY: sorted({*(info.get(LINKED_KEY) or []), run_id})})


def _locked(tx: Tx, trace_id: str) -> TraceRecord | None:
    hold(tx, f"trace:{trace_id}")
    return rows.find(tx, trace_id)


def _derived(
    trace_id: str, experiment_id: str, start: int, root: SpanRecord | None, sums: dict[str, str]
) -> dict[str, Any]:
    """Return the info of a trace of which only spans are known; `derived` marks it until its client speaks."""
    info: dict[str, Any] = {
        "trace_id": trace_id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}},
        "request_time": _rfc3339(start // 1_000_000),
        "state": "IN_PROGRESS",
        "trace_metadata": {"mlflow.trace_schema.version": "3"} | sums,
        "tags": {LOCATION_TAG: "TRACKING_STORE"} | usage.trace_tags(root),
        DERIVED_KEY: True,
    }
    if root is not None:
        end = int(root.body.get("end_time_unix_nano", root.start_ns))
        failed = (root.body.get("status") or {}).get("code") == 2
        info |= {"state": "ERROR" if failed else "OK", "execution_duration": f"{max(0, end - start) / 1e9:.3f}s"}
        info["tags"].setdefault(NAME_TAG, str(root.body.get("name", "")))
    return info


def _saved(tx: Tx, experiment_id: str, info: dict[str, Any]) -> TraceRecord:
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
        timestamp_ms=_millis(info, tx.now),
        duration_ms=_duration(info),
        state=state,
        info=info,
    )


def _millis(info: dict[str, Any], now: datetime) -> int:
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


def _rfc3339(millis: int) -> str:
    return from_epoch_ms(millis).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def get_trace(tx: Reader, trace_id: str) -> TraceRecord:
    trace = rows.find(tx, trace_id)
    if trace is None:
        raise NotFound("trace", trace_id)
    return trace


def trace_spans(tx: Reader, trace_ids: Sequence[str]) -> dict[str, list[SpanRecord]]:
    """Return each trace's spans by start."""
    packs = rows.packs_of(tx, trace_ids)
    return {trace_id: unpacked(trace_id, packs[trace_id]) for trace_id in packs}


def change_trace(tx: Tx, trace_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> TraceRecord:
    """Write the info that `change` makes of the present one."""
    trace = get_trace(tx, trace_id)
    fresh = msgspec.structs.replace(trace, info=change(dict(trace.info)))
    rows.save(tx, fresh)
    return fresh


def tag_trace(tx: Tx, trace_id: str, tags: dict[str, str]) -> None:
    for key in tags:
        _check_tag(key)
    shortened = {key: value[:8000] for key, value in tags.items()}
    change_trace(tx, trace_id, lambda info: info | {"tags": (info.get("tags") or {}) | shortened})


def untag_trace(tx: Tx, trace_id: str, key: str) -> None:
    _check_free(key)
    tags = get_trace(tx, trace_id).info.get("tags") or {}
    if key not in tags:
        raise NotFound("trace tag", key)
    change_trace(tx, trace_id, lambda info: info | {"tags": {tag: tags[tag] for tag in tags if tag != key}})


def _check_free(key: str) -> None:
    if key in FIXED_TAGS:
        raise Invalid("key", key, "a tag that is not the server's own")


def _check_tag(key: str) -> None:
    _check_free(key)
    checked_key("key", "key", key)


def delete_traces(tx: Tx, experiment_id: str, *, ids: Sequence[str], before_ms: int | None, most: int | None) -> int:
    """Delete the named traces, or the oldest until `before_ms`; return how many went."""
    number = experiment_number(experiment_id)
    if before_ms is None:
        return rows.remove(tx, rows.ids_of(tx, number, ids))
    return rows.remove(tx, rows.ids_until(tx, number, before_ms=before_ms, most=most))
