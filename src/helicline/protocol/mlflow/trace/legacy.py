"""The trace API of clients before MLflow 3: start, end and search; such a client stores the spans as an artifact."""

from __future__ import annotations

from typing import Any

from helicline import trace as traces
from helicline.protocol.mlflow.errors import missing
from helicline.protocol.mlflow.request import Request, non_empty, pairs
from helicline.records.run import TraceRecord

STATES = {"OK": "OK", "ERROR": "ERROR", "IN_PROGRESS": "IN_PROGRESS", "TRACE_STATUS_UNSPECIFIED": "STATE_UNSPECIFIED"}
STATUS_NAMES = ("TRACE_STATUS_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")


def as_wire(trace: TraceRecord) -> dict[str, Any]:
    info = trace.info
    wire = non_empty(
        request_id=trace.trace_id,
        experiment_id=trace.experiment_id,
        request_metadata=pairs(info.get("trace_metadata") or {}),
        tags=pairs(info.get("tags") or {}),
    )
    status = next(name for name, state in STATES.items() if state == trace.state)
    return wire | {
        "timestamp_ms": trace.timestamp_ms,
        "execution_time_ms": trace.duration_ms or 0,
        "status": status,
    }


async def begin(request: Request) -> Any:
    fields = request.fields
    experiment_id, metadata, tags = fields.text("experiment_id"), fields.pairs("request_metadata"), fields.pairs("tags")
    timestamp = fields.integer("timestamp_ms", 0) or 0
    trace = await request.write(
        lambda tx: traces.begin_trace(tx, experiment_id, timestamp_ms=timestamp, metadata=metadata, tags=tags)
    )
    return {"trace_info": as_wire(trace)}


async def end(request: Request) -> Any:
    fields, trace_id = request.fields, request.parts["trace_id"]
    metadata, tags, status = fields.pairs("request_metadata"), fields.pairs("tags"), fields.raw("status")
    timestamp = fields.integer("timestamp_ms", 0) or 0
    if isinstance(status, int) and not isinstance(status, bool) and 0 <= status < len(STATUS_NAMES):
        status = STATUS_NAMES[status]
    if status is None:
        status = STATUS_NAMES[0]
    if status not in STATUS_NAMES:
        raise fields.invalid("status", status, f"one of {', '.join(STATUS_NAMES)}")
    trace = await request.write(
        lambda tx: traces.end_trace(
            tx, trace_id, timestamp_ms=timestamp, state=STATES[status], metadata=metadata, tags=tags
        )
    )
    return {"trace_info": as_wire(trace)}


async def get(request: Request) -> Any:
    return {"trace_info": as_wire(await request.read(lambda tx: traces.get_trace(tx, request.parts["trace_id"])))}


async def search(request: Request) -> Any:
    fields = request.fields
    experiments, size = fields.texts("experiment_ids"), fields.integer("max_results", 100) or 0
    if not experiments:
        missing("experiment_ids")
    records, token = await request.read(
        lambda tx: traces.search_traces(
            tx,
            experiments,
            filter=fields.filter(),
            order_by=fields.texts("order_by"),
            max_results=size,
            page_token=fields.text("page_token"),
        )
    )
    return non_empty(traces=[as_wire(trace) for trace in records], next_page_token=token)
