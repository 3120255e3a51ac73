"""Makes the records that tests need, each with as little as it can have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from helicline import tracking
from helicline.data import versions
from helicline.records.dataset import Commit, FileEntry
from helicline.records.deployment import (
    Arm,
    Guard,
    GuardReading,
    Revision,
    Rollout,
    RolloutPlan,
    RolloutStep,
    Stage,
    StepRecord,
)
from helicline.records.loop import Cause, LoopSpec, Turn
from helicline.records.pipeline import (
    Attempt,
    Candidate,
    CodeState,
    Completion,
    Environment,
    Output,
    PipelineRun,
    PipelineSpec,
    Source,
    StepRun,
    StepSpec,
)
from helicline.store.database import Store
from helicline.store.unit import Tx

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ENVIRONMENT = Environment(python="3.11.7", platform="linux", packages=(), hash="env")
AT_ONCE = RolloutPlan(steps=(RolloutStep(weight_bp=10_000, min_requests=0, min_s=0.0, max_s=0.0),))


def step_spec(name: str, *after: str, **more: Any) -> StepSpec:
    """A step that reads what the steps `after` return."""
    fields: dict[str, Any] = {
        "function": f"steps:{name}",
        "code_hash": f"code-{name}",
        "outputs": ("Metrics",),
        "inputs": {f"i{at}": Source(step=source) for at, source in enumerate(after)},
    }
    return StepSpec(name=name, **{**fields, **more})


def pipeline_spec(*steps: StepSpec, candidate: Candidate | None = None) -> PipelineSpec:
    """A pipeline of the steps; without any: one that has a single step."""
    return PipelineSpec(
        name="churn",
        steps=steps or (step_spec("only"),),
        candidate=candidate,
        code=CodeState(bundle="0" * 64),
        environment=ENVIRONMENT,
    )


def training_spec() -> PipelineSpec:
    """Split a dataset, train on one part: what a loop turns around."""
    split = step_spec(
        "split", inputs={"raw": Source(dataset="customers@main")}, input_kinds={"raw": "Table"}, outputs=("Table",) * 2
    )
    train = step_spec("train", inputs={"data": Source(step="split")}, outputs=("Model", "Metrics"))
    candidate = Candidate(
        model=Source(step="train"),
        metrics=Source(step="train", output=1),
        holdout=Source(step="split", output=1),
        reference=Source(step="split"),
    )
    return pipeline_spec(split, train, candidate=candidate)


def loop_spec(**more: Any) -> LoopSpec:
    fields = {"name": "churn", "model": "churn", "deployment": "churn", "pipeline": training_spec(), "rollout": AT_ONCE}
    return LoopSpec(**{**fields, **more})  # type: ignore[arg-type]


def pipeline_run(spec: PipelineSpec, **more: Any) -> PipelineRun:
    fields = {
        "id": "run",
        "pipeline": "churn",
        "state": "RUNNING",
        "created_at": NOW,
        "created_by": "t",
        "wake_at": NOW,
    }
    return PipelineRun(spec=spec, **{**fields, **more})


def step_run(name: str, state: str = "PENDING", **more: Any) -> StepRun:
    return StepRun(pipeline_run="run", step=name, state=state, **more)  # type: ignore[arg-type]


def attempt(state: str = "LEASED", **more: Any) -> Attempt:
    fields = {"id": "a", "task": "step", "created_at": NOW}
    return Attempt(state=state, **{**fields, **more})  # type: ignore[arg-type]


def turn(state: str = "TRAINING", **more: Any) -> Turn:
    fields = {
        "loop": "churn",
        "number": 1,
        "cause": Cause(kind="person", subject="ada", sentence="ada ran it"),
        "created_at": NOW,
        "created_by": "ada",
        "wake_at": NOW,
    }
    return Turn(state=state, **{**fields, **more})  # type: ignore[arg-type]


def output(kind: str = "Metrics", digest: str = "d" * 64, **more: Any) -> Output:
    return Output(kind=kind, digest=digest, **more)  # type: ignore[arg-type]


def completion(fence: int = 1, *outputs: Output, **more: Any) -> Completion:
    return Completion(fence=fence, ok=True, outputs=outputs, **more)


def revision(state: str = "READY", **more: Any) -> Revision:
    fields = {
        "deployment": "churn",
        "number": 2,
        "model": "churn",
        "model_version": 2,
        "digest": "d",
        "created_at": NOW,
    }
    return Revision(state=state, **{**fields, **more})  # type: ignore[arg-type]


def rollout(
    state: str = "PROGRESSING", *, step: int = 0, percents: tuple[float, ...] = (5, 100), **more: Any
) -> Rollout:
    """A rollout that has just entered step `step`."""
    plan = RolloutPlan(
        steps=tuple(
            RolloutStep(weight_bp=round(percent * 100), min_requests=50, min_s=60, max_s=600) for percent in percents
        )
    )
    steps = tuple(StepRecord(index=at, weight_bp=plan.steps[at].weight_bp, entered_at=NOW) for at in range(step + 1))
    fields = {
        "deployment": "churn",
        "number": 1,
        "stable": 1,
        "candidate": 2,
        "plan": plan,
        "created_at": NOW,
        "created_by": "t",
        "wake_at": NOW,
        "step": step,
        "steps": steps,
    }
    return Rollout(state=state, **{**fields, **more})  # type: ignore[arg-type]


def reading(outcome: str, kind: str = "error_rate") -> GuardReading:
    return GuardReading(guard=Guard(kind=kind), outcome=outcome, reason=f"it is {outcome}")  # type: ignore[arg-type]


def arm(count: int, total: float, squares: float | None = None, **more: Any) -> Arm:
    """An arm whose values are 0 or 1, unless `squares` says otherwise."""
    return Arm(count=count, total=total, total_squares=total if squares is None else squares, **more)


def stage(index: int = 1, stable: Arm | None = None, candidate: Arm | None = None) -> Stage:
    return Stage(index=index, weight_bp=5000, stable=stable or Arm(), candidate=candidate or Arm())


def commit(store: Store, blobs: Any, content: bytes, *, name: str = "customers", **how: Any) -> Any:
    """Commit one text file as the next version of a dataset."""
    digest, size = blobs.put([content])
    prepared = versions.prepare(blobs, [FileEntry("part.txt", size, digest)])
    return store.write(lambda tx: versions.commit(tx, name, prepared, Commit(**how)))


def logged_model(tx: Tx, blobs: Any, content: bytes, run_id: str) -> str:
    """Log a model whose one file holds `content`; return its id."""
    digest, size = blobs.put([content])
    experiment = tracking.get_run(tx, run_id).experiment_id
    model = tracking.create_logged_model(tx, experiment, run_id=run_id)
    tracking.put_artifact(
        tx, f"{model.artifact_uri.removeprefix('mlflow-artifacts:').strip('/')}/model.bin", hash=digest, size=size
    )
    tracking.finalize_logged_model(tx, model.model_id, "LOGGED_MODEL_READY")
    return model.model_id
