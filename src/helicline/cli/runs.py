"""Tracked runs, and why steps ran again: `hl runs`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from cyclopts import App

from helicline.cli.script import LOG_FILE
from helicline.cli.show import ago, as_json, connect, say, table
from helicline.errors import Invalid, NotFound
from helicline.records.run import Run
from helicline.sdk import runs
from helicline.sdk.client import Client

DEFAULT_LIMIT = 20
LONG_COLUMNS = ("name", "metrics")
MAX_KEY_WIDTH = 24
MIN_PREFIX_LENGTH, HEX = 4, frozenset("0123456789abcdef")
app = App(name="runs", help="Tracked runs.")


@app.command(name="ls")
def list_runs(
    *,
    filter: str = "",
    experiment: str = "",
    order_by: str = runs.NEWEST,
    limit: int | None = None,
    to: str = "",
    json: bool = False,
) -> None:
    """List runs by an MLflow filter. Example: `hl runs ls --filter "metrics.accuracy > 0.9" --to best.csv`

    Parameters
    ----------
    experiment
        The id or the name of an experiment; every active one by default.
    limit
        The greatest number of runs; by default 20 on the screen, and all in a file.
    to
        Write them to a `.csv` or `.parquet` file, with every metric, parameter and tag.
    """
    if limit is not None and limit < 1:
        raise Invalid("limit", limit, "1 or more")
    max_count = limit if limit is not None else sys.maxsize if to else DEFAULT_LIMIT
    matching = runs.search(filter, experiment=experiment, order_by=order_by, limit=max_count, client=connect())
    if to:
        say("{} runs in {}", len(matching), _save(matching, to))
        return
    if json:
        as_json(matching)
        return
    rows = [(run.run_id[:12], run.name, run.status, _metrics(run, 4), ago(run.start_time)) for run in matching]
    table("", ("run", "name", "status", "metrics", "began"), rows, empty="No runs yet.", shortened=LONG_COLUMNS)


def _save(selection: runs.Runs, to: str) -> Path:
    try:
        return selection.save(to)
    except OSError as error:
        raise Invalid("to", to, f"a file that can be written ({error.strerror})") from None


def _find_run(run_id: str, client: Client) -> Run:
    """Return the run with that id, or the only one whose id begins so."""
    if len(run_id) >= MIN_PREFIX_LENGTH and set(run_id) <= HEX and len(run_id) < 32:
        matches = runs.search(f"attributes.run_id LIKE '{run_id}%'", limit=2, client=client)
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise Invalid("run_id", run_id, "the beginning of one run's id only")
    return runs.get(run_id, client=client)


def _metrics(run: Run, max_count: int) -> str:
    return " ".join(f"{_shortened(point.key)}={point.value:.4g}" for point in run.metrics[:max_count])


def _shortened(key: str) -> str:
    """Return the key; of a long key both ends, which distinguish it from others in a list."""
    return key if len(key) <= MAX_KEY_WIDTH else f"{key[: MAX_KEY_WIDTH // 2]}…{key[-MAX_KEY_WIDTH // 2 + 1 :]}"


@app.command(name="show")
def show_run(run_id: str, *, json: bool = False) -> None:
    """Show a run's parameters, metrics and tags. Example: `hl runs show 0af3...`"""
    run = _find_run(run_id, connect())
    if json:
        as_json(run)
        return
    say("[bold]{}[/] {} {}", run.name, run.run_id, run.status)
    rows = [("param", name, value) for name, value in sorted(run.params.items())]
    rows += [("metric", metric.key, f"{metric.value:.6g}") for metric in run.metrics]
    rows += [("tag", name, value) for name, value in sorted(run.tags.items())]
    table("", ("", "name", "value"), rows)


@app.command(name="compare")
def compare_runs(*run_ids: str, json: bool = False) -> None:
    """Show the differences of these runs. Example: `hl runs compare 0af3... 71bc...`"""
    if len(run_ids) < 2:
        raise Invalid("run_ids", len(run_ids), "two runs or more")
    client = connect()
    compared = [_find_run(run_id, client) for run_id in run_ids]
    rows = runs.differences(compared)
    if json:
        as_json({name: dict(zip(run_ids, values, strict=True)) for name, values in rows})
        return
    columns = ("", *(f"{run.name} {run.run_id[:8]}" for run in compared))
    table("", columns, [(name, *values) for name, values in rows], empty="They are the same.")


@app.command(name="watch")
def watch_run(run_id: str, *, every: float = 2.0) -> None:
    """Print a run's metrics as they change, until it ends. Example: `hl runs watch 0af3...`"""
    client, before = connect(), ""
    run_id = _find_run(run_id, client).run_id
    while True:
        run = runs.get(run_id, client=client)
        line = f"{run.status} {_metrics(run, 12)}"
        if line != before:
            say("{}", line)
        before = line
        if run.status not in ("RUNNING", "SCHEDULED"):
            return
        time.sleep(max(0.2, every))


@app.command(name="tail")
def tail_run(run_id: str, *, follow: bool = False) -> None:
    """Print the output of a program that `hl run --` started. Example: `hl runs tail 0af3... --follow`

    Parameters
    ----------
    follow
        Keep printing while the run is active; new output arrives every few seconds.
    """
    client, printed_length = connect(), 0
    run_id = _find_run(run_id, client).run_id
    while True:
        run = runs.get(run_id, client=client)
        path = run.artifact_uri.removeprefix("mlflow-artifacts:/")
        log = client.wire_bytes(f"/api/2.0/mlflow-artifacts/artifacts/{path}/{LOG_FILE}")
        if log is None and not follow:
            raise NotFound("output of run", run_id)
        sys.stdout.buffer.write((log or b"")[printed_length:])
        sys.stdout.buffer.flush()
        printed_length = len(log or b"")
        if not follow or run.status not in ("RUNNING", "SCHEDULED"):
            return
        time.sleep(1.0)


@app.command(name="why-rerun")
def why_rerun(pipeline_run: str, *, json: bool = False) -> None:
    """Show for each step of a pipeline run why it ran, or the run whose result was reused.

    Example: `hl runs why-rerun 6f0c...`
    """
    steps = connect().items(f"/pipeline-runs/{pipeline_run}/why", dict[str, Any])
    if json:
        as_json(steps)
        return
    table("", ("step", "state", "why"), [(step["step"], step["state"], step["reason"]) for step in steps])
