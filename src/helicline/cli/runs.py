"""Tracked runs, and why steps ran again: `hl runs`."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from helicline.cli.show import ago, as_json, connect, say, table
from helicline.records.run import Run

app = App(name="runs", help="Tracked runs.")


@app.command(name="ls")
def list_runs(
    *, filter: str = "", order_by: str = "attributes.start_time DESC", limit: int = 20, json: bool = False
) -> None:
    """List runs by an MLflow filter. Example: `hl runs ls --filter "metrics.accuracy > 0.9"`"""
    found = connect().items("/runs", Run, filter=filter or None, order_by=order_by, limit=limit)
    if json:
        as_json(found)
        return
    rows = [
        (
            one.run_id[:12],
            one.name,
            one.status,
            " ".join(f"{m.key}={m.value:.4g}" for m in one.metrics[:4]),
            ago(one.start_time),
        )
        for one in found
    ]
    table("", ("run", "name", "status", "metrics", "began"), rows, empty="No runs yet.")


@app.command(name="show")
def show_run(run_id: str, *, json: bool = False) -> None:
    """Show a run's parameters, metrics and tags. Example: `hl runs show 0af3...`"""
    found = connect().get(f"/runs/{run_id}", Run)
    if json:
        as_json(found)
        return
    say(f"[bold]{found.name}[/] {found.run_id} {found.status}")
    rows = [("param", name, value) for name, value in sorted(found.params.items())]
    rows += [("metric", one.key, f"{one.value:.6g}") for one in found.metrics]
    table("", ("", "name", "value"), rows)


@app.command(name="why-rerun")
def why_rerun(pipeline_run: str, *, json: bool = False) -> None:
    """Say of each step of a pipeline run why it ran, or where its result was kept from.

    Example: `hl runs why-rerun 6f0c...`
    """
    found = connect().items(f"/pipeline-runs/{pipeline_run}/why", dict[str, Any])
    if json:
        as_json(found)
        return
    table("", ("step", "state", "why"), [(one["step"], one["state"], one["reason"]) for one in found])
