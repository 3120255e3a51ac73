"""The next move of a pipeline run: pure decisions over its rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from helicline.records.pipeline import Attempt, Output, PipelineRun, StepRun, StepSpec

DONE = frozenset({"CACHED", "SUCCEEDED"})
ENDED = frozenset({"CACHED", "SUCCEEDED", "FAILED", "UPSTREAM_FAILED", "CANCELLED"})
RUN_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
LOST_BUDGET = 3
BACKOFF_S, BACKOFF_MAX_S = 1.0, 600.0


class PipelineMove(msgspec.Struct, frozen=True, kw_only=True):
    """The next action for a run."""

    kind: Literal[
        "ended", "start", "retry", "fail_step", "skip", "cancel_step", "finish", "cancelled", "failed", "wait"
    ]
    step: str = ""
    why: str = ""
    wake_at: datetime | None = None


def inputs_of(step: StepSpec, steps: dict[str, StepRun], datasets: dict[str, Output]) -> dict[str, Output] | None:
    """Return the step's inputs, or None while an earlier step has not produced one."""
    outputs: dict[str, Output] = {}
    for name, source in step.inputs.items():
        if source.dataset:
            outputs[name] = datasets[source.dataset]
            continue
        upstream = steps[source.step]
        if upstream.state not in DONE:
            return None
        outputs[name] = upstream.outputs[source.output]
    return outputs


def decide(run: PipelineRun, steps: dict[str, StepRun], attempts: dict[str, Attempt], *, now: datetime) -> PipelineMove:
    """Return the next move of a run; "wait" while workers run its steps.

    `attempts` holds the newest attempt of each step that has one.
    """
    if run.state in RUN_ENDED:
        return PipelineMove(kind="ended")
    if run.state == "CANCELLING":
        return _cancel(steps, attempts)
    for spec in run.spec.steps:
        move = _step_move(spec, steps, attempts.get(spec.name), now=now)
        if move is not None:
            return move
    if all(step.state in DONE for step in steps.values()):
        return PipelineMove(kind="finish")
    if all(step.state in ENDED for step in steps.values()):
        failed = next((step for step in steps.values() if step.state == "FAILED"), None)
        return PipelineMove(kind="failed", why=_why_failed(run, failed) if failed else "a step was cancelled")
    waits = [step.retry_at for step in steps.values() if step.state == "RETRY_WAIT" and step.retry_at]
    return PipelineMove(kind="wait", wake_at=min(waits, default=None))


def _why_failed(run: PipelineRun, step: StepRun) -> str:
    """Return the error of a step, and how its output is read."""
    output = f"; its output: hl pipeline logs {run.id} {step.step}" if step.run_id else ""
    return f"step {step.step}: {step.error}{output}"


def _cancel(steps: dict[str, StepRun], attempts: dict[str, Attempt]) -> PipelineMove:
    for step in steps.values():
        attempt = attempts.get(step.step)
        if step.state == "RUNNING" and attempt is not None and attempt.state in ("READY", "LEASED"):
            if attempt.state == "LEASED" and attempt.cancel:
                return PipelineMove(kind="wait")
            return PipelineMove(kind="cancel_step", step=step.step)
        if step.state not in ENDED:
            return PipelineMove(kind="cancel_step", step=step.step)
    return PipelineMove(kind="cancelled")


def _step_move(
    spec: StepSpec, steps: dict[str, StepRun], attempt: Attempt | None, *, now: datetime
) -> PipelineMove | None:
    step = steps[spec.name]
    upstream = [steps[source.step].state for source in spec.inputs.values() if source.step]
    if step.state == "PENDING":
        if any(state in ENDED - DONE for state in upstream):
            return PipelineMove(kind="skip", step=step.step)
        return PipelineMove(kind="start", step=step.step) if all(state in DONE for state in upstream) else None
    if step.state == "RETRY_WAIT" and _is_due(step.retry_at, now):
        return PipelineMove(kind="start", step=step.step)
    if step.state == "RUNNING" and attempt is not None:
        return _after_attempt(spec, step, attempt, now=now)
    return None


def _is_due(retry_at: datetime | None, now: datetime) -> bool:
    """Return whether a retry is due; a time that no back-off could have set comes from a clock that was ahead."""
    return retry_at is None or not now < retry_at <= now + timedelta(seconds=BACKOFF_MAX_S)


def _after_attempt(spec: StepSpec, step: StepRun, attempt: Attempt, *, now: datetime) -> PipelineMove | None:
    if attempt.state in ("FAILED", "TIMED_OUT", "OUT_OF_MEMORY"):
        if step.attempt_count - step.lost_count <= spec.retries:
            wait = min(BACKOFF_S * 2 ** (step.attempt_count - step.lost_count - 1), BACKOFF_MAX_S)
            return PipelineMove(kind="retry", step=step.step, why=attempt.error, wake_at=now + timedelta(seconds=wait))
        return PipelineMove(kind="fail_step", step=step.step, why=attempt.error)
    if attempt.state == "LOST":
        if step.lost_count < LOST_BUDGET:
            return PipelineMove(kind="retry", step=step.step, why=attempt.error, wake_at=now)
        return PipelineMove(
            kind="fail_step", step=step.step, why=f"its worker was lost {step.lost_count + 1} times: {attempt.error}"
        )
    if attempt.state == "CANCELLED":
        return PipelineMove(kind="cancel_step", step=step.step)
    return None
