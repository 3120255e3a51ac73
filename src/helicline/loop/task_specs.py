"""Tasks for workers: the lease with all that a task needs, and the changes that its report makes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from helicline.data import versions
from helicline.errors import HeliclineError, Invalid, NotFound, Unavailable
from helicline.gate import reports
from helicline.loop import audits, harvests, turns
from helicline.pipeline import attempts, runs
from helicline.pipeline.decide import inputs_of
from helicline.records.gate import Evidence
from helicline.records.loop import Loop, Turn
from helicline.records.pipeline import Attempt, Completion, JudgeSpec, PipelineRun, TableSource, TaskSpec
from helicline.registry import alias_of, get_version
from helicline.store import nouns
from helicline.store.noun import Stale
from helicline.store.unit import Reader, Tx

log = logging.getLogger("helicline.loop")


def lease_next(
    read: Callable[[Callable[[Reader], Any]], Any],
    write: Callable[[Callable[[Tx], Any]], Any],
    *,
    worker: str,
    lease_s: float,
    prepare: Callable[[Tx, TaskSpec], TaskSpec] | None = None,
) -> TaskSpec | None:
    """Lease the oldest task that waits to a worker; None where none does.

    A task that cannot be prepared fails that attempt, with the reason, and the next one is looked at.
    `prepare` adds to the spec within the unit of work that leases it.
    """
    for waiting in read(lambda tx: attempts.ready(tx, limit=5)):

        def unit(tx: Tx, attempt: Attempt = waiting) -> TaskSpec:
            leased = attempts.lease(tx, attempt, worker=worker, lease_s=lease_s)
            task = task_spec_of(tx, leased, lease_s=lease_s)
            return prepare(tx, task) if prepare else task

        try:
            task: TaskSpec = write(unit)
        except Unavailable:
            raise
        except Stale:
            continue  # another worker was faster
        except HeliclineError as error:
            _refuse(write, waiting, str(error))
        except Exception as error:  # whatever one task is made of, the next one can be leased
            log.exception("attempt %s cannot be leased", waiting.id)
            _refuse(write, waiting, f"Helicline could not prepare it: {type(error).__name__}: {error}")
        else:
            return task
    return None


def _refuse(write: Callable[[Callable[[Tx], Any]], Any], waiting: Attempt, why: str) -> None:
    with contextlib.suppress(Stale):  # another worker met the same
        write(lambda tx: attempts.refuse(tx, waiting, why))


def task_spec_of(tx: Reader, attempt: Attempt, *, lease_s: float) -> TaskSpec:
    """Return the spec of a task: all that a worker needs to do it."""
    bare = TaskSpec(
        attempt=attempt.id, fence=attempt.fence, task=attempt.task, lease_s=lease_s, timeout_s=attempt.timeout_s
    )
    if attempt.task == "step":
        return _step_spec(tx, attempt, bare)
    if attempt.task == "check":
        return msgspec.structs.replace(bare, check=audits.spec_of(tx, attempt))
    turn = nouns.TURNS.get(tx, attempt.loop, attempt.turn)
    loop = nouns.LOOPS.get(tx, attempt.loop)
    if attempt.task == "judge":
        return msgspec.structs.replace(bare, judge=_judge_spec(tx, loop, turn))
    return msgspec.structs.replace(bare, harvest=harvests.spec_of(tx, loop, turn))


def _step_spec(tx: Reader, attempt: Attempt, bare: TaskSpec) -> TaskSpec:
    run = nouns.PIPELINE_RUNS.get(tx, attempt.pipeline_run)
    spec = next(step for step in run.spec.steps if step.name == attempt.step)
    steps = runs.steps_of(tx, run.id)
    return msgspec.structs.replace(
        bare,
        step=spec,
        inputs=inputs_of(spec, steps, runs.dataset_outputs(tx, run)) or {},
        datasets={
            dataset: ref for dataset, ref in run.inputs.items() if dataset in {s.dataset for s in spec.inputs.values()}
        },
        bundle=run.spec.code.bundle,
        tracking=_tracking(run, steps[attempt.step].run_id),
    )


def _tracking(run: PipelineRun, run_id: str) -> dict[str, str]:
    return {"MLFLOW_RUN_ID": run_id, "MLFLOW_EXPERIMENT_ID": run.experiment_id}


def judged_run(tx: Reader, loop: Loop, turn: Turn) -> PipelineRun:
    """Return the pipeline run whose hold-out judges this turn: its own, or the newest that a turn of the loop made."""
    if turn.pipeline_run:
        return nouns.PIPELINE_RUNS.get(tx, turn.pipeline_run)
    column = nouns.TURNS.table.c
    for earlier in nouns.TURNS.select(tx, column.loop == loop.name, order=[column.number.desc()]):
        run = nouns.PIPELINE_RUNS.find(tx, earlier.pipeline_run) if earlier.pipeline_run else None
        if run is not None and run.state == "SUCCEEDED":
            return run
    raise NotFound("hold-out", loop.name, f"Run the pipeline once first: hl run {loop.name}")


def _judge_spec(tx: Reader, loop: Loop, turn: Turn) -> JudgeSpec:
    run = judged_run(tx, loop, turn)
    holdout, reference = (_table_source(tx, run, part) for part in ("holdout", "reference"))
    measured = {metric.name: metric for check in loop.spec.gates if (metric := check.measured) is not None}
    return JudgeSpec(
        model=loop.spec.model,
        candidate=turn.model_version,
        champion=alias_of(tx, loop.spec.model, "champion") or 0,
        holdout=holdout,
        reference=reference or holdout,
        label=loop.spec.label,
        metrics=tuple(measured.values()),
        compared=tuple(check.metric for check in loop.spec.gates if check.kind == "not_worse"),
        bundle=loop.spec.pipeline.code.bundle,
    )


def _table_source(tx: Reader, run: PipelineRun, part: str) -> TableSource | None:
    source, output = turns.candidate_source(run, part), turns.candidate_output(tx, run, part)
    if source is None or output is None:
        return None
    return TableSource(output=output, dataset=run.inputs[source.dataset] if source.dataset else "")


def complete(tx: Tx, attempt_id: str, completion: Completion) -> None:
    """Apply a worker's report once; all its changes commit together.

    Raises:
        Conflict: the fence is stale; nothing of the report is kept.
        Invalid: the report does not fit the task.
    """
    attempt = attempts.leased(tx, attempt_id, completion.fence)
    if attempt.task == "step":
        runs.complete_step(tx, attempt, completion)
        return
    attempts.finish(tx, attempt, completion)
    if attempt.task == "judge" and completion.ok:
        _record_verdicts(tx, attempt, completion.result)
    if attempt.task == "harvest" and completion.ok:
        versions.resolve(tx, str(completion.result.get("dataset_version", "")))


def _record_verdicts(tx: Tx, attempt: Attempt, result: dict[str, Any]) -> None:
    try:
        evidence = msgspec.convert(result.get("evidence"), Evidence)
    except msgspec.ValidationError as error:
        raise Invalid("evidence", str(error), "the record Evidence") from None
    loop = nouns.LOOPS.get(tx, attempt.loop)
    turn = nouns.TURNS.get(tx, attempt.loop, attempt.turn)
    version = get_version(tx, loop.spec.model, turn.model_version)
    reports.record(tx, version, loop.spec.gates, _with_reported(tx, loop, turn, evidence=evidence))


def _with_reported(tx: Tx, loop: Loop, turn: Turn, *, evidence: Evidence) -> Evidence:
    """Add the metrics that the pipeline reported; a metric that the judge measures takes precedence.

    Where a built-in metric does not fit what the model answers, the reported one of that name counts.
    """
    run = nouns.PIPELINE_RUNS.find(tx, turn.pipeline_run) if turn.pipeline_run else None
    metrics = turns.candidate_output(tx, run, "metrics") if run else None
    functions = {check.metric for check in loop.spec.gates if check.definition and check.definition.function}
    reported = {name: value for name, value in (metrics.values if metrics else {}).items() if name not in functions}
    return msgspec.structs.replace(evidence, metrics={**reported, **evidence.metrics})
