"""Traces in version 3 of the MLflow API."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from helicline import trace as traces
from helicline.errors import Invalid, NotFound
from helicline.protocol.mlflow.errors import missing
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.request import Request, non_empty
from helicline.records.run import TraceRecord
from helicline.store.unit import Reader, Tx

MAX_POLLS = 30
POLL_S = 0.1
SIZE_STATS = "mlflow.trace.sizeStats"
FINALIZED = "mlflow.trace.infoFinalized"  # the client has sent the trace's metadata; spans may still follow
# fields that tell "" from a missing one: `optional string` in the wire's definition
PRESENCE_TEXTS = ("client_request_id", "request_preview", "response_preview")


def info_as_wire(trace: TraceRecord) -> dict[str, Any]:
    info = {key: value for key, value in trace.info.items() if key not in traces.INTERNAL_KEYS}
    return non_empty(**info) | {name: "" for name in PRESENCE_TEXTS if info.get(name) == ""}


def _text_map(fields: Fields, name: str) -> dict[str, str]:
    values = fields.object(name).document
    for key, value in values.items():
        if not isinstance(value, str):
            raise fields.object(name).invalid(key, value, "a string")
    return dict(values)


async def start(request: Request) -> Any:
    fields = request.fields.object("trace").object("trace_info")
    if not fields.document:
        missing("trace.trace_info")
    metadata = _text_map(fields, "trace_metadata") | {FINALIZED: "true"}
    info = dict(fields.document) | {"tags": _text_map(fields, "tags"), "trace_metadata": metadata}
    experiment_id = fields.object("trace_location").object("mlflow_experiment").required("experiment_id")
    info["trace_location"] = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    info["trace_id"] = fields.required("trace_id")
    fields.objects("assessments")
    for name in (*PRESENCE_TEXTS, "state", "request_time"):
        fields.text(name)
    trace = await request.write(lambda tx: traces.put_trace(tx, info))
    return {"trace": {"trace_info": info_as_wire(trace)}}


async def get_info(request: Request) -> Any:
    trace = await request.read(lambda tx: traces.get_trace(tx, request.parts["trace_id"]))
    return {"trace": {"trace_info": info_as_wire(trace)}}


async def get(request: Request) -> Any:
    """Answer the trace with its spans; unless `allow_partial` is set, wait up to 3 s for missing spans."""
    trace_id, partial = request.fields.required("trace_id"), request.fields.flag("allow_partial", default=True)
    for _ in range(MAX_POLLS):
        trace = (await request.read(lambda tx: _with_spans(tx, [trace_id])))[0]
        if partial or _is_complete(trace):
            return {"trace": trace}
        await asyncio.sleep(POLL_S)
    raise NotFound("trace", trace_id)


def _with_spans(tx: Reader, trace_ids: list[str]) -> list[dict[str, Any]]:
    records = [traces.get_trace(tx, trace_id) for trace_id in trace_ids]
    spans = traces.trace_spans(tx, trace_ids)
    return [
        {"trace_info": info_as_wire(trace), "spans": [span.body for span in spans.get(trace.trace_id, ())]}
        for trace in records
    ]


def _is_complete(wire: dict[str, Any]) -> bool:
    statistics = wire["trace_info"].get("trace_metadata", {}).get(SIZE_STATS, "{}")
    try:
        span_count = msgspec.json.decode(statistics, type=dict[str, Any]).get("num_spans", 1)
    except msgspec.MsgspecError:
        span_count = 1
    return isinstance(span_count, int) and len(wire["spans"]) >= span_count


async def batch_get(request: Request) -> Any:
    ids = _ids(request.fields, "trace_ids")

    def view(tx: Reader) -> list[dict[str, Any]]:
        return [_with_spans(tx, [trace_id])[0] for trace_id in ids if _exists(tx, trace_id)]

    return non_empty(traces=await request.read(view))


async def batch_infos(request: Request) -> Any:
    ids = _ids(request.fields, "trace_ids")

    def view(tx: Reader) -> list[dict[str, Any]]:
        return [info_as_wire(traces.get_trace(tx, trace_id)) for trace_id in ids if _exists(tx, trace_id)]

    return non_empty(trace_infos=await request.read(view))


def _exists(tx: Reader, trace_id: str) -> bool:
    try:
        traces.get_trace(tx, trace_id)
    except NotFound:
        return False
    return True


def _ids(fields: Fields, name: str) -> list[str]:
    ids = fields.texts(name)
    if len(ids) > 1000:
        raise Invalid(name, len(ids), "at most 1000")
    return list(dict.fromkeys(ids))


async def search(request: Request) -> Any:
    fields = request.fields
    location_ids = [
        place.object("mlflow_experiment").required("experiment_id") for place in fields.objects("locations")
    ]
    size = fields.integer("max_results", 100) or 0
    records, token = await request.read(
        lambda tx: traces.search_traces(
            tx,
            location_ids or fields.texts("experiment_ids"),
            filter=fields.filter(),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
        )
    )
    return non_empty(traces=[info_as_wire(trace) for trace in records], next_page_token=token)


async def delete(request: Request) -> Any:
    fields = request.fields
    experiment_id, ids = fields.required("experiment_id"), _ids(fields, "request_ids") or _ids(fields, "trace_ids")
    before, max_traces = fields.integer("max_timestamp_millis"), fields.integer("max_traces")
    if (before is None) == (not ids):
        raise Invalid("max_timestamp_millis", before, "exactly one of max_timestamp_millis and request_ids")
    if ids and max_traces is not None:
        raise Invalid("max_traces", max_traces, "`max_traces` can't be specified if `trace_ids` is specified.")
    if max_traces is not None and max_traces < 1:
        raise Invalid("max_traces", max_traces, "a positive integer")
    deleted_count = await request.write(
        lambda tx: traces.delete_traces(tx, experiment_id, ids=ids, before_ms=before, max_count=max_traces)
    )
    return {"traces_deleted": deleted_count}


async def set_tag(request: Request) -> Any:
    trace_id, key, value = request.parts["trace_id"], request.fields.required("key"), request.fields.text("value")
    await request.write(lambda tx: traces.tag_trace(tx, trace_id, {key: value}))
    return {}


async def delete_tag(request: Request) -> Any:
    trace_id, key = request.parts["trace_id"], request.fields.required("key")
    await request.write(lambda tx: traces.untag_trace(tx, trace_id, key))
    return {}


async def link_to_run(request: Request) -> Any:
    ids, run_id = _ids(request.fields, "trace_ids"), request.fields.required("run_id")
    if len(ids) > 100:
        raise Invalid("trace_ids", len(ids), "at most 100")

    def link(tx: Tx) -> None:
        for trace_id in sorted(ids):
            traces.link_run(tx, trace_id, run_id)

    await request.write(link)
    return {}


async def link_prompts(request: Request) -> Any:
    trace_id = request.fields.required("trace_id")
    prompts = [
        {"name": item.required("name"), "version": item.required("version")}
        for item in request.fields.objects("prompt_versions")
    ]
    text = msgspec.json.encode(prompts).decode()
    await request.write(lambda tx: traces.tag_trace(tx, trace_id, {"mlflow.linkedPrompts": text}))
    return {}
