"""Pipeline runs: `hl pipeline`."""

from __future__ import annotations

import sys
import time
from typing import Any

from cyclopts import App

from helicline.cli.show import ago, as_json, connect, say, table
from helicline.records.pipeline import PipelineRun

app = App(name="pipeline", help="Pipeline runs, their steps and logs.")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@app.command(name="ls")
def list_pipeline_runs(*, limit: int = 20, json: bool = False) -> None:
    """List pipeline runs, newest first. Example: `hl pipeline ls`"""
    found = connect().items("/pipeline-runs", PipelineRun, limit=limit)
    if json:
        as_json(found)
        return
    rows = [
        (one.id, one.pipeline, one.state, f"{one.loop}~{one.turn}" if one.turn else "", ago(one.created_at))
        for one in found
    ]
    table(
        "",
        ("run", "pipeline", "state", "turn", "began"),
        rows,
        empty="No pipeline run yet. Begin one with: hl run NAME",
    )


@app.command(name="show")
def show_pipeline_run(run: str, *, json: bool = False) -> None:
    """Show the steps of a pipeline run. Example: `hl pipeline show 6f0c...`"""
    found = connect().get(f"/pipeline-runs/{run}", dict[str, Any])
    if json:
        as_json(found)
        return
    say(f"[bold]{found['run']['pipeline']}[/] {found['run']['state']} {found['run']['error']}")
    rows = [(one["step"], one["state"], one["attempt_count"], _reason(one)) for one in found["steps"]]
    table("", ("step", "state", "attempts", ""), rows)


def _reason(step: dict[str, Any]) -> str:
    if step["error"]:
        return str(step["error"])
    return f"kept from {step['cached_from']}" if step["cached_from"] else str(step["miss_reason"])


@app.command(name="cancel")
def cancel(run: str) -> None:
    """Stop a pipeline run. Example: `hl pipeline cancel 6f0c...`"""
    found = connect().post(f"/pipeline-runs/{run}/cancel", PipelineRun)
    say(f"{found.id} {found.state}")


@app.command(name="logs")
def logs(run: str, step: str, *, follow: bool = False) -> None:
    """Print the output of a step's newest attempt. Example: `hl pipeline logs 6f0c... train --follow`

    Parameters
    ----------
    follow
        Go on printing while the step runs.
    """
    client, offset = connect(), 0
    while True:
        found = client.get(f"/pipeline-runs/{run}", dict[str, Any])
        mine = [one for one in found["attempts"] if one["step"] == step]
        if mine:
            attempt = max(mine, key=lambda one: one["number"])
            response = client.send("GET", f"/attempts/{attempt['id']}/log", offset=offset)
            offset = int(response.headers["X-Next-Offset"])
            sys.stdout.write(response.text)
            sys.stdout.flush()
            if response.content:
                continue
        if not follow or found["run"]["state"] in ENDED or (mine and attempt["state"] not in ("READY", "LEASED")):
            if not mine:
                say(f"step {step} has not run in {run}")
            return
        time.sleep(0.4)
