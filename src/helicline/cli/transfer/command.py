"""`hl import mlflow` and `hl export mlflow`: the same copy in both directions."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cyclopts import App

from helicline import settings
from helicline.cli.show import as_json, connect, say, table
from helicline.cli.transfer.checkpoint import Checkpoint
from helicline.cli.transfer.job import Job, Problem
from helicline.cli.transfer.tracker import Tracker
from helicline.errors import Invalid

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

import_app = App(name="import", help="Import data from another tool.")
export_app = App(name="export", help="Export data to another tool.")


class Report(msgspec.Struct, frozen=True):
    """The result of a copy; `counts` has the number of each kind at the source and at the destination."""

    source: str
    destination: str
    counts: dict[str, tuple[int, int]]
    problems: list[Problem]


@import_app.command(name="mlflow")
def import_mlflow(uri: str, *, artifacts: Path | None = None, json: bool = False) -> None:
    """Copy a whole MLflow server into this server, and compare both sides; a repeated call continues.

    Experiments, runs with their metric histories and files, models, versions, aliases, prompts, traces, evaluation
    datasets and scorers are copied; runs, models and traces keep their ids. Webhooks are not: their secrets cannot be
    read. Example: `hl import mlflow http://127.0.0.1:5000`

    Parameters
    ----------
    uri
        A tracking server, a database file as sqlite:///mlflow.db, or a folder as ./mlruns (both are read by the
        stock server, if it is installed).
    artifacts
        With a database: the artifact folder of its server. Default: mlartifacts beside the file.
    """
    from helicline.cli.transfer.database import is_local, stock_server

    with ExitStack() as stack:
        client = stack.enter_context(closing(connect()))
        helicline = stack.enter_context(closing(Tracker(client.url, client.headers, keeps_ids=True)))
        helicline.check()
        if not is_local(uri) and not uri.startswith(("http://", "https://")):
            raise Invalid("URI", uri, "http://HOST:PORT, https://HOST:PORT, sqlite:///FILE or a folder")
        url = stack.enter_context(stock_server(uri, artifacts=artifacts)) if is_local(uri) else uri
        mlflow = stack.enter_context(closing(Tracker(url)))
        _run(mlflow, helicline, name=uri if is_local(uri) else mlflow.display_url, json=json)


@export_app.command(name="mlflow")
def export_mlflow(destination: str, *, json: bool = False) -> None:
    """Copy everything in the MLflow API of this server to another MLflow server, and compare both sides.

    A repeated call continues. A stock server gives runs and models new ids; the tag helicline.source_id keeps ours.
    Example: `hl export mlflow http://127.0.0.1:5000`

    Parameters
    ----------
    destination
        The address of a tracking server that serves artifacts itself.
    """
    with ExitStack() as stack:
        client = stack.enter_context(closing(connect()))
        helicline = stack.enter_context(closing(Tracker(client.url, client.headers)))
        helicline.check()
        mlflow = stack.enter_context(closing(Tracker(destination)))
        _run(helicline, mlflow, name=helicline.display_url, json=json)


def _run(source: Tracker, target: Tracker, *, name: str, json: bool) -> None:
    from helicline.cli.transfer.verify import verify

    if source.display_url == target.display_url:
        raise Invalid("URI", source.display_url, "another server than the one it is copied to")
    source.check()
    target.check()
    folder = settings.load().home_path / "transfers"
    with closing(Checkpoint(folder, name, target.display_url)) as checkpoint, _bars(quiet=json) as bars:
        job = Job(source, target, checkpoint=checkpoint, progress=bars)
        _copy(job)
        counts = verify(job)
    report = Report(name, target.display_url, counts, job.problems)
    as_json(report) if json else _show(report)
    if report.problems:
        sys.exit(1)


def _copy(job: Job) -> None:
    """Copy everything: referenced items come first, and deleted experiments are deleted last."""
    from helicline.cli.transfer import evaluation, models, runs, traces

    runs.copy_experiments(job)
    _count(job)
    for source_id, target_id in job.experiments.items():
        runs.recover(job, target_id)
        job.in_parallel(lambda run: runs.copy_run(job, run), runs.runs_of(job.source, source_id))
        for model in models.models_of(job.source, source_id):
            models.copy_model(job, model)
    for source_id in job.experiments:
        job.in_parallel(lambda run: runs.end_run(job, run), runs.runs_of(job.source, source_id))
        job.in_parallel(lambda info: traces.copy_trace(job, info), traces.traces_of(job.source, source_id))
        evaluation.copy_scorers(job, source_id)
    evaluation.copy_datasets(job)
    models.copy_registry(job)
    runs.delete_experiments(job)


def _count(job: Job) -> None:
    """Announce the number of runs and traces to the progress display."""
    from helicline.cli.transfer import runs, traces

    for source_id in job.experiments:
        count = sum(1 for _ in runs.runs_of(job.source, source_id))
        for kind in ("runs", "runs finished", "runs verified"):
            job.expect(kind, count)
        job.expect("traces", sum(1 for _ in traces.traces_of(job.source, source_id)))


def _show(report: Report) -> None:
    rows = [
        (kind, source_count, target_count, "" if source_count == target_count else "differs")
        for kind, (source_count, target_count) in report.counts.items()
    ]
    table(f"{report.source} → {report.destination}", ("", "source", "destination", ""), rows)
    if report.problems:
        table(
            "", ("not the same", "", "why"), [(problem.kind, problem.name, problem.why) for problem in report.problems]
        )
        say("Run the command again to copy these once more.")


class Bars:
    """A progress bar for each kind on the terminal; it stays visible at the end."""

    def __init__(self, display_url: RichProgress) -> None:
        self._shown, self._lock = display_url, threading.Lock()
        self._lines: dict[str, TaskID] = {}
        self._totals: Counter[str] = Counter()

    def step(self, kind: str) -> None:
        with self._lock:
            if kind not in self._lines:
                self._lines[kind] = self._shown.add_task(kind, total=self._totals[kind] or None)
            self._shown.advance(self._lines[kind])

    def expect(self, kind: str, count: int) -> None:
        with self._lock:
            self._totals[kind] += count


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Bars]:
    """Show the progress of the copy on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<18}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as display_url:
        yield Bars(display_url)
