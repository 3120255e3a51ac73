"""Assessments of traces: feedback and expectations, stored with the trace."""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import Any

from helicline import trace as traces
from helicline.errors import Invalid, NotFound
from helicline.protocol.mlflow.errors import missing
from helicline.protocol.mlflow.request import Request

CHANGEABLE = ("assessment_name", "feedback", "expectation", "rationale", "metadata", "valid")


async def create(request: Request) -> Any:
    trace_id, fields = request.parts["trace_id"], request.fields.object("assessment")
    fields.required("assessment_name")
    if not (fields.has("feedback") or fields.has("expectation")):
        missing("assessment.feedback")
    now = request.store.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assessment = dict(fields.document) | {"assessment_id": f"a-{uuid.uuid4().hex}", "trace_id": trace_id}
    assessment = {"create_time": now, "valid": True} | assessment | {"last_update_time": now}
    overridden = fields.text("overrides")

    def added(info: dict[str, Any]) -> dict[str, Any]:
        existing = [
            item | {"valid": False} if item.get("assessment_id") == overridden else item
            for item in info.get("assessments") or []
        ]
        return info | {"assessments": [*existing, assessment]}

    await request.write(lambda tx: traces.change_trace(tx, trace_id, added))
    return {"assessment": assessment}


def _find(info: dict[str, Any], assessment_id: str) -> dict[str, Any]:
    for item in info.get("assessments") or []:
        if item.get("assessment_id") == assessment_id:
            return dict(item)
    raise NotFound("assessment", assessment_id)


async def get(request: Request) -> Any:
    trace = await request.read(lambda tx: traces.get_trace(tx, request.parts["trace_id"]))
    return {"assessment": _find(trace.info, request.parts["assessment_id"])}


async def update(request: Request) -> Any:
    trace_id, assessment_id = request.parts["trace_id"], request.parts["assessment_id"]
    fields = request.fields.object("assessment")
    # a comma-separated string of camelCase names
    names = [re.sub(r"([A-Z])", r"_\1", name).lower() for name in request.fields.text("update_mask").split(",") if name]
    for name in names:
        if name not in CHANGEABLE:
            raise Invalid("update_mask", name, f"of {', '.join(CHANGEABLE)}")
    now = request.store.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    changes = {name: fields.raw(name) for name in names if fields.has(name)} | {"last_update_time": now}

    def changed(info: dict[str, Any]) -> dict[str, Any]:
        updated = _find(info, assessment_id) | changes
        assessments = info["assessments"]
        return info | {
            "assessments": [updated if item.get("assessment_id") == assessment_id else item for item in assessments]
        }

    trace = await request.write(lambda tx: traces.change_trace(tx, trace_id, changed))
    return {"assessment": _find(trace.info, assessment_id)}


async def delete(request: Request) -> Any:
    """Delete the assessment; no error where it does not exist."""
    trace_id, assessment_id = request.parts["trace_id"], request.parts["assessment_id"]

    def without(info: dict[str, Any]) -> dict[str, Any]:
        return info | {
            "assessments": [
                item for item in info.get("assessments") or [] if item.get("assessment_id") != assessment_id
            ]
        }

    with contextlib.suppress(NotFound):
        await request.write(lambda tx: traces.change_trace(tx, trace_id, without))
    return {}
