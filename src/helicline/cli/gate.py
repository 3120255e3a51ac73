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
    found = connect().post(f"/promotion-requests/{request}/{decision}", PromotionRequest, body)
    say(f"request {found.id} for {found.model}/{found.number}: {found.state}, {len(found.approvals)} of {found.people}")


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
    found = connect().get(f"/gates/{model}/{number}", GateReport)
    if json:
        as_json(found)
        return
    rows = [(one.check.name, one.outcome, one.reason, one.waived_by) for one in found.verdicts]
    table(f"{version} {'passed' if found.passed else 'stopped'}", ("check", "verdict", "why", "waived by"), rows)


@app.command(name="waive")
def waive(version: str, check: str, *, by: str, reason: str) -> None:
    """Let a version pass a check it failed, in a person's name; the loop goes on from there.

    Example: `hl gate waive churn/7 at_least:auc --by "$USER" --reason "seasonal data, agreed in review"`
    """
    model, number = split_version(version)
    body = {"check": check, "person": by, "reason": reason}
    found = connect().post(f"/gates/{model}/{number}/waive", GateReport, body)
    say(f"{version}: {check} waived by {by}; {'all checks pass now' if found.passed else 'other checks still stop it'}")


@app.command(name="requests")
def list_requests(*, state: RequestState | None = None, json: bool = False) -> None:
    """List promotion requests, newest first. Example: `hl gate requests --state OPEN`"""
    found: list[Any] = connect().items("/promotion-requests", PromotionRequest, state=state)
    if json:
        as_json(found)
        return
    rows = [
        (one.id, f"{one.model}/{one.number}", one.state, f"{len(one.approvals)}/{one.people} {one.role}")
        for one in found
    ]
    table("", ("request", "version", "state", "decisions"), rows, empty="No promotion requests.")
