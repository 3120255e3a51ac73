"""Gates and approvals: `hl gate`, `hl approve`, `hl reject`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.deploy import split_version
from helicline.cli.show import as_json, connect, say, table
from helicline.records.gate import GateReport
from helicline.records.model import PromotionRequest, RequestState

app = App(name="gate", help="Gates: checks, verdicts, waivers.")


def _decide(request: str, decision: str, *, by: str, reason: str) -> None:
    body = {"person": by, "reason": reason}
    updated = connect().post(f"/promotion-requests/{request}/{decision}", PromotionRequest, body)
    progress = f"{len(updated.approvals)} of {updated.people}"
    say("request {} for {}/{}: {}, {}", updated.id, updated.model, updated.number, updated.state, progress)


def approve(request: str, *, by: str = "", reason: str = "") -> None:
    """Approve a promotion request.

    Example: `hl approve 4f2a91c03b7d --by "$USER" --reason "slices checked"`

    Parameters
    ----------
    by
        Who approves; with a token, the token's name decides.
    """
    _decide(request, "approve", by=by, reason=reason)


def reject(request: str, *, by: str = "", reason: str = "") -> None:
    """Reject a promotion request. Example: `hl reject 4f2a91c03b7d --by "$USER" --reason "bias in segment B"`"""
    _decide(request, "reject", by=by, reason=reason)


@app.command(name="show")
def show_report(version: str, *, json: bool = False) -> None:
    """Show the verdicts on a model version. Example: `hl gate show churn/7`"""
    model, number = split_version(version)
    report = connect().get(f"/gates/{model}/{number}", GateReport)
    if json:
        as_json(report)
        return
    rows = [(verdict.check.name, verdict.outcome, verdict.reason, verdict.waived_by) for verdict in report.verdicts]
    table(f"{version} {'passed' if report.passed else 'stopped'}", ("check", "verdict", "why", "waived by"), rows)
    for why in report.evidence.untested:
        say("not tested: {}", why)


@app.command(name="waive")
def waive(version: str, check: str, *, by: str, reason: str) -> None:
    """Waive a failed check of a version, in a person's name; its turn continues.

    Example: `hl gate waive churn/7 at_least:auc --by "$USER" --reason "seasonal data, agreed in review"`
    """
    model, number = split_version(version)
    body = {"check": check, "person": by, "reason": reason}
    report = connect().post(f"/gates/{model}/{number}/waive", GateReport, body)
    say(
        "{}: {} waived by {}; {}",
        version,
        check,
        by,
        "all checks pass now" if report.passed else "other checks still stop it",
    )


@app.command(name="requests")
def list_requests(*, state: RequestState | None = None, json: bool = False) -> None:
    """List promotion requests, newest first. Example: `hl gate requests --state OPEN`"""
    requests: list[Any] = connect().items("/promotion-requests", PromotionRequest, state=state)
    if json:
        as_json(requests)
        return
    rows = [
        (
            request.id,
            f"{request.model}/{request.number}",
            request.state,
            f"{len(request.approvals)}/{request.people} {request.role}",
        )
        for request in requests
    ]
    table("", ("request", "version", "state", "decisions"), rows, empty="No promotion requests.")
