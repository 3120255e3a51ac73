"""Deployments and rollouts: `hl deploy`, `hl rollout`, `hl rollback`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.show import ago, as_json, connect, say, table
from helicline.errors import Invalid, NotFound
from helicline.records.deployment import Revision, Rollout

app = App(name="deploy", help="Deployments: named places that answer predictions.")
rollout_app = App(name="rollout", help="Rollouts: traffic moves to a candidate step by step.")


def rollback(deployment: str, *, reason: str = "", json: bool = False) -> None:
    """Roll back at once: the active rollout, or else to the previous revision, which is still loaded.

    Example: `hl rollback churn --reason "complaints from support"`
    """
    detail = connect().post(f"/deployments/{deployment}/rollback", dict[str, Any], {"reason": reason})
    if json:
        as_json(detail)
        return
    stable = next(revision for revision in detail["revisions"] if revision["number"] == detail["deployment"]["stable"])
    say("{} serves {}/{} (revision {})", deployment, stable["model"], stable["model_version"], stable["number"])


def split_version(model_version: str) -> tuple[str, int]:
    model, _, number = model_version.rpartition("/")
    if not model or not number.isdecimal():
        raise Invalid("version", model_version, "a model version like churn/7")
    return model, int(number)


@app.command(name="probe")
def probe_revision(deployment: str, revision: int) -> None:
    """Have a revision that failed or is quarantined loaded again.

    Example: `hl deploy probe churn 12`
    """
    probed = connect().post(f"/deployments/{deployment}/revisions/{revision}/probe", Revision)
    say("{} {}", probed.id, probed.state)


@app.command(name="ls")
def list_deployments(*, json: bool = False) -> None:
    """List deployments with what they serve. Example: `hl deploy ls`"""
    details = connect().items("/deployments", dict[str, Any])
    if json:
        as_json(details)
        return
    table(
        "",
        ("deployment", "serves", "state", "requests", "errors", "rollout"),
        [_row(detail) for detail in details],
        empty="No deployment yet. The first turn of a loop makes one.",
    )


def _row(detail: dict[str, Any]) -> tuple[Any, ...]:
    stable = next((r for r in detail["revisions"] if r["number"] == detail["deployment"]["stable"]), None)
    requests = sum(count["requests"] for count in detail["counts"])
    errors = sum(count["errors"] for count in detail["counts"])
    rollout = detail["rollout"]
    moving = f"#{rollout['number']} {rollout['state']} {rollout['reason']}" if rollout else ""
    serves = f"{stable['model']}/{stable['model_version']}" if stable else "nothing yet"
    return detail["deployment"]["name"], serves, stable["state"] if stable else "", requests, errors, moving


@app.command(name="show")
def show_deployment(deployment: str, *, json: bool = False) -> None:
    """Show a deployment's revisions, traffic and guards. Example: `hl deploy show churn`"""
    detail = connect().get(f"/deployments/{deployment}", dict[str, Any])
    if json:
        as_json(detail)
        return
    rows = [
        (
            f"#{revision['number']}",
            f"{revision['model']}/{revision['model_version']}",
            revision["state"],
            revision["pid"] or "",
            revision["reason"],
        )
        for revision in detail["revisions"]
    ]
    table("revisions", ("", "version", "state", "pid", ""), rows)
    if detail["rollout"]:
        _show_rollout(detail["rollout"])


def _show_rollout(rollout: dict[str, Any]) -> None:
    say("\nrollout #{} {}: {}", rollout["number"], rollout["state"], rollout["reason"])
    for step in rollout["steps"]:
        say("  step {}: {:g} %", step["index"] + 1, step["weight_bp"] / 100)
        for reading in step["readings"]:
            say(
                "    {} {} {}: {}",
                reading["guard"]["kind"],
                reading["guard"]["metric"],
                reading["outcome"],
                reading["reason"],
            )


@rollout_app.command(name="start")
def start_rollout(deployment: str, version: str) -> None:
    """Give a model version all traffic as soon as it is loaded. Example: `hl rollout start churn churn/7`"""
    model, number = split_version(version)
    body = {"model": model, "number": number}
    rollout = connect().post(f"/deployments/{deployment}/rollouts", Rollout, body)
    say("rollout {} {}", rollout.id, rollout.state)


@rollout_app.command(name="ls")
def list_rollouts(deployment: str, *, json: bool = False) -> None:
    """List a deployment's rollouts, newest first. Example: `hl rollout ls churn`"""
    rollouts = connect().get(f"/deployments/{deployment}", dict[str, Any])["rollouts"]
    if json:
        as_json(rollouts)
        return
    rows = [
        (f"{deployment}#{rollout['number']}", rollout["state"], rollout["reason"], rollout["created_by"])
        for rollout in rollouts
    ]
    table("", ("rollout", "state", "why", "by"), rows, empty="No rollout yet.")


@rollout_app.command(name="report")
def report(rollout: str, *, md: bool = False, json: bool = False) -> None:
    """Show what the outcomes of a rollout say: units, means, lift with its interval, and who did not count.

    Example: `hl rollout report churn#3 --md`

    Parameters
    ----------
    rollout
        A rollout like churn#3, or a deployment for its newest one.
    md
        As Markdown.
    """
    deployment, _, number = rollout.partition("#")
    client = connect()
    if not number:
        rollouts = client.get(f"/deployments/{deployment}", dict[str, Any])["rollouts"]
        if not rollouts:
            raise NotFound("rollout", deployment, "The deployment has had none yet. See: hl deploy ls")
        number = str(rollouts[0]["number"])
    if not number.isdecimal():
        raise Invalid("rollout", rollout, "a rollout like churn#3, or a deployment")
    detail = client.get(f"/deployments/{deployment}/rollouts/{number}", dict[str, Any])
    if json:
        as_json(detail)
    elif md:
        say("{}", detail["markdown"].rstrip("\n"))
    else:
        _show_report(detail)


def _show_report(detail: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(detail["markdown"]))


@rollout_app.command(name="plan")
def plan(deployment: str, *, json: bool = False) -> None:
    """Say how long the A/B test of a deployment's loop takes at the traffic of the last four weeks.

    Example: `hl rollout plan churn`
    """
    estimated = connect().get(f"/deployments/{deployment}/rollout-plan", dict[str, Any])
    if json:
        as_json(estimated)
        return
    for sentence in estimated["sentences"]:
        say("{}", sentence)
    for row in estimated["estimates"]:
        if row["durations"]:
            say(
                "\n{}: {:.4g} on average, {:.0f} {}s a day in the last {:.3g} days",
                row["outcome"]["name"],
                row["mean"],
                row["units_per_day"],
                row["outcome"]["per"],
                row["looked_back_days"],
            )
            rows = [
                (f"{duration['lift']:.0%}", f"{duration['units']:,}", f"{duration['days']:.1f}")
                for duration in row["durations"]
            ]
            table("", ("lift", "units", "days"), rows)


def _act(deployment: str, action: str, body: dict[str, Any]) -> None:
    rollout = connect().post(f"/deployments/{deployment}/{action}", Rollout, body)
    say("rollout {} {}: {} ({})", rollout.id, rollout.state, rollout.reason, ago(rollout.created_at))


@rollout_app.command(name="promote")
def promote(deployment: str, *, reason: str = "") -> None:
    """Give the candidate all traffic now. Example: `hl rollout promote churn`"""
    _act(deployment, "promote", {"reason": reason})


@rollout_app.command(name="advance")
def advance(deployment: str, *, reason: str = "") -> None:
    """Go to the next step now. Example: `hl rollout advance churn`"""
    _act(deployment, "advance", {"reason": reason})


@rollout_app.command(name="hold")
def hold(deployment: str) -> None:
    """Keep the weights as they are; guards still roll back. Example: `hl rollout hold churn`"""
    _act(deployment, "hold", {})


@rollout_app.command(name="resume")
def resume(deployment: str) -> None:
    """Continue a held rollout. Example: `hl rollout resume churn`"""
    _act(deployment, "resume", {})
