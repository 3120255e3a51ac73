"""The next move of a turn: a pure decision over the turn and the facts of its current leg (note 0002)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from helicline.records.contract import NAMED_CHECKS, DataAudit
from helicline.records.deployment import Rollout
from helicline.records.gate import GateReport
from helicline.records.loop import Turn
from helicline.records.model import PromotionRequest
from helicline.records.pipeline import UNSUCCESSFUL, Attempt, PipelineRun

TASK_TRIES = 3
BUSY_RETRY_S = (15.0, 60.0, 300.0, 900.0)


class TurnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the current leg: its attempt, pipeline run, gate report, request and rollout.

    `audit` are the checks of what was harvested.
    """

    attempt: Attempt | None = None
    tries: int = 0
    pipeline_run: PipelineRun | None = None
    report: GateReport | None = None
    request: PromotionRequest | None = None
    rollout: Rollout | None = None
    rollout_under_way: str = ""
    replaced_by: str = ""
    needs_approval: bool = False
    candidate_digest: str = ""
    champion_digest: str = ""
    audit: DataAudit | None = None


class TurnMove(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do to a turn. `end` closes it with `state`; `detail` goes to the leg's record.

    A turn that waits says for what (`why`), and until when (`wake_at`) where no event ends the wait.
    """

    kind: Literal["wait", "harvest", "train", "register", "judge", "ask", "roll_out", "end", "reject"]
    state: str = ""
    why: str = ""
    wake_at: datetime | None = None
    detail: dict[str, Any] = {}


def decide(turn: Turn, facts: TurnFacts, now: datetime) -> TurnMove:
    """Return the turn's next move; a turn that has ended waits for ever."""
    if turn.state == "GATING":
        return _gating(facts, now)
    rule = RULES.get(turn.state)
    return rule(turn, facts) if rule else TurnMove(kind="wait", why=f"it is {turn.state}")


def _task(facts: TurnFacts, start: TurnMove, label: str) -> TurnMove | None:
    """Return the move for the state of an attempt, None where it has succeeded.

    One whose worker fell silent, or whose process was killed, says nothing of its work and is tried again.
    """
    attempt = facts.attempt
    if attempt is None:
        return start
    if attempt.state in UNSUCCESSFUL:
        if facts.tries < TASK_TRIES and (attempt.state == "LOST" or attempt.killed):
            return start
        return TurnMove(kind="end", state="FAILED", why=f"{label} failed: {attempt.error}")
    return None if attempt.state == "SUCCEEDED" else TurnMove(kind="wait", why=f"{label} is under way")


def _harvesting(_turn: Turn, facts: TurnFacts) -> TurnMove:
    move = _task(facts, TurnMove(kind="harvest"), "gathering labelled rows")
    if move is not None or facts.attempt is None:
        return move or TurnMove(kind="wait")
    harvest = str(facts.attempt.result.get("dataset_version", ""))
    if facts.audit is not None and facts.audit.state == "waiting":
        return TurnMove(kind="wait", why=f"it waits for the checks of {harvest}")
    if facts.audit is not None and facts.audit.state != "passed":
        why = f"the harvested rows do not keep the contract of {harvest}: {facts.audit.reason(most=NAMED_CHECKS)}"
        return TurnMove(kind="end", state="FAILED", why=why)
    return TurnMove(kind="train", detail={"dataset_version": harvest})


def _training(_turn: Turn, facts: TurnFacts) -> TurnMove:
    run = facts.pipeline_run
    if run is None:
        return TurnMove(kind="train")
    if run.state == "SUCCEEDED" and run.spec.candidate is None:
        return TurnMove(kind="end", state="SUCCEEDED", why=f"pipeline {run.pipeline} makes no candidate to judge")
    if run.state == "SUCCEEDED":
        return TurnMove(kind="register")
    if run.state in ("FAILED", "CANCELLED"):
        state = "FAILED" if run.state == "FAILED" else "CANCELLED"
        return TurnMove(kind="end", state=state, why=run.error or "the pipeline run was cancelled")
    return TurnMove(kind="wait", why=f"it waits for the end of pipeline run {run.id}")


def _registering(_turn: Turn, facts: TurnFacts) -> TurnMove:
    if facts.champion_digest and facts.champion_digest == facts.candidate_digest:
        return TurnMove(kind="end", state="UNCHANGED", why="training gave the very model that serves already")
    return TurnMove(kind="judge")


def _gating(facts: TurnFacts, now: datetime) -> TurnMove:
    if facts.report is not None:
        return _judged_again_later(facts, facts.report, now) or _after_report(facts, facts.report)
    move = _task(facts, TurnMove(kind="judge"), "judging")
    return move if move is not None else TurnMove(kind="wait", why="it waits for the report of its gate")


def _judged_again_later(facts: TurnFacts, report: GateReport, now: datetime) -> TurnMove | None:
    """Return the move where only the busy host kept a check from passing: to judge again, with growing waits."""
    failed = [verdict for verdict in report.verdicts if verdict.outcome not in ("pass", "waived")]
    state = facts.attempt.state if facts.attempt is not None and facts.attempt.created_at > report.created_at else ""
    if not failed or not all(verdict.is_of_busy_host for verdict in failed):
        return None
    if state in ("READY", "LEASED"):
        return TurnMove(kind="wait", why="judging is under way")
    if not 0 < facts.tries <= len(BUSY_RETRY_S):
        return None
    due = report.created_at + timedelta(seconds=BUSY_RETRY_S[facts.tries - 1])
    if now >= due or state in UNSUCCESSFUL:
        return TurnMove(kind="judge")
    why = f"it is judged again at {due:%H:%M:%S} UTC: {failed[0].reason}"
    return TurnMove(kind="wait", why=why, wake_at=due)


def _after_report(facts: TurnFacts, report: GateReport) -> TurnMove:
    if report.passed:
        return TurnMove(kind="ask") if facts.needs_approval else TurnMove(kind="roll_out")
    failed = [verdict for verdict in report.verdicts if verdict.outcome not in ("pass", "waived")]
    return TurnMove(
        kind="reject", why="; ".join(f"{verdict.check.name} {verdict.outcome}: {verdict.reason}" for verdict in failed)
    )


def _rejected(_turn: Turn, facts: TurnFacts) -> TurnMove:
    """A rejected turn waits here; it continues when a person waives the failed checks."""
    if facts.report is not None and facts.report.passed:
        return TurnMove(kind="ask") if facts.needs_approval else TurnMove(kind="roll_out")
    return TurnMove(kind="wait", why="it waits for a person who waives the failed checks")


def _approving(_turn: Turn, facts: TurnFacts) -> TurnMove:
    if facts.request is None:
        return TurnMove(kind="ask")
    if facts.request.state == "APPROVED":
        return TurnMove(kind="ask") if facts.needs_approval else TurnMove(kind="roll_out")
    if facts.request.state == "VOID":
        return TurnMove(kind="end", state="CANCELLED", why="the version's files changed after they were judged")
    if facts.request.state == "REJECTED":
        last = facts.request.approvals[-1]
        return TurnMove(
            kind="end", state="CANCELLED", why=f"{last.person} rejected it: {last.reason or 'no reason given'}"
        )
    return TurnMove(kind="wait", why=f"it waits for the decision on request {facts.request.id}")


ENDINGS = {
    "SUCCEEDED": "PROMOTED",
    "ROLLED_BACK": "ROLLED_BACK",
    "FAILED": "FAILED",
    "CANCELLED": "CANCELLED",
}


def _rolling_out(_turn: Turn, facts: TurnFacts) -> TurnMove:
    """A deployment has one rollout at a time. The newest turn that passed waits for it and replaces older ones."""
    if facts.rollout is None:
        if facts.replaced_by:
            return TurnMove(kind="end", state="CANCELLED", why=f"{facts.replaced_by} passed later and takes its place")
        if facts.rollout_under_way:
            return TurnMove(kind="wait", why=f"it waits for the end of rollout {facts.rollout_under_way}")
        return TurnMove(kind="roll_out")
    state = ENDINGS.get(facts.rollout.state)
    if state:
        return TurnMove(kind="end", state=state, why=facts.rollout.reason)
    return TurnMove(kind="wait", why=f"it waits for the end of rollout {facts.rollout.id}")


RULES = {
    "HARVESTING": _harvesting,
    "TRAINING": _training,
    "REGISTERING": _registering,
    "REJECTED": _rejected,
    "APPROVING": _approving,
    "ROLLING_OUT": _rolling_out,
}
