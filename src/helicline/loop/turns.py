"""Turns: begun by a cause, moved from leg to leg; each move is one transaction with its event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from helicline import bus
from helicline.data import versions
from helicline.errors import Conflict, NotFound
from helicline.gate import reports
from helicline.loop import harvests
from helicline.loop.decide import TurnMove, decide
from helicline.loop.turn_facts import facts_of, rules_left, tries_of
from helicline.pipeline import attempts, parameters, runs
from helicline.records.gate import NO_HOLDOUT, Evidence
from helicline.records.loop import ACTIVE, FINISHED, LEARNING, Cause, Leg, Loop, Turn
from helicline.records.model import ModelVersion
from helicline.records.pipeline import Output, PipelineRun, Source
from helicline.registry import alias_of, get_version, register
from helicline.registry.approvals import open_request
from helicline.serving import deployments, rollout
from helicline.store import nouns
from helicline.store.unit import Reader, Tx

TASK_TIMEOUT_S = 900.0


def begin(
    tx: Tx,
    loop: Loop,
    cause: Cause,
    *,
    harvest: bool = False,
    model_version: int = 0,
    continues: Turn | None = None,
    params: Mapping[str, Any] | None = None,
) -> Turn:
    """Begin a turn: at its data, its training, or (for a version that is registered already) at its gates.

    `continues` is a turn that failed. Its pipeline run has the hold-out and the metrics that judge the version that it
    made, and a draft that it harvested is what this one learns from.

    Raises:
        Conflict: a turn of this loop that trains or is judged is under way, or it has no model.
        Invalid: `params` are none of its pipeline's parameters, or not of their types.
    """
    _, typed = parameters.overridden(loop.spec.pipeline, params or {})
    if harvest and loop.spec.pipeline.candidate is None:
        raise Conflict("loop", loop.name, "has no model whose labelled rows could be gathered")
    under_way = learning(tx, loop.name)
    if under_way and not model_version:
        raise Conflict("loop", loop.name, f"is in turn {under_way[0].id}", f"See: hl turn show {under_way[0].id}")
    loop = nouns.LOOPS.swap(tx, msgspec.structs.replace(loop, last_turn=loop.last_turn + 1))
    champion = alias_of(tx, loop.spec.model, "champion") or 0
    draft = continues if continues and continues.dataset_is_draft else None
    state, first = ("TRAINING", "train")
    if model_version:
        state, first = "GATING", "gate"
    elif harvest and draft is None:
        state, first = "HARVESTING", "data"
    turn = Turn(
        loop=loop.name,
        number=loop.last_turn,
        state=state,  # type: ignore[arg-type]
        cause=cause,
        created_at=tx.now,
        created_by=tx.actor,
        wake_at=tx.now,
        legs=(Leg(name=first, started_at=tx.now),),  # type: ignore[arg-type]
        params=typed,
        harvest=harvest,
        harvested=draft.harvested if draft else None,
        dataset_version=draft.dataset_version if draft else "",
        dataset_is_draft=draft is not None,
        model_version=model_version,
        pipeline_run=continues.pipeline_run if continues and model_version else "",
        champion=champion,
    )
    nouns.TURNS.insert(tx, turn)
    detail: dict[str, Any] = {"cause": cause.kind, "subject": cause.subject, "sentence": cause.sentence}
    bus.emit(tx, "began", "turn", turn.id, **detail, params=typed)
    return turn


def learning(tx: Reader, loop: str) -> list[Turn]:
    """Return the turns of a loop that gather data, train or are judged: there is one at a time.

    Turns that wait for people or for traffic let the next one learn meanwhile.
    """
    column = nouns.TURNS.table.c
    return nouns.TURNS.select(tx, column.loop == loop, column.state.in_(LEARNING))


def advance(tx: Tx, turn: Turn) -> bool:
    """Make the turn's next move; return False where it waits."""
    loop = nouns.LOOPS.get(tx, turn.loop)
    move = decide(turn, facts_of(tx, turn, loop), tx.now)
    if move.kind == "wait":
        _wait(tx, turn, move)
        return False
    ACTIONS[move.kind](tx, loop, turn, move)
    return True


def _wait(tx: Tx, turn: Turn, move: TurnMove) -> None:
    """Let the turn rest until its time or an event; what it waits for is seen wherever the turn is."""
    why = move.why if turn.state in ACTIVE else turn.result
    if (turn.wake_at, turn.result) != (move.wake_at, why):
        nouns.TURNS.swap(tx, msgspec.structs.replace(turn, wake_at=move.wake_at, result=why))


def _save(tx: Tx, turn: Turn, **changes: Any) -> Turn:
    """Write a turn that has moved: what it waited for is over, and its next move may be due at once."""
    return nouns.TURNS.swap(tx, msgspec.structs.replace(turn, **{"wake_at": tx.now, "result": "", **changes}))


def _leg(tx: Tx, turn: Turn, name: str, *, result: str = "", subject: str = "", **detail: Any) -> tuple[Leg, ...]:
    """Return the turn's legs: the current one closed with `result`, and `name` begun."""
    if turn.legs and turn.legs[-1].name == name and turn.legs[-1].finished_at is None:
        return turn.legs
    legs = _closed(tx, turn.legs, result=result)
    return (*legs, Leg(name=name, started_at=tx.now, subject=subject, detail=detail))  # type: ignore[arg-type]


def _closed(tx: Tx, legs: tuple[Leg, ...], *, result: str, **detail: Any) -> tuple[Leg, ...]:
    if not legs or legs[-1].finished_at is not None:
        return legs
    last = legs[-1]
    closed = msgspec.structs.replace(last, finished_at=tx.now, result=result, detail={**last.detail, **detail})
    return (*legs[:-1], closed)


def _named(turn_legs: tuple[Leg, ...], subject: str) -> tuple[Leg, ...]:
    return (*turn_legs[:-1], msgspec.structs.replace(turn_legs[-1], subject=subject))


def _harvest(tx: Tx, loop: Loop, turn: Turn, _move: TurnMove) -> None:
    number = tries_of(tx, turn) + 1
    attempt = attempts.create(
        tx, "harvest", timeout_s=TASK_TIMEOUT_S, loop=loop.name, turn=turn.number, subject=turn.id, number=number
    )
    _save(tx, turn, attempt=attempt.id, harvested=harvests.span_now(tx, loop))


def _train(tx: Tx, loop: Loop, turn: Turn, move: TurnMove) -> None:
    dataset_version = move.detail.get("dataset_version", turn.dataset_version)
    is_draft = bool(dataset_version) and versions.resolve(tx, dataset_version).state == "draft"
    inputs = {harvests.dataset_of(loop): dataset_version} if is_draft else None
    run = runs.submit(tx, loop.spec.pipeline, inputs=inputs, loop=loop.name, turn=turn.number, params=turn.params)
    legs = _leg(tx, turn, "train", result=dataset_version)
    bus.emit(tx, "training", "turn", turn.id, pipeline_run=run.id, inputs=run.inputs)
    _save(
        tx,
        turn,
        state="TRAINING",
        attempt="",
        dataset_version=dataset_version or next(iter(run.inputs.values()), ""),
        dataset_is_draft=is_draft,
        pipeline_run=run.id,
        legs=_named(legs, run.id),
    )


def candidate_output(tx: Reader, run: PipelineRun, part: str) -> Output | None:
    """Return the output that the pipeline named as its candidate's `part`: model, metrics, holdout or reference."""
    source = candidate_source(run, part)
    if source is None:
        return None
    if source.dataset:
        return runs.dataset_outputs(tx, run)[source.dataset]
    return runs.output_of(runs.steps_of(tx, run.id), source.step, source.output)


def candidate_source(run: PipelineRun, part: str) -> Source | None:
    """Return where the candidate's `part` comes from; None where the pipeline named none."""
    source: Source | None = getattr(run.spec.candidate, part) if run.spec.candidate else None
    return source


def _register(tx: Tx, loop: Loop, turn: Turn, _move: TurnMove) -> None:
    run = nouns.PIPELINE_RUNS.get(tx, turn.pipeline_run)
    model = candidate_output(tx, run, "model")
    if model is None or run.spec.candidate is None:
        raise NotFound("output", "model")
    step = runs.steps_of(tx, run.id)[run.spec.candidate.model.step]
    cached = sum(1 for step_run in runs.steps_of(tx, run.id).values() if step_run.state == "CACHED")
    version = _same_version(tx, loop, model) or register(
        tx,
        loop.spec.model,
        source=f"models:/{model.model_id}",
        run_id=step.run_id or _origin_run(tx, model),
        model_id=model.model_id,
        loop=loop.name,
        turn=turn.number,
    )
    legs = _closed(tx, turn.legs, result="succeeded", steps=len(run.spec.steps), cached=cached)
    legs = (*legs, Leg(name="register", started_at=tx.now, subject=version.id))
    bus.emit(tx, "registered", "turn", turn.id, model_version=version.id)
    _save(tx, turn, state="REGISTERING", model_version=version.number, legs=legs)


def _same_version(tx: Reader, loop: Loop, model: Output) -> ModelVersion | None:
    """Return the version that this model is registered as already: a cached model must not get a second one."""
    column = nouns.VERSIONS.table.c
    twins = nouns.VERSIONS.select(tx, column.model == loop.spec.model, column.model_id == model.model_id)
    return next((version for version in twins if not version.deleted), None)


def _origin_run(tx: Reader, model: Output) -> str:
    from helicline.tracking import get_logged_model

    return get_logged_model(tx, model.model_id).source_run_id


def _judge(tx: Tx, loop: Loop, turn: Turn, _move: TurnMove) -> None:
    version = get_version(tx, loop.spec.model, turn.model_version)
    legs = _named(_leg(tx, turn, "gate", result=version.id), version.id)
    reported = _reported_alone(tx, loop, turn)
    if reported is not None:
        champion = alias_of(tx, loop.spec.model, "champion") or 0
        evidence = Evidence(metrics=reported, champion_number=champion, untested=(NO_HOLDOUT,))
        reports.record(tx, version, loop.spec.gates, evidence)
        _save(tx, turn, state="GATING", legs=legs)
        return
    attempt = attempts.create(
        tx,
        "judge",
        timeout_s=TASK_TIMEOUT_S,
        loop=loop.name,
        turn=turn.number,
        subject=version.id,
        number=tries_of(tx, turn) + 1,
    )
    _save(tx, turn, state="GATING", attempt=attempt.id, legs=legs)


def _reported_alone(tx: Reader, loop: Loop, turn: Turn) -> dict[str, float] | None:
    """Return the reported metrics of a pipeline without a hold-out: they are judged without a worker.

    None where a worker has to: there are rows to judge on or to compare production with, or a gate compares the
    interfaces of both models.
    """
    run = nouns.PIPELINE_RUNS.find(tx, turn.pipeline_run) if turn.pipeline_run else None
    if run is None or any(candidate_source(run, part) is not None for part in ("holdout", "reference")):
        return None
    if any(check.kind == "signature" for check in loop.spec.gates):
        return None
    metrics = candidate_output(tx, run, "metrics")
    return dict(metrics.values) if metrics is not None else {}


def _reject(tx: Tx, _loop: Loop, turn: Turn, move: TurnMove) -> None:
    legs = _closed(tx, turn.legs, result="failed", why=move.why)
    bus.emit(tx, "rejected", "turn", turn.id, why=move.why[:1000])
    _save(tx, turn, state="REJECTED", result=move.why, legs=legs, finished_at=tx.now, wake_at=None)


def _ask(tx: Tx, loop: Loop, turn: Turn, _move: TurnMove) -> None:
    version = get_version(tx, loop.spec.model, turn.model_version)
    rule = rules_left(tx, loop, turn, version)[0]
    request = open_request(
        tx, version, role=rule.role, people=rule.people, requested_by=turn.created_by, turn=(loop.name, turn.number)
    )
    legs = _leg(tx, turn, "approve", result="passed", subject=request.id)
    bus.emit(tx, "asked", "turn", turn.id, request=request.id)
    _save(tx, turn, state="APPROVING", request=request.id, finished_at=None, legs=legs)


def _roll_out(tx: Tx, loop: Loop, turn: Turn, _move: TurnMove) -> None:
    legs = _leg(tx, turn, "rollout", result="approved" if turn.state == "APPROVING" else "passed")
    waiting = _save(tx, turn, state="ROLLING_OUT", finished_at=None, attempt="", legs=legs)
    under_way = deployments.active_rollout(tx, loop.spec.deployment)
    if under_way is not None:
        bus.emit(tx, "queued", "turn", turn.id, rollout=under_way.id)
        return
    deployment = deployments.ensure(tx, loop.spec.deployment, model=loop.spec.model)
    version = get_version(tx, loop.spec.model, turn.model_version)
    started = rollout.start(tx, deployment, version, plan=loop.spec.rollout, loop=loop.name, turn=turn.number)
    bus.emit(tx, "rolling_out", "turn", turn.id, rollout=started.id)
    _save(tx, waiting, rollout=started.number, legs=_named(waiting.legs, started.id))


def _end(tx: Tx, loop: Loop, turn: Turn, move: TurnMove) -> None:
    if move.state == "PROMOTED" and turn.dataset_is_draft:
        turn = harvests.publish(tx, loop, turn)
    legs = _closed(tx, turn.legs, result=move.state.lower(), why=move.why)
    bus.emit(tx, "ended", "turn", turn.id, state=move.state, why=move.why[:1000])
    _save(tx, turn, state=move.state, result=move.why, legs=legs, finished_at=tx.now, wake_at=None)


ACTIONS: dict[str, Callable[[Tx, Loop, Turn, TurnMove], None]] = {
    "harvest": _harvest,
    "train": _train,
    "register": _register,
    "judge": _judge,
    "reject": _reject,
    "ask": _ask,
    "roll_out": _roll_out,
    "end": _end,
}


def cancel(tx: Tx, turn: Turn, *, reason: str) -> Turn:
    """Cancel a turn with its pipeline run, its rollout and its attempt.

    Raises:
        Conflict: it ended already.
    """
    if turn.state in FINISHED:
        raise Conflict("turn", turn.id, f"is {turn.state} already")
    run = nouns.PIPELINE_RUNS.find(tx, turn.pipeline_run) if turn.pipeline_run else None
    if run is not None and run.state in ("QUEUED", "RUNNING"):
        runs.cancel(tx, run.id)
    loop = nouns.LOOPS.get(tx, turn.loop)
    under_way = nouns.ROLLOUTS.find(tx, loop.spec.deployment, turn.rollout) if turn.rollout else None
    if under_way is not None and under_way.state in deployments.ACTIVE:
        rollout.roll_back(tx, loop.spec.deployment, reason=reason or "the turn was cancelled")
    attempt = nouns.ATTEMPTS.find(tx, turn.attempt) if turn.attempt else None
    if attempt is not None:
        attempts.cancel(tx, attempt)
    _end(tx, loop, turn, TurnMove(kind="end", state="CANCELLED", why=reason or "cancelled by hand"))
    return nouns.TURNS.get(tx, turn.loop, turn.number)


def retry(tx: Tx, turn: Turn, *, person: str) -> Turn:
    """Begin a turn that continues a failed one: finished steps come from the cache.

    If the failed turn registered a version, that version is judged again. If the pipeline has changed since, the new
    turn trains instead.

    Raises:
        Conflict: it has not failed, or is not the newest turn of its loop.
    """
    if turn.state != "FAILED":
        raise Conflict("turn", turn.id, f"is {turn.state}", "Only a turn that failed can be tried again.")
    cause = Cause(kind="person", subject=turn.id, sentence=f"{person} tried {turn.id} again")
    loop = nouns.LOOPS.get(tx, turn.loop)
    if turn.number != loop.last_turn:
        newest = f"{loop.name}~{loop.last_turn}"
        raise Conflict("turn", turn.id, f"is older than {newest}", f"See: hl turn show {newest}")
    run = nouns.PIPELINE_RUNS.find(tx, turn.pipeline_run) if turn.pipeline_run else None
    present = parameters.overridden(loop.spec.pipeline, turn.params)[0]
    if turn.model_version and (run is None or run.spec == present):
        return begin(tx, loop, cause, model_version=turn.model_version, continues=turn, params=turn.params)
    harvest = turn.harvest and not turn.dataset_version
    return begin(tx, loop, cause, harvest=harvest, continues=turn, params=turn.params)


def fail(tx: Tx, turn: Turn, why: str) -> None:
    """End a turn as FAILED, with the reason. A turn that has ended stays as it is."""
    if turn.state in FINISHED:
        return
    attempt = nouns.ATTEMPTS.find(tx, turn.attempt) if turn.attempt else None
    if attempt is not None:
        attempts.cancel(tx, attempt)
    _end(tx, nouns.LOOPS.get(tx, turn.loop), turn, TurnMove(kind="end", state="FAILED", why=why))


def find(tx: Reader, turn_id: str) -> Turn:
    """Return the turn that `loop~number` names, or the newest of a loop. Raises NotFound."""
    name, _, number = turn_id.partition("~")
    if number.isdecimal():
        return nouns.TURNS.get(tx, name, int(number))
    column = nouns.TURNS.table.c
    turns = nouns.TURNS.select(tx, column.loop == name, order=[column.number.desc()], limit=1)
    if not turns:
        raise NotFound("turn", turn_id, "A turn is named like digits~3; see: hl turn ls")
    return turns[0]
