"""Pipeline runs: `hl pipeline`."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from helicline.cli.loop import settings_of
from helicline.cli.show import ago, as_json, connect, megabytes, say, table
from helicline.records.pipeline import PipelineRun
from helicline.sdk.client import Client

app = App(name="pipeline", help="Pipeline runs, their steps and logs.")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@app.command(name="run")
def run_pipeline(
    name: str,
    *,
    params: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    cache: bool = True,
    wait: bool = True,
    json: bool = False,
) -> None:
    """Run the pipeline of a loop by itself and follow it: no turn begins, and nothing is registered.

    Example: `hl pipeline run ingest --set load.day=2026-03-01`

    Parameters
    ----------
    params
        A parameter of a step or of the pipeline, for this run: load.day=2026-03-01; may be repeated.
    cache
        Reuse results of steps; with --no-cache every step runs.
    wait
        Follow the run; with --no-wait return at once.
    """
    client = connect()
    body = {"params": settings_of(params), "use_cache": cache}
    pipeline_run = client.post(f"/pipelines/{name}/runs", PipelineRun, body)
    if wait:
        pipeline_run = _follow(client, pipeline_run.id, quiet=json)
    if json:
        as_json(pipeline_run)
    elif not wait:
        say("began {}; follow it with: hl pipeline show {}", pipeline_run.id, pipeline_run.id)
    if pipeline_run.state in ("FAILED", "CANCELLED"):
        sys.exit(1)


def _follow(client: Client, run: str, *, quiet: bool) -> PipelineRun:
    """Print each step as it ends, and return the run when it ends."""
    printed: set[str] = set()
    while True:
        detail = client.get(f"/pipeline-runs/{run}", dict[str, Any])
        for step in detail["steps"]:
            if step["finished_at"] and step["step"] not in printed and not quiet:
                printed.add(step["step"])
                say("  {:16} {}  {}", step["step"], step["state"], _reason(step))
        if detail["run"]["state"] in ENDED:
            if not quiet:
                say("[bold]{}[/] {} {}", run, detail["run"]["state"], detail["run"]["error"])
            return msgspec.convert(detail["run"], PipelineRun)
        time.sleep(0.3)


@app.command(name="ls")
def list_pipeline_runs(*, limit: int = 20, json: bool = False) -> None:
    """List pipeline runs, newest first. Example: `hl pipeline ls`"""
    pipeline_runs = connect().items("/pipeline-runs", PipelineRun, limit=limit)
    if json:
        as_json(pipeline_runs)
        return
    rows = [
        (
            pipeline_run.id,
            pipeline_run.pipeline,
            pipeline_run.state,
            f"{pipeline_run.loop}~{pipeline_run.turn}" if pipeline_run.turn else "",
            ago(pipeline_run.created_at),
        )
        for pipeline_run in pipeline_runs
    ]
    table(
        "",
        ("run", "pipeline", "state", "turn", "began"),
        rows,
        empty="No pipeline run yet. Begin one with: hl pipeline run NAME",
    )


@app.command(name="show")
def show_pipeline_run(run: str, *, json: bool = False) -> None:
    """Show the steps of a pipeline run. Example: `hl pipeline show 6f0c...`"""
    detail = connect().get(f"/pipeline-runs/{run}", dict[str, Any])
    if json:
        as_json(detail)
        return
    say("[bold]{}[/] {} {}", detail["run"]["pipeline"], detail["run"]["state"], detail["run"]["error"])
    if detail["run"]["params"]:
        say("set: {}", ", ".join(f"{name}={value}" for name, value in detail["run"]["params"].items()))
    peaks = {attempt["step"]: attempt["peak_bytes"] for attempt in detail["attempts"]}  # the newest comes last
    rows = [
        (step["step"], step["state"], step["attempt_count"], megabytes(peaks.get(step["step"], 0)), _reason(step))
        for step in detail["steps"]
    ]
    table("", ("step", "state", "attempts", "memory", ""), rows)


def _reason(step: dict[str, Any]) -> str:
    if step["error"]:
        return str(step["error"])
    return f"kept from {step['cached_from']}" if step["cached_from"] else str(step["miss_reason"])


@app.command(name="cancel")
def cancel(run: str) -> None:
    """Cancel a pipeline run. Example: `hl pipeline cancel 6f0c...`"""
    cancelled = connect().post(f"/pipeline-runs/{run}/cancel", PipelineRun)
    say("{} {}", cancelled.id, cancelled.state)


@app.command(name="logs")
def logs(run: str, step: str, *, follow: bool = False) -> None:
    """Print the output of a step's newest attempt. Example: `hl pipeline logs 6f0c... train --follow`

    Parameters
    ----------
    follow
        Keep printing while the step runs.
    """
    client, offset = connect(), 0
    while True:
        detail = client.get(f"/pipeline-runs/{run}", dict[str, Any])
        attempts = [attempt for attempt in detail["attempts"] if attempt["step"] == step]
        if attempts:
            attempt = max(attempts, key=lambda attempt: attempt["number"])
            response = client.send("GET", f"/attempts/{attempt['id']}/log", offset=offset)
            offset = int(response.headers["X-Next-Offset"])
            sys.stdout.write(response.text)
            sys.stdout.flush()
            if response.content:
                continue
        if not follow or detail["run"]["state"] in ENDED or (attempts and attempt["state"] not in ("READY", "LEASED")):
            if not attempts:
                say("step {} has not run in {}", step, run)
            return
        time.sleep(0.4)
