"""The walk back: from one prediction to version, run, code, environment, data, gates and people."""

from __future__ import annotations

from typing import Any

import msgspec

from helicline.errors import NotFound
from helicline.loop.context import Context
from helicline.pipeline import parameters
from helicline.records.deployment import Prediction
from helicline.records.gate import GateReport
from helicline.records.model import ModelVersion, PromotionRequest
from helicline.records.pipeline import CodeState, Environment, PipelineRun
from helicline.records.run import Run
from helicline.registry import get_version
from helicline.serving.prediction_log import read as predictions
from helicline.store import nouns
from helicline.store.unit import Reader
from helicline.tracking import find_run


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """All that stands behind one prediction."""

    prediction: Prediction
    version: ModelVersion
    run: Run | None
    code: CodeState | None
    environment: Environment | None
    datasets: dict[str, str]
    params: dict[str, Any]
    report: GateReport | None
    request: PromotionRequest | None
    turn: str
    turn_cause: str
    rollout: dict[str, Any]


def why(context: Context, prediction_id: str) -> Answer:
    """Return what stands behind a prediction.

    Raises:
        NotFound: the prediction is not in the log (yet: rows appear within the seal interval).
    """
    rows = predictions.find(context.home, prediction_id)
    if not rows:
        raise NotFound("prediction", prediction_id, "The log is sealed every few seconds; is the id right?")
    return context.store.read(lambda tx: _answer(tx, rows[0]))


def _answer(tx: Reader, prediction: Prediction) -> Answer:
    served = nouns.REVISIONS.get(tx, prediction.deployment, prediction.served_by)
    version = get_version(tx, served.model, served.model_version)
    pipeline = _pipeline_of(tx, version)
    turn = nouns.TURNS.find(tx, version.loop, version.turn) if version.turn else _turn_of(tx, version)
    rollout = nouns.ROLLOUTS.find(tx, prediction.deployment, prediction.rollout) if prediction.rollout else None
    return Answer(
        prediction=prediction,
        version=version,
        run=find_run(tx, version.run_id),
        code=pipeline.spec.code if pipeline else None,
        environment=pipeline.spec.environment if pipeline else None,
        datasets=pipeline.inputs if pipeline else {},
        params=parameters.of_spec(pipeline.spec) if pipeline else {},
        report=nouns.REPORTS.find(tx, version.model, version.number),
        request=nouns.REQUESTS.find(tx, turn.request) if turn and turn.request else None,
        turn=turn.id if turn else "",
        turn_cause=turn.cause.sentence if turn else "",
        rollout={"id": rollout.id, "state": rollout.state, "stage": prediction.stage} if rollout else {},
    )


def _turn_of(tx: Reader, version: ModelVersion) -> Any:
    candidates = [turn for turn in nouns.TURNS.select(tx) if turn.model_version == version.number]
    matching = [turn for turn in candidates if nouns.LOOPS.get(tx, turn.loop).spec.model == version.model]
    return matching[-1] if matching else None


def _pipeline_of(tx: Reader, version: ModelVersion) -> PipelineRun | None:
    """Return the pipeline run that made the version: named by its turn, or by the tag of its run."""
    turn = nouns.TURNS.find(tx, version.loop, version.turn) if version.turn else None
    if turn is not None and turn.pipeline_run:
        return nouns.PIPELINE_RUNS.find(tx, turn.pipeline_run)
    run = find_run(tx, version.run_id)
    tagged = run.tags.get("helicline.pipeline_run", "") if run else ""
    return nouns.PIPELINE_RUNS.find(tx, tagged) if tagged else None
