"""Traces with their spans and assessments."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from helicline.cli.transfer.job import Job
from helicline.cli.transfer.tracker import Tracker

V3 = "/api/3.0/mlflow"
OURS_AND_THEIRS = ("mlflow.artifactLocation", "mlflow.trace.spansLocation")
IDS = {"trace_id": "traceId", "span_id": "spanId", "parent_span_id": "parentSpanId"}


def traces_of(server: Tracker, experiment_id: str) -> Iterator[dict[str, Any]]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    yield from server.pages("/traces/search", "traces", {"locations": [place], "max_results": 100}, api=V3)


def spans_of(server: Tracker, trace_id: str) -> list[dict[str, Any]]:
    trace = server.get("/traces/get", api=V3, trace_id=trace_id, allow_partial="true")["trace"]
    return list(trace.get("spans", ()))


def copy_trace(job: Job, info: dict[str, Any]) -> None:
    trace_id = info["trace_id"]
    experiment = info["trace_location"]["mlflow_experiment"]["experiment_id"]
    if not job.journal.is_done("trace", trace_id):
        with job.trying("trace", trace_id):
            target_experiment = job.experiments[experiment]
            job.target.post("/traces", {"trace": {"trace_info": _retold(job, info, target_experiment)}}, api=V3)
            if spans := spans_of(job.source, trace_id):
                document = {"resourceSpans": [{"scopeSpans": [{"spans": [_as_otlp(span) for span in spans]}]}]}
                job.target.post("/v1/traces", document, api="", x_mlflow_experiment_id=target_experiment)
            if info.get("state") != "IN_PROGRESS":
                job.journal.note("trace", trace_id, trace_id, done=True)
    job.step("traces")


def _retold(job: Job, info: dict[str, Any], experiment_id: str) -> dict[str, Any]:
    metadata = dict(info.get("trace_metadata", {}))
    if "mlflow.sourceRun" in metadata:
        metadata["mlflow.sourceRun"] = job.target_of("run", metadata["mlflow.sourceRun"])
    return info | {
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}},
        "trace_metadata": metadata,
        "tags": {key: value for key, value in info.get("tags", {}).items() if key not in OURS_AND_THEIRS},
    }


def _as_otlp(span: dict[str, Any]) -> dict[str, Any]:
    """Return the span with its ids in hex, as OTLP has them in JSON."""
    fresh = {IDS.get(key, key): _hex(value) if key in IDS else value for key, value in span.items()}
    if "links" in span:
        fresh["links"] = [
            {IDS.get(key, key): _hex(value) if key in IDS else value for key, value in link.items()}
            for link in span["links"]
        ]
    return fresh


def _hex(text: str) -> str:
    return base64.b64decode(text or "").hex()
