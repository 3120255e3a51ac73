"""The info of a trace as its spans tell it, for traces of clients that send no info, and to complete those that do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helicline.clock import from_epoch_ms
from helicline.errors import Invalid
from helicline.records.run import SpanRecord
from helicline.trace import usage
from helicline.trace.arrival import Arrival, is_root
from helicline.trace.attribute import as_text, attributes, plain_value, value_of
from helicline.trace.preview import previews_of
from helicline.trace.span import RESOURCE_PREFIX
from helicline.tracking.checks import checked_key, checked_text

LOCATION_TAG = "mlflow.trace.spansLocation"
ARTIFACT_TAG = "mlflow.artifactLocation"
NAME_TAG = "mlflow.traceName"
RUN_KEY = "mlflow.sourceRun"
TAG_PREFIX = "mlflow.traceTag."
# in the info, but internal: the marker of an info from spans alone, the linked runs, and what spans told of an info
DERIVED_KEY, LINKED_KEY, RESOURCE_KEY, USAGE_KEY = "derived", "linked_runs", "resource_tags", "span_usage"
INTERNAL_KEYS = (DERIVED_KEY, LINKED_KEY, RESOURCE_KEY, USAGE_KEY)
UNFINISHED = (None, "IN_PROGRESS", "STATE_UNSPECIFIED")
# what the spans tell where the client does not
OPTIONAL_KEYS = ("request_time", "execution_duration", "request_preview", "response_preview")
# of a resource, but no tags: names of OpenTelemetry's library, and of the server's own tags
NO_TAGS = ("telemetry.sdk.", "mlflow.")
Info = dict[str, Any]


def new_info(experiment_id: str, arrival: Arrival, *, metadata: dict[str, str]) -> Info:
    """Return the info of a trace that has only spans; a key marks it until its client sends an info."""
    root = arrival.root
    info: Info = {
        "trace_id": arrival.trace_id,
        "trace_location": location_of(experiment_id),
        "request_time": rfc3339(arrival.start_ns // 1_000_000),
        "state": "IN_PROGRESS",
        "trace_metadata": {"mlflow.trace_schema.version": "3"} | metadata,
        "tags": {LOCATION_TAG: "TRACKING_STORE"} | _own_tags(root),
        DERIVED_KEY: True,
    }
    if root is not None:
        info |= _ending(root, start_ns=arrival.start_ns) | previews_of(root)
        info["tags"].setdefault(NAME_TAG, str(root.body.get("name", "")))
    if arrival.run_id:
        info["trace_metadata"][RUN_KEY] = arrival.run_id
    return with_resource(info, arrival.lead)


def derived_again(stored: Info, arrival: Arrival, spans: Sequence[SpanRecord]) -> Info:
    """Return the info of a trace without one from its client, from all its spans; what users added to it stays."""
    location = stored["trace_location"]["mlflow_experiment"]
    root = next((span for span in spans if is_root(span)), None)
    summary = Arrival(
        trace_id=arrival.trace_id,
        pack=b"",
        span_count=len(spans),
        start_ns=spans[0].start_ns,
        lead=root or spans[0],
        has_usage=True,
        run_id=arrival.run_id or (stored.get("trace_metadata") or {}).get(RUN_KEY, ""),
    )
    info = new_info(location["experiment_id"], summary, metadata=usage.metadata_of(spans))
    before = stored.get(RESOURCE_KEY) or {}
    own_tags = {key: text for key, text in (stored.get("tags") or {}).items() if before.get(key) != text}
    info["tags"] = info["tags"] | own_tags
    return info | {key: stored[key] for key in ("assessments", LINKED_KEY) if stored.get(key)}


def from_client(info: Info, stored: Info) -> Info:
    """Return the info of a client with what is stored of the trace and it lacks: it came before, or from spans."""
    carried = {name: stored[name] for name in ("assessments", *OPTIONAL_KEYS, *INTERNAL_KEYS) if stored.get(name)}
    if carried.pop(DERIVED_KEY, False):
        carried[USAGE_KEY] = _usage_in(stored)
    if info.get("state") in UNFINISHED:
        info = info | {"state": stored.get("state")}
    metadata = stored.get("trace_metadata") or {}
    inherited = {key: metadata[key] for key in (RUN_KEY, *usage.KEYS) if key in metadata}
    tags = (stored.get("tags") or {}) | (info.get("tags") or {})
    return carried | info | {"tags": tags, "trace_metadata": inherited | (info.get("trace_metadata") or {})}


def lacks_usage(stored: Info, arrival: Arrival) -> bool:
    """Return whether the arrival may change the usage: it has some, and the client did not tell the tokens itself."""
    own_tokens = (stored.get("trace_metadata") or {}).get(usage.TOKENS_KEY)
    return arrival.has_usage and own_tokens in (None, (stored.get(USAGE_KEY) or {}).get(usage.TOKENS_KEY))


def completed(stored: Info, arrival: Arrival, spans: Sequence[SpanRecord]) -> Info:
    """Return the info of a client with what it lacks and spans tell; `spans` are all, where the usage may change."""
    info: Info = with_resource(stored, arrival.lead)
    root = arrival.root
    if root is not None:
        ending = _ending(root, start_ns=root.start_ns)
        info = dict[str, Any](execution_duration=ending["execution_duration"]) | previews_of(root) | info
        if info.get("state") in UNFINISHED:
            info["state"] = ending["state"]
        info["tags"] = {NAME_TAG: str(root.body.get("name", ""))} | _own_tags(root) | (info.get("tags") or {})
    metadata = info.get("trace_metadata") or {}
    if arrival.run_id:
        metadata = {RUN_KEY: arrival.run_id} | metadata
    if spans:
        before, total = info.get(USAGE_KEY) or {}, usage.metadata_of(spans)
        own = {key: text for key, text in metadata.items() if before.get(key) != text}
        metadata, info = total | own, info | {USAGE_KEY: total}
    return info | {"trace_metadata": metadata}


def _usage_in(info: Info) -> dict[str, str]:
    metadata = info.get("trace_metadata") or {}
    return {key: metadata[key] for key in usage.KEYS if key in metadata}


def _ending(root: SpanRecord, *, start_ns: int) -> dict[str, str]:
    """Return the state and the duration of the trace."""
    end = int(root.body.get("end_time_unix_nano", root.start_ns))
    failed = (root.body.get("status") or {}).get("code") == 2
    return {"state": "ERROR" if failed else "OK", "execution_duration": f"{max(0, end - start_ns) / 1e9:.3f}s"}


def with_resource(info: Info, lead: SpanRecord) -> Info:
    """Return the info with the lead's resource as tags: that of the root where it is there; tags of users win."""
    before = info.get(RESOURCE_KEY) or {}
    if before and not is_root(lead):
        return info
    tags = resource_tags(lead)
    if tags == before:
        return info
    own_tags = {key: text for key, text in (info.get("tags") or {}).items() if before.get(key) != text}
    return info | {"tags": tags | own_tags, RESOURCE_KEY: tags}


def resource_tags(span: SpanRecord) -> dict[str, str]:
    """Return the resource's attributes that can be tags; the span has all of them."""
    tags = {}
    for name, value in attributes(span).items():
        key = name.removeprefix(RESOURCE_PREFIX)
        if key != name and not key.startswith(NO_TAGS) and _is_tag(key):
            tags[key] = as_text(plain_value(value))
    return tags


def _is_tag(key: str) -> bool:
    try:
        checked_key("key", "key", checked_text("key", key))
    except Invalid:
        return False
    return True


def _own_tags(root: SpanRecord | None) -> dict[str, str]:
    """Return the tags that the root span sets on its trace."""
    if root is None:
        return {}
    return {
        key.removeprefix(TAG_PREFIX): as_text(value_of(value))
        for key, value in attributes(root).items()
        if key.startswith(TAG_PREFIX)
    }


def location_of(experiment_id: str) -> dict[str, Any]:
    return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}


def rfc3339(millis: int) -> str:
    return from_epoch_ms(millis).isoformat(timespec="milliseconds").replace("+00:00", "Z")
