"""Pipeline runs: submit, advance, cancel, and record the reports of workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from helicline import bus
from helicline.access import secrets
from helicline.clock import epoch_ms
from helicline.data import versions
from helicline.errors import Conflict, Invalid
from helicline.ids import new_run_id
from helicline.pipeline import attempts, cache, parameters
from helicline.pipeline.decide import DONE, ENDED, PipelineMove, decide, inputs_of
from helicline.records.pipeline import (
    Attempt,
    CacheEntry,
    Completion,
    Output,
    PipelineRun,
    PipelineSpec,
    StepRun,
    StepSpec,
)
from helicline.records.run import MetricPoint, RunStatus
from helicline.store import nouns
from helicline.store.blobs import Blobs
from helicline.store.rows import logged_model as logged_models
from helicline.store.unit import Reader, Tx
from helicline.tracking import create_run, ensure_experiment, log_batch, update_run

OPEN_STATES = ("QUEUED", "RUNNING", "CANCELLING")


def submit(
    tx: Tx,
    spec: PipelineSpec,
    *,
    inputs: dict[str, str] | None = None,
    loop: str = "",
    turn: int = 0,
    use_cache: bool = True,
    params: Mapping[str, Any] | None = None,
) -> PipelineRun:
    """Start a run of the pipeline on the present dataset versions (or those of `inputs`: spec -> version ref).

    Raises:
        NotFound: a dataset it reads does not exist, or a secret that a step names is not set.
        Invalid: `params` are none of its parameters, or not of their types.
    """
    spec, typed = parameters.overridden(spec, params or {})
    absent = secrets.missing(tx, (name for step in spec.steps for name in step.secrets))
    if absent:
        raise secrets.not_set(absent[0])
    pinned = dict(inputs or {})
    for step in spec.steps:
        for source in step.inputs.values():
            if source.dataset and source.dataset not in pinned:
                pinned[source.dataset] = versions.resolve(tx, source.dataset).ref
    experiment = ensure_experiment(tx, loop or spec.name)
    tags = {"helicline.pipeline": spec.name} | ({"helicline.turn": f"{loop}~{turn}"} if turn else {})
    parent = create_run(
        tx, experiment.experiment_id, name=f"{spec.name} {loop}~{turn}" if turn else spec.name, tags=tags
    )
    run = PipelineRun(
        id=new_run_id(),
        pipeline=spec.name,
        spec=spec,
        state="QUEUED",
        created_at=tx.now,
        created_by=tx.actor,
        wake_at=tx.now,
        inputs=pinned,
        params=typed,
        run_id=parent.run_id,
        experiment_id=experiment.experiment_id,
        loop=loop,
        turn=turn,
        use_cache=use_cache,
    )
    if typed:
        log_batch(tx, parent.run_id, params={name: str(value) for name, value in typed.items()})
    nouns.PIPELINE_RUNS.insert(tx, run)
    nouns.STEP_RUNS.insert_new(
        tx, [StepRun(pipeline_run=run.id, step=step.name, state="PENDING") for step in spec.steps]
    )
    detail: dict[str, Any] = {"pipeline": spec.name, "loop": loop, "turn": turn, "inputs": pinned, "params": typed}
    bus.emit(tx, "submitted", "pipeline_run", run.id, **detail)
    return run


def steps_of(tx: Reader, pipeline_run: str) -> dict[str, StepRun]:
    column = nouns.STEP_RUNS.table.c
    return {step.step: step for step in nouns.STEP_RUNS.select(tx, column.pipeline_run == pipeline_run)}


def dataset_outputs(tx: Reader, run: PipelineRun) -> dict[str, Output]:
    """Return the pinned datasets of a run as inputs of its steps, by their spec."""
    return {
        name: Output(kind="Table", digest=version.root_hash, byte_count=version.byte_count, row_count=version.row_count)
        for name, version in ((name, versions.resolve(tx, ref)) for name, ref in run.inputs.items())
    }


def advance(tx: Tx, blobs: Blobs, run: PipelineRun) -> bool:
    """Start every step that can start, or make the run's next move; return whether there was one.

    All steps whose results are cached pass in this transaction, and the run ends in it where none is left.
    """
    steps = steps_of(tx, run.id)
    newest = attempts.newest_by_step(attempts.of_run(tx, run.id))
    move = decide(run, steps, newest, now=tx.now)
    started = move.kind == "start"
    if started:
        run = _touch(tx, run, state="RUNNING")
        datasets = dataset_outputs(tx, run)
    while move.kind == "start":
        inputs = inputs_of(_spec(run, steps[move.step]), steps, datasets) or {}
        steps[move.step], attempt = _start(tx, blobs, run, steps[move.step], inputs=inputs)
        if attempt is not None:
            newest[move.step] = attempt
        move = decide(run, steps, newest, now=tx.now)
    if move.kind == "wait" and run.wake_at != move.wake_at:
        nouns.PIPELINE_RUNS.swap(tx, msgspec.structs.replace(run, wake_at=move.wake_at))
    if move.kind in ("wait", "ended"):
        return started
    ACTIONS[move.kind](tx, blobs, run, steps.get(move.step), move)
    return True


def _touch(tx: Tx, run: PipelineRun, **changes: object) -> PipelineRun:
    return nouns.PIPELINE_RUNS.swap(tx, msgspec.structs.replace(run, **{"wake_at": tx.now, **changes}))


def _spec(run: PipelineRun, step: StepRun) -> StepSpec:
    return next(spec for spec in run.spec.steps if spec.name == step.step)


def _start(
    tx: Tx, blobs: Blobs, run: PipelineRun, step: StepRun, *, inputs: dict[str, Output]
) -> tuple[StepRun, Attempt | None]:
    """Give the step its cached result, or offer it to the workers; return it with its attempt, if it has one."""
    spec = _spec(run, step)
    parts = cache.key_parts(spec, inputs, run.spec.environment)
    key = cache.key_of(parts)
    entry = nouns.CACHE.find(tx, key) if run.use_cache and spec.cache else None
    if entry is not None and all(_exists(tx, blobs, output) for output in entry.outputs):
        return _use_cache(tx, run, step, entry), None
    column = nouns.CACHE.table.c
    name = f"{run.pipeline}.{step.step}"
    entries = nouns.CACHE.select(tx, column.step == name, order=[column.version])
    nearest = max(entries, key=lambda entry: entry.created_at, default=None)
    reason = cache.why_rerun(parts, nearest) if run.use_cache and spec.cache else "the cache is off"
    return _dispatch(tx, run, step, spec=spec, key=key, parts=parts, reason=reason)


def _exists(tx: Tx, blobs: Blobs, output: Output) -> bool:
    """Return whether the output of a step still exists; a model may have been deleted."""
    if output.kind != "Model":
        return blobs.has(output.digest)
    model = logged_models.find(tx, output.model_id)
    return model is not None and model.lifecycle == "active"


def _use_cache(tx: Tx, run: PipelineRun, step: StepRun, entry: CacheEntry) -> StepRun:
    bus.emit(tx, "cached", "step_run", f"{run.id}/{step.step}", source=entry.pipeline_run)
    return nouns.STEP_RUNS.swap(
        tx,
        msgspec.structs.replace(
            step,
            state="CACHED",
            key=entry.key,
            key_parts=entry.key_parts,
            cached_from=entry.pipeline_run,
            outputs=entry.outputs,
            started_at=tx.now,
            finished_at=tx.now,
        ),
    )


def _dispatch(
    tx: Tx, run: PipelineRun, step: StepRun, *, spec: StepSpec, key: str, parts: dict[str, str], reason: str
) -> tuple[StepRun, Attempt]:
    number = step.attempt_count + 1
    run_id = (
        step.run_id
        or create_run(
            tx,
            run.experiment_id,
            name=step.step,
            tags={"mlflow.parentRunId": run.run_id, "helicline.pipeline_run": run.id, "helicline.step": step.step},
        ).run_id
    )
    if not step.run_id and spec.params:
        log_batch(tx, run_id, params={name: str(value) for name, value in spec.params.items()})
    attempt = attempts.create(tx, "step", timeout_s=spec.timeout_s, pipeline_run=run.id, step=step.step, number=number)
    running = nouns.STEP_RUNS.swap(
        tx,
        msgspec.structs.replace(
            step,
            state="RUNNING",
            run_id=run_id,
            attempt_count=number,
            key=key,
            key_parts=parts,
            miss_reason=reason,
            started_at=step.started_at or tx.now,
            retry_at=None,
        ),
    )
    return running, attempt


def _retry(tx: Tx, _blobs: Blobs, run: PipelineRun, step: StepRun, move: PipelineMove) -> None:
    lost = attempts.newest_by_step(attempts.of_run(tx, run.id))[step.step].state == "LOST"
    changed = msgspec.structs.replace(
        step, state="RETRY_WAIT", retry_at=move.wake_at, error=move.why, lost_count=step.lost_count + int(lost)
    )
    nouns.STEP_RUNS.swap(tx, changed)
    _touch(tx, run)
    bus.emit(tx, "retried", "step_run", f"{run.id}/{step.step}", why=move.why[:500])


def _end_step(state: str) -> Callable[[Tx, Blobs, PipelineRun, StepRun, PipelineMove], None]:
    def act(tx: Tx, _blobs: Blobs, run: PipelineRun, step: StepRun, move: PipelineMove) -> None:
        nouns.STEP_RUNS.swap(
            tx, msgspec.structs.replace(step, state=state, error=move.why or step.error, finished_at=tx.now)
        )
        if step.run_id:
            update_run(tx, step.run_id, status="FAILED" if state == "FAILED" else "KILLED", end_time=tx.now)
        _touch(tx, run)
        bus.emit(tx, "ended", "step_run", f"{run.id}/{step.step}", state=state, error=move.why[:500])

    return act


def _cancel_step(tx: Tx, blobs: Blobs, run: PipelineRun, step: StepRun, move: PipelineMove) -> None:
    attempt = attempts.newest_by_step(attempts.of_run(tx, run.id)).get(step.step)
    if attempt is not None and attempt.state == "LEASED" and step.state == "RUNNING":
        attempts.cancel(tx, attempt)
        _touch(tx, run, wake_at=tx.now + timedelta(seconds=1))
        return
    if attempt is not None:
        attempts.cancel(tx, attempt)
    _end_step("CANCELLED")(tx, blobs, run, step, move)


def _end_run(
    state: str, status: RunStatus
) -> Callable[[Tx, Blobs | None, PipelineRun, StepRun | None, PipelineMove], None]:
    def act(tx: Tx, _blobs: Blobs | None, run: PipelineRun, _step: StepRun | None, move: PipelineMove) -> None:
        _touch(tx, run, state=state, error=move.why, wake_at=None, finished_at=tx.now)
        update_run(tx, run.run_id, status=status, end_time=tx.now)
        bus.emit(tx, "ended", "pipeline_run", run.id, state=state, error=move.why[:500], loop=run.loop, turn=run.turn)

    return act


ACTIONS: dict[str, Callable[..., None]] = {
    "retry": _retry,
    "fail_step": _end_step("FAILED"),
    "skip": _end_step("UPSTREAM_FAILED"),
    "cancel_step": _cancel_step,
    "finish": _end_run("SUCCEEDED", "FINISHED"),
    "failed": _end_run("FAILED", "FAILED"),
    "cancelled": _end_run("CANCELLED", "KILLED"),
}


def cancel(tx: Tx, pipeline_run: str) -> PipelineRun:
    """Cancel a run. Raises Conflict where it has ended."""
    run = nouns.PIPELINE_RUNS.get(tx, pipeline_run)
    if run.state not in OPEN_STATES:
        raise Conflict("pipeline run", pipeline_run, f"is {run.state} already")
    if run.state == "CANCELLING":
        return run
    bus.emit(tx, "cancelling", "pipeline_run", run.id)
    return _touch(tx, run, state="CANCELLING")


def fail(tx: Tx, run: PipelineRun, why: str) -> None:
    """End a run that cannot go on: its attempts are stopped, its open steps cancelled. An ended run stays as it is."""
    if run.state not in OPEN_STATES:
        return
    for attempt in attempts.of_run(tx, run.id):
        attempts.cancel(tx, attempt)
    for step in steps_of(tx, run.id).values():
        if step.state not in ENDED:
            nouns.STEP_RUNS.swap(tx, msgspec.structs.replace(step, state="CANCELLED", error=why, finished_at=tx.now))
    _end_run("FAILED", "FAILED")(tx, None, run, None, PipelineMove(kind="failed", why=why))


def complete_step(tx: Tx, attempt: Attempt, completion: Completion) -> None:
    """Record a worker's report of a step: attempt, step, cache entry and run change in this transaction.

    Raises:
        Invalid: it reports success, but its outputs are not those that the step declares.
    """
    run = nouns.PIPELINE_RUNS.get(tx, attempt.pipeline_run)
    step = nouns.STEP_RUNS.get(tx, run.id, attempt.step)
    spec = _spec(run, step)
    if completion.ok and tuple(output.kind for output in completion.outputs) != spec.outputs:
        kinds = ", ".join(output.kind for output in completion.outputs) or "nothing"
        raise Invalid("outputs", kinds, f"what step {spec.name} declares: {', '.join(spec.outputs) or 'nothing'}")
    attempts.finish(tx, attempt, completion)
    if completion.ok:
        _keep(tx, run, step, completion)
        _log_metrics(tx, step.run_id, completion)
        update_run(tx, step.run_id, status="FINISHED", end_time=tx.now)
    _touch(tx, run)


def _log_metrics(tx: Tx, run_id: str, completion: Completion) -> None:
    """Log the metrics that the step returned to its run."""
    values = {name: value for output in completion.outputs for name, value in output.values.items()}
    now = epoch_ms(tx.now)
    points = [MetricPoint(key=name, value=value, timestamp_ms=now, step=0) for name, value in values.items()]
    if points:
        log_batch(tx, run_id, metrics=points)


def _keep(tx: Tx, run: PipelineRun, step: StepRun, completion: Completion) -> None:
    nouns.STEP_RUNS.swap(
        tx, msgspec.structs.replace(step, state="SUCCEEDED", outputs=completion.outputs, error="", finished_at=tx.now)
    )
    entry = CacheEntry(
        key=step.key,
        step=f"{run.pipeline}.{step.step}",
        outputs=completion.outputs,
        key_parts=step.key_parts,
        pipeline_run=run.id,
        created_at=tx.now,
    )
    nouns.CACHE.put(tx, entry)
    bus.emit(tx, "succeeded", "step_run", f"{run.id}/{step.step}")


def output_of(steps: dict[str, StepRun], source_step: str, output: int) -> Output:
    return steps[source_step].outputs[output]


__all__ = ["DONE", "ENDED", "advance", "cancel", "complete_step", "dataset_outputs", "output_of", "steps_of", "submit"]
