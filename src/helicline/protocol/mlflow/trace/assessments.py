"""Assessments of traces: feedback, expectations and references to issues, stored with the trace."""

from __future__ import annotations

import contextlib
import re
import uuid
from typing import Any

from helicline import trace as traces
from helicline.errors import Invalid, NotFound
from helicline.protocol.mlflow.errors import WireError, missing
from helicline.protocol.mlflow.fields import Fields
from helicline.protocol.mlflow.request import Request

KINDS = ("feedback", "expectation", "issue")
CHANGEABLE = ("assessment_name", "feedback", "expectation", "rationale", "metadata", "valid")
Assessment = dict[str, Any]


async def create(request: Request) -> Any:
    trace_id, fields = request.parts["trace_id"], request.fields.object("assessment")
    fields.required("assessment_name")
    _check_kind(fields)
    now = _now(request)
    assessment = dict(fields.document) | {"assessment_id": f"a-{uuid.uuid4().hex}", "trace_id": trace_id}
    assessment = {"create_time": now, "valid": True} | assessment | {"last_update_time": now}
    overridden = fields.text("overrides")

    def added(info: dict[str, Any]) -> dict[str, Any]:
        if overridden:
            info = _with(info, _find(info, overridden, trace_id) | {"valid": False})
        return info | {"assessments": [*_all(info), assessment]}

    await request.write(lambda tx: traces.change_trace(tx, trace_id, added))
    return {"assessment": assessment}


def _check_kind(fields: Fields) -> None:
    """Raise WireError where the assessment has not exactly one kind of value."""
    kinds = [kind for kind in KINDS if fields.has(kind)]
    if not kinds:
        missing("assessment.feedback")
    fields.object(kinds[0])
    if len(kinds) > 1:
        raise _invalid(f"An assessment has one of {', '.join(KINDS)}; this one has {' and '.join(kinds)}.")


def _invalid(message: str) -> WireError:
    return WireError("INVALID_PARAMETER_VALUE", message)


def _now(request: Request) -> str:
    return request.store.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _all(info: dict[str, Any]) -> list[Assessment]:
    return list(info.get("assessments") or ())


def _find(info: dict[str, Any], assessment_id: str, trace_id: str) -> Assessment:
    for item in _all(info):
        if item.get("assessment_id") == assessment_id:
            return dict(item)
    raise NotFound("assessment", assessment_id, trace_id)


def _with(info: dict[str, Any], changed: Assessment) -> dict[str, Any]:
    """Return the trace's information with the assessment in the place of its former state."""
    assessment_id = changed["assessment_id"]
    return info | {
        "assessments": [changed if item.get("assessment_id") == assessment_id else item for item in _all(info)]
    }


async def get(request: Request) -> Any:
    trace_id = request.parts["trace_id"]
    trace = await request.read(lambda tx: traces.get_trace(tx, trace_id))
    return {"assessment": _find(trace.info, request.parts["assessment_id"], trace_id)}


async def update(request: Request) -> Any:
    trace_id, assessment_id = request.parts["trace_id"], request.parts["assessment_id"]
    fields = request.fields.object("assessment")
    # a comma-separated string of camelCase names
    mask = request.fields.required("update_mask")
    names = [re.sub(r"([A-Z])", r"_\1", name).lower() for name in mask.split(",") if name]
    for name in names:
        if name not in CHANGEABLE:
            raise Invalid("update_mask", name, f"of {', '.join(CHANGEABLE)}")
    changes = {name: fields.raw(name) for name in names if fields.has(name)} | {"last_update_time": _now(request)}

    def changed(info: dict[str, Any]) -> dict[str, Any]:
        return _with(info, _updated(_find(info, assessment_id, trace_id), changes))

    trace = await request.write(lambda tx: traces.change_trace(tx, trace_id, changed))
    return {"assessment": _find(trace.info, assessment_id, trace_id)}


def _updated(assessment: Assessment, changes: Assessment) -> Assessment:
    """Return the assessment with the changes; metadata is added to. Raises WireError for a value of another kind."""
    kind = next((kind for kind in KINDS if kind in assessment), "feedback")
    for other in ("feedback", "expectation"):
        if other in changes and other != kind:
            article = "an" if kind[0] in "ei" else "a"
            raise _invalid(f"Cannot update {other} value on {article} {kind.capitalize()} assessment.")
    metadata = (assessment.get("metadata") or {}) | (changes.get("metadata") or {})
    return assessment | changes | ({"metadata": metadata} if metadata else {})


async def delete(request: Request) -> Any:
    """Delete the assessment, and make valid again what it overrode; no error where it does not exist."""
    trace_id, assessment_id = request.parts["trace_id"], request.parts["assessment_id"]

    def without(info: dict[str, Any]) -> dict[str, Any]:
        deleted = _find(info, assessment_id, trace_id)
        info = info | {"assessments": [item for item in _all(info) if item.get("assessment_id") != assessment_id]}
        with contextlib.suppress(NotFound):
            return _with(info, _find(info, deleted.get("overrides") or "", trace_id) | {"valid": True})
        return info

    with contextlib.suppress(NotFound):
        await request.write(lambda tx: traces.change_trace(tx, trace_id, without))
    return {}
