"""Stored verdicts: one report for each model version, bound to its digest, and waivers with a name and a reason."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from helicline import bus
from helicline.errors import Conflict, Invalid, NotFound
from helicline.gate.judge import judge
from helicline.records.gate import Check, Evidence, GateReport, Verdict
from helicline.records.model import ModelVersion
from helicline.store import nouns
from helicline.store.unit import Tx


def record(tx: Tx, version: ModelVersion, checks: Sequence[Check], evidence: Evidence) -> GateReport:
    """Judge every check, and store and return the report."""
    report = GateReport(
        model=version.model,
        number=version.number,
        digest=version.digest,
        loop=version.loop,
        turn=version.turn,
        created_at=tx.now,
        verdicts=tuple(judge(check, evidence) for check in checks),
        evidence=evidence,
    )
    nouns.REPORTS.put(tx, report)
    bus.emit(tx, "judged", "gate", version.id, passed=report.passed, verdicts=report.summary)
    return report


def waive(tx: Tx, model: str, number: int, *, check: str, person: str, reason: str) -> GateReport:
    """Waive a check that did not pass, in the name of a person and with a reason.

    Raises:
        NotFound: no report, or no such check. Conflict: the check passed or is waived already.
        Invalid: no person, or a reason under 10 characters.
    """
    if not person.strip():
        raise Invalid("person", person, "the name of the person who answers for it")
    if len(reason.strip()) < 10:
        raise Invalid("reason", reason, "a reason of at least 10 characters")
    report = nouns.REPORTS.get(tx, model, number)
    verdict = next((candidate for candidate in report.verdicts if candidate.check.name == check), None)
    if verdict is None:
        names = ", ".join(candidate.check.name for candidate in report.verdicts)
        raise NotFound("check", check, f"The checks of {model}/{number} are: {names}.")
    if verdict.outcome in ("pass", "waived"):
        raise Conflict("check", check, f"is {verdict.outcome} already")
    waived = _waived(tx, verdict, person=person, reason=reason)
    verdicts = tuple(waived if other is verdict else other for other in report.verdicts)
    bus.emit(tx, "waived", "gate", f"{model}/{number}", check=check, person=person, reason=reason, was=verdict.outcome)
    return nouns.REPORTS.swap(tx, msgspec.structs.replace(report, verdicts=verdicts))


def _waived(tx: Tx, verdict: Verdict, *, person: str, reason: str) -> Verdict:
    return msgspec.structs.replace(verdict, outcome="waived", waived_by=person, waiver_reason=reason, waived_at=tx.now)
