"""The facts by which a turn is decided: the state of its current leg, and of what it waits for."""

from __future__ import annotations

from helicline.loop.decide import TurnFacts
from helicline.records.contract import DataAudit
from helicline.records.gate import GateReport
from helicline.records.loop import RESTING, ApprovalRule, Loop, Turn
from helicline.records.model import ModelVersion
from helicline.records.pipeline import Attempt
from helicline.registry import unmet
from helicline.serving import deployments
from helicline.store import nouns
from helicline.store.unit import Reader


def facts_of(tx: Reader, turn: Turn, loop: Loop) -> TurnFacts:
    """Return the facts of the turn's current leg."""
    spec = loop.spec
    version = nouns.VERSIONS.find(tx, spec.model, turn.model_version) if turn.model_version else None
    champion = nouns.VERSIONS.find(tx, spec.model, turn.champion) if turn.champion else None
    report = nouns.REPORTS.find(tx, spec.model, turn.model_version) if turn.model_version else None
    report = report if report and version and _is_of(report, turn, version) else None
    under_way = deployments.active_rollout(tx, spec.deployment)
    # whose consent is left is asked only where it decides
    may_go_on = turn.state == "APPROVING" or (
        turn.state in ("GATING", RESTING) and report is not None and report.passed
    )
    attempt = nouns.ATTEMPTS.find(tx, turn.attempt) if turn.attempt else None
    return TurnFacts(
        attempt=attempt,
        audit=_audit(tx, attempt) if attempt and turn.state == "HARVESTING" else None,
        tries=tries_of(tx, turn),
        pipeline_run=nouns.PIPELINE_RUNS.find(tx, turn.pipeline_run) if turn.pipeline_run else None,
        report=report,
        request=nouns.REQUESTS.find(tx, turn.request) if turn.request else None,
        rollout=nouns.ROLLOUTS.find(tx, spec.deployment, turn.rollout) if turn.rollout else None,
        rollout_under_way=under_way.id if under_way else "",
        replaced_by=_replaced_by(tx, turn),
        needs_approval=bool(may_go_on and version and rules_left(tx, loop, turn, version)),
        candidate_digest=version.digest if version else "",
        champion_digest=champion.digest if champion else "",
    )


def _audit(tx: Reader, attempt: Attempt) -> DataAudit | None:
    """Return the checks of the version that a harvest committed."""
    dataset, _, version_id = str(attempt.result.get("dataset_version", "")).partition("@")
    version = nouns.DATASET_VERSIONS.find(tx, dataset, version_id)
    return version.audit if version else None


def rules_left(tx: Reader, loop: Loop, turn: Turn, version: ModelVersion) -> list[ApprovalRule]:
    """Return the approvals that are missing: the rule of the loop, and the protection of `champion`."""
    rules = []
    own_rule, request = loop.spec.approval, nouns.REQUESTS.find(tx, turn.request) if turn.request else None
    if own_rule is not None and not (request and request.state == "APPROVED"):
        rules.append(own_rule)
    if (rule := unmet(tx, version, "champion")) is not None:
        rules.append(ApprovalRule(role=rule.role, people=rule.people))
    return rules


def _is_of(report: GateReport, turn: Turn, version: ModelVersion) -> bool:
    """Return whether the report judges these files and belongs to this turn, not to an earlier one."""
    return report.digest == version.digest and report.created_at >= turn.created_at


def tries_of(tx: Reader, turn: Turn) -> int:
    attempt = nouns.ATTEMPTS.find(tx, turn.attempt) if turn.attempt else None
    return attempt.number if attempt else 0


def _replaced_by(tx: Reader, turn: Turn) -> str:
    """Return the newer turn of the loop that waits for its rollout as this one does, "" where there is none."""
    if turn.state != "ROLLING_OUT" or turn.rollout:
        return ""
    column = nouns.TURNS.table.c
    newer = nouns.TURNS.select(tx, column.loop == turn.loop, column.number > turn.number, column.state == "ROLLING_OUT")
    waiting = [other for other in newer if not other.rollout]
    return max(waiting, key=lambda other: other.number).id if waiting else ""
