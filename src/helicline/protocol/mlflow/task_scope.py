"""What the token of a task may change: the runs and logged models that this task made, and the run it was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helicline import tracking
from helicline.errors import NotFound, Refused
from helicline.pipeline import runs as pipeline_runs
from helicline.protocol.mlflow import fields
from helicline.protocol.mlflow.request import Request
from helicline.store import nouns
from helicline.store.rows import logged_model as logged_models
from helicline.store.unit import Reader

ATTEMPT_TAG = "helicline.attempt"
MODELS_FOLDER = "models"
RUN_FIELDS = ("run_id", "run_uuid", "runId", "runUuid", "source_run_id", "sourceRunId")
MODEL_FIELDS = ("model_id", "modelId")


async def check(request: Request) -> None:
    """Raise Refused where a task's request names a run or a logged model that is not its own."""
    attempt = request.caller.attempt
    if not attempt:
        return
    run_ids, model_ids = _subjects(request)
    foreign = await request.read(lambda tx: _foreign(tx, attempt, run_ids=run_ids, model_ids=model_ids))
    if foreign:
        hint = "Use a token of a person or of a service for that: hl token create NAME"
        raise Refused(f"change {foreign}", "a task may log to its own runs and logged models only", hint)


def _subjects(request: Request) -> tuple[set[str], set[str]]:
    """Return the runs and the logged models that the request would change."""
    if "path" in request.parts:
        return _of_path(request.parts["path"])
    is_json = request.media_type("application/json") == "application/json"
    document = fields.of_body(request.body).document if is_json else {}
    metrics = document.get("metrics")  # what is no list is refused by the handler, in its words
    objects = [document, request.fields.document]  # an upload names its run in the query
    if isinstance(metrics, list):
        objects += [item for item in metrics if isinstance(item, dict)]
    models = {request.parts["model_id"]} if "model_id" in request.parts else set()
    return _values(objects, RUN_FIELDS), models | _values(objects, MODEL_FIELDS)


def _values(documents: list[Mapping[str, Any]], names: tuple[str, ...]) -> set[str]:
    return {str(document[name]) for document in documents for name in names if document.get(name)}


def _of_path(path: str) -> tuple[set[str], set[str]]:
    """Return the owner of an artifact: `<experiment>/<run>/artifacts/...` or `<experiment>/models/<model>/...`."""
    segments = [segment for segment in path.split("/") if segment]
    if len(segments) > 2 and segments[1] == MODELS_FOLDER:
        return set(), {segments[2]}
    return {segments[1] if len(segments) > 1 else path}, set()


def _foreign(tx: Reader, attempt: str, *, run_ids: set[str], model_ids: set[str]) -> str:
    """Return the first run or model that is not the task's own, in words, or an empty text."""
    own_run = _run_of(tx, attempt)
    for model_id in sorted(model_ids):
        model = logged_models.find(tx, model_id)
        if model is None or not model.source_run_id:
            return f"logged model {model_id}"
        run_ids = run_ids | {model.source_run_id}
    for run_id in sorted(run_ids - {own_run}):
        if not _was_made_by(tx, run_id, attempt):
            return f"run {run_id}"
    return ""


def _run_of(tx: Reader, attempt_id: str) -> str:
    """Return the run that a step logs to; judging and harvesting have none."""
    attempt = nouns.ATTEMPTS.get(tx, attempt_id)
    step = pipeline_runs.steps_of(tx, attempt.pipeline_run).get(attempt.step) if attempt.step else None
    return step.run_id if step is not None else ""


def _was_made_by(tx: Reader, run_id: str, attempt: str) -> bool:
    try:
        return tracking.get_run(tx, run_id).tags.get(ATTEMPT_TAG) == attempt
    except NotFound:
        return False
