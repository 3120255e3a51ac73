"""Watches an outcome after a version began to serve: is it worse than with the version before?

Units are those that a version first served in a period of equal length; where the version before served long enough,
a period that begins on the same day of the week and at the same time.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from helicline import bus
from helicline.errors import Refused
from helicline.loop.context import Context
from helicline.loop.evidence.sealed import sealed_until
from helicline.loop.monitors.subject import Subject
from helicline.outcome.units import Span, count
from helicline.records.loop import Leg
from helicline.records.monitor import Finding, Monitor, MonitorSpec, Window
from helicline.records.outcome import OutcomeSpec, Sample, StageSample
from helicline.serving import deployments, evidence
from helicline.store import nouns
from helicline.store.unit import Tx

ALPHA = 0.05
WEEK = timedelta(days=7)


def judged(context: Context, monitor: Monitor, subject: Subject, *, now: datetime) -> Window:
    """Return the window of a watch: the outcome since the version began to serve, against the version before."""
    spec = monitor.spec
    ends = subject.since + timedelta(seconds=spec.for_s)
    window = Window(
        deployment=monitor.deployment,
        monitor=monitor.name,
        start=subject.since,
        end=now,
        severity="insufficient_data",
        row_count=0,
        model_version=subject.revision.model_version,
        judged_at=now,
    )
    if spec.outcome is None or not subject.deployment.previous:
        return msgspec.structs.replace(window, reason="no version served before this one")
    if now > ends + timedelta(seconds=spec.outcome.window_s + spec.window_s):
        return msgspec.structs.replace(window, reason=f"the watch ended on {ends:%Y-%m-%d %H:%M} UTC")
    before, after = _samples(context, subject, spec.outcome, until=min(now, ends))
    counts = f"{after.count} {spec.outcome.per}s with a closed window, {before.count} of the version before"
    stages = (StageSample(index=1, stable=before, candidate=after),)
    finding, is_enough = _finding(spec, spec.outcome, stages)
    if not is_enough:
        return msgspec.structs.replace(window, row_count=after.count, reason=f"too few to compare: {counts}")
    return msgspec.structs.replace(
        window, row_count=after.count, severity=finding.severity, findings=(finding,), reason=""
    )


def _samples(context: Context, subject: Subject, spec: OutcomeSpec, *, until: datetime) -> tuple[Sample, Sample]:
    """Return the units of the version before, and those of the one that serves."""
    deployment = subject.deployment
    previous = context.store.read(lambda tx: nouns.REVISIONS.get(tx, deployment.name, deployment.previous))
    length = until - subject.since
    shifted = subject.since - WEEK * math.ceil(length / WEEK)
    first_day = previous.ready_at or previous.created_at
    start = shifted if first_day <= shifted else max(subject.since - length, first_day)
    now = context.store.clock.now()
    complete = sealed_until(context, now, "predictions", "labels")
    periods = {
        deployment.previous: (start, min(start + length, subject.since)),
        deployment.stable: (subject.since, until),
    }
    samples = []
    for revision, (since, end) in periods.items():
        span = Span(deployment=deployment.name, revision=revision, since=since, until=end, complete=complete)
        units = count(context.home, span, spec)
        samples.append(units.stages[0].stable if units.stages else Sample())
    return samples[0], samples[1]


def _finding(spec: MonitorSpec, outcome: OutcomeSpec, stages: tuple[StageSample, ...]) -> tuple[Finding, bool]:
    drop, (stage,) = spec.drop or 0.0, stages
    compared = evidence.contrast(stages, margin=drop, alpha=ALPHA, higher_is_better=outcome.higher_is_better)
    lift, interval = evidence.lift(stages), evidence.lift_interval(stages, alpha=ALPHA)
    between = f" ({interval[0]:+.1%} to {interval[1]:+.1%})" if interval else ""
    is_worse = compared.enough and compared.log_harm >= math.log(1 / ALPHA)
    sign = 1 if outcome.higher_is_better else -1
    finding = Finding(
        column=outcome.name,
        statistic="mean",
        value=stage.candidate.mean or 0.0,
        threshold=(stage.stable.mean or 0.0) * (1 - sign * drop),
        p_value=min(1.0, math.exp(-max(compared.log_harm, 0.0))),
        severity="critical" if is_worse else "ok",
        window_count=stage.candidate.count,
        reference_count=stage.stable.count,
        detail=(
            f"{outcome.name} {stage.candidate.mean or 0:.4g} of {stage.candidate.count} {outcome.per}s, "
            f"{stage.stable.mean or 0:.4g} of {stage.stable.count} with the version before"
            + (f": {lift:+.1%}{between}" if lift is not None else "")
        ),
    )
    return finding, compared.enough


def roll_back(tx: Tx, monitor: Monitor, window: Window) -> None:
    """Let the version before serve again, and write down why on the turn of the one that served worse.

    Not where a person or another watch did so before, nor while a rollout is under way: then the alert stays for a
    person.
    """
    deployment = nouns.DEPLOYMENTS.get(tx, monitor.deployment)
    detail = window.findings[0].detail
    if deployment.stable < deployment.previous or deployments.active_rollout(tx, deployment.name) is not None:
        return
    worse = nouns.REVISIONS.get(tx, deployment.name, deployment.stable)
    try:
        deployments.flip_back(tx, deployment.name, reason=f"{monitor.name}: {detail}")
    except Refused as error:
        bus.emit(tx, "not_rolled_back", "monitor", monitor.id, why=str(error))
        return
    bus.emit(tx, "rolled_back", "monitor", monitor.id, revision=worse.id, why=detail)
    _note_on_turn(tx, monitor, worse.number, window, detail=detail)


def _note_on_turn(tx: Tx, monitor: Monitor, revision: int, window: Window, *, detail: str) -> None:
    column = nouns.ROLLOUTS.table.c
    promoted = nouns.ROLLOUTS.select(tx, column.deployment == monitor.deployment, column.state == "SUCCEEDED")
    rollout = next((row for row in reversed(promoted) if row.candidate == revision and row.turn), None)
    turn = nouns.TURNS.find(tx, rollout.loop, rollout.turn) if rollout else None
    if turn is None:
        return
    leg = Leg(
        name="watch",
        started_at=window.start,
        finished_at=tx.now,
        result="rolled back",
        subject=monitor.id,
        detail={"why": detail},
    )
    result = f"{turn.result}; then rolled back: {detail}"
    nouns.TURNS.swap(tx, msgspec.structs.replace(turn, legs=(*turn.legs, leg), result=result))
